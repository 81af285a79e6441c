"""BURST: tracks at the annotated frames, and for each object its first mask, box and point."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from univs.data.toy.classes import THING_CLASSES
from univs.data.toy.layouts.base import Layout, write_files, write_json
from univs.data.toy.layouts.encoding import box_of, compressed_rle
from univs.data.toy.video import ToyVideo

SOURCE = "toy"  # in the place of the data sets that BURST's videos come from
FRAMES_PER_SECOND = 6
#: Every how many frames one is annotated: validation is sparser than training, as in BURST.
ANNOTATION_STEP = {"train": 1, "val": 2}


class BURSTLayout(Layout):
    """``frames/<split>/<source>/<video>/*.jpg`` and ``annotations/<split>/*.json``.

    Track ids count from 1 per video and are text keys; category ids count from 1.
    """

    folder = "burst"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._tracks: dict[str, list[dict]] = {split: [] for split in ANNOTATION_STEP}
        self._first_frames: dict[str, list[dict]] = {split: [] for split in ANNOTATION_STEP}

    def add(self, split: str, video: ToyVideo) -> None:
        names = [f"frame{t + 1:04d}.jpg" for t in range(video.num_frames)]
        write_files(self.root / "frames" / split / SOURCE / video.name, names, video.jpegs)
        annotated = np.arange(0, video.num_frames, ANNOTATION_STEP[split])
        shown = video.areas[:, annotated] > 0  # [N, A]
        objects = np.flatnonzero(shown.any(axis=1))
        present = {int(video.categories[i]) + 1 for i in objects}
        height, width = video.size
        sequence = {
            "id": len(self._tracks[split]) + 1,
            "dataset": SOURCE,
            "seq_name": video.name,
            "width": width,
            "height": height,
            "fps": FRAMES_PER_SECOND,
            "all_image_paths": names,
            "annotated_image_paths": [names[t] for t in annotated],
            "neg_category_ids": sorted(set(range(1, len(THING_CLASSES) + 1)) - present),
            "not_exhaustive_category_ids": [],
            "track_category_ids": {str(i + 1): int(video.categories[i]) + 1 for i in objects},
        }
        tracks = [
            {
                str(i + 1): {"rle": _counts(video.masks[i, t]), "is_gt": True, "score": 1.0}
                for i in np.flatnonzero(shown[:, at])
            }
            for at, t in enumerate(annotated)
        ]
        starts = shown.argmax(axis=1)
        first_frames = [
            {
                str(i + 1): {
                    "rle": _counts(video.masks[i, t]),
                    "is_gt": True,
                    "bbox": box_of(video.masks[i, t]),
                    "point": interior_point(video.masks[i, t]),
                }
                for i in objects[starts[objects] == at]
            }
            for at, t in enumerate(annotated)
        ]
        self._tracks[split].append({**sequence, "segmentations": tracks})
        self._first_frames[split].append({**sequence, "segmentations": first_frames})

    def finish(self) -> None:
        categories = [
            {"id": index + 1, "name": name, "def": f"a toy {name}", "synset": f"{name}.n.01"}
            for index, name in enumerate(THING_CLASSES)
        ]
        write_json(self.root / "annotations" / "info" / "categories.json", categories)
        for split, tracks in self._tracks.items():
            contents = {
                "all_classes.json": tracks,
                "first_frame_annotations.json": self._first_frames[split],
            }
            for name, sequences in contents.items():
                write_json(
                    self.root / "annotations" / split / name,
                    {"split": split, "sequences": sequences, "categories": categories},
                )


def interior_point(mask: np.ndarray) -> list[int]:
    """The pixel [x, y] of a bool mask [H, W] that lies farthest from the mask's edge."""
    padded = np.pad(mask.astype(np.uint8), 1)  # the frame's edge counts as an edge
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return [int(x), int(y)]


def _counts(mask: np.ndarray) -> str:
    return compressed_rle(mask)["counts"]
