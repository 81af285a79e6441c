"""VIPOSeg: ``{train,valid}/{JPEGImages,Annotations}``, with things and stuff alike as objects.

As in the download, ``valid/Annotations`` holds nothing but prompts, and ``valid/Annotations_gt``
the masks of all frames.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.toy.classes import STUFF_CLASSES
from univs.data.toy.layouts.base import Layout, frame_names, write_json
from univs.data.toy.layouts.youtube_vos import FOLDER_OF_SPLIT, write_object_video
from univs.data.toy.video import ToyVideo


class VIPOSegLayout(Layout):
    """Objects are numbered from 1, things first; classes count from 0, stuff first."""

    folder = "viposeg"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._classes: dict[str, dict] = {split: {} for split in FOLDER_OF_SPLIT}
        self._videos: dict[str, dict] = {split: {} for split in FOLDER_OF_SPLIT}

    def add(self, split: str, video: ToyVideo) -> None:
        masks, classes = segments(video)
        write_object_video(self.root, split, video, masks)
        names = [Path(name).stem for name in frame_names(video)]
        shown = masks.any(axis=(2, 3))  # [N, T]
        self._classes[split][video.name] = {
            str(number): int(label) for number, label in enumerate(classes, start=1)
        }
        self._videos[split][video.name] = {
            "objects": {
                str(number): {"frames": [names[t] for t in np.flatnonzero(frames)]}
                for number, frames in enumerate(shown, start=1)
            }
        }

    def finish(self) -> None:
        for split, folder in FOLDER_OF_SPLIT.items():
            write_json(self.root / folder / "obj_class.json", self._classes[split])
            write_json(self.root / folder / "meta.json", {"videos": self._videos[split]})


def segments(video: ToyVideo) -> tuple[np.ndarray, np.ndarray]:
    """Masks of all objects and stuff regions, bool [N, T, H, W], and their classes, int64 [N]."""
    present = [label for label in range(len(STUFF_CLASSES)) if (video.stuff == label).any()]
    labels = np.array(present, np.int64)
    masks = np.concatenate([video.masks, video.stuff == labels[:, None, None, None]])
    return masks, np.concatenate([video.categories + len(STUFF_CLASSES), labels])
