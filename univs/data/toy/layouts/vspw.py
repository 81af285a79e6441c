"""VSPW: ``data/<video>/{origin/*.jpg,mask/*.png}`` and lists of videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.toy.classes import PANOPTIC_CLASSES, STUFF_CLASSES
from univs.data.toy.layouts.base import Layout, frame_names, write_files, write_json, write_lines
from univs.data.toy.layouts.encoding import encode_png
from univs.data.toy.video import SPLITS, ToyVideo

VOID = 255


class VSPWLayout(Layout):
    """Masks are 8-bit: the class from 1, stuff first; 0 would be "others", 255 is void."""

    folder = "VSPW_480p"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._names: dict[str, list[str]] = {split: [] for split in SPLITS}

    def add(self, split: str, video: ToyVideo) -> None:
        folder = self.root / "data" / video.name
        write_files(folder / "origin", frame_names(video), video.jpegs)
        masks = [encode_png(labels) for labels in semantic_values(video)]
        write_files(folder / "mask", frame_names(video, ".png"), masks)
        self._names[split].append(video.name)

    def finish(self) -> None:
        for split, names in self._names.items():
            write_lines(self.root / f"{split}.txt", names)
        numbers = {name: index + 1 for index, name in enumerate(PANOPTIC_CLASSES)}
        write_json(self.root / "label_num_dic_final.json", {"others": 0, **numbers})


def semantic_values(video: ToyVideo) -> np.ndarray:
    """The values of the masks, uint8 [T, H, W]."""
    lookup = np.full(256, VOID, np.uint8)
    lookup[: len(STUFF_CLASSES)] = np.arange(1, len(STUFF_CLASSES) + 1)
    values = lookup[video.stuff]
    for category, masks in zip(video.categories, video.masks, strict=True):
        values[masks] = len(STUFF_CLASSES) + 1 + category
    return values
