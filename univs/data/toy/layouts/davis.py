"""DAVIS 2017 at 480p: palette PNG for every frame, objects of the first frame only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.toy.layouts.base import Layout, frame_names, write_files, write_lines
from univs.data.toy.layouts.encoding import encode_palette_png, object_ids
from univs.data.toy.video import SPLITS, ToyVideo

RESOLUTION = "480p"  # the name of the folder; the toy videos are smaller


class DAVISLayout(Layout):
    """Videos whose first frame shows no object are left out."""

    folder = "DAVIS"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._names: dict[str, list[str]] = {split: [] for split in SPLITS}

    def add(self, split: str, video: ToyVideo) -> None:
        objects = first_frame_objects(video)
        if not len(objects):
            return
        write_files(
            self.root / "JPEGImages" / RESOLUTION / video.name, frame_names(video), video.jpegs
        )
        masks = [encode_palette_png(ids) for ids in object_ids(video.masks[objects])]
        for folder in ("Annotations", "Annotations_unsupervised"):
            write_files(
                self.root / folder / RESOLUTION / video.name, frame_names(video, ".png"), masks
            )
        self._names[split].append(video.name)

    def finish(self) -> None:
        for split, names in self._names.items():
            write_lines(self.root / "ImageSets" / "2017" / f"{split}.txt", names)


def first_frame_objects(video: ToyVideo) -> np.ndarray:
    """Indices of the objects that the first frame shows; they are numbered from 1 in this order."""
    return np.flatnonzero(video.masks[:, 0].any(axis=(1, 2)))
