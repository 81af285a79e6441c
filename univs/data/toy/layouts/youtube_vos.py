"""YouTube-VOS and MOSE: ``{train,valid}/{JPEGImages,Annotations}`` and a table of objects.

As in the downloads, ``valid/Annotations`` holds nothing but prompts. So that results can be scored
here, ``valid/Annotations_gt`` holds the masks of all frames.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.toy.classes import THING_CLASSES
from univs.data.toy.layouts.base import Layout, frame_names, write_files, write_json
from univs.data.toy.layouts.davis import first_frame_objects
from univs.data.toy.layouts.encoding import encode_palette_png, object_ids
from univs.data.toy.video import ToyVideo

FOLDER_OF_SPLIT = {"train": "train", "val": "valid"}


class YouTubeVOSLayout(Layout):
    """Objects may enter late; a prompt PNG holds the objects that appear first in its frame."""

    folder = "youtube_vos/2019"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._videos: dict[str, dict] = {split: {} for split in FOLDER_OF_SPLIT}

    def add(self, split: str, video: ToyVideo) -> None:
        write_object_video(self.root, split, video, video.masks)
        names = [Path(name).stem for name in frame_names(video)]
        self._videos[split][video.name] = {
            "objects": {
                str(index + 1): {
                    "category": THING_CLASSES[video.categories[index]],
                    "frames": [names[t] for t in np.flatnonzero(video.areas[index])],
                }
                for index in range(video.num_objects)
            }
        }

    def finish(self) -> None:
        for split, videos in self._videos.items():
            write_json(self.root / FOLDER_OF_SPLIT[split] / "meta.json", {"videos": videos})


class MOSELayout(Layout):
    """Objects of the first frame only; videos whose first frame shows none are left out."""

    folder = "mose"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._videos: dict[str, dict] = {split: {} for split in FOLDER_OF_SPLIT}

    def add(self, split: str, video: ToyVideo) -> None:
        objects = first_frame_objects(video)
        if not len(objects):
            return
        write_object_video(self.root, split, video, video.masks[objects])
        self._videos[split][video.name] = {
            "objects": {
                str(number): {"category": THING_CLASSES[video.categories[index]]}
                for number, index in enumerate(objects, start=1)
            },
            "length": video.num_frames,
        }

    def finish(self) -> None:
        for split, videos in self._videos.items():
            folder = FOLDER_OF_SPLIT[split]
            write_json(self.root / f"meta_{folder}.json", {"videos": videos})


def write_object_video(root: Path, split: str, video: ToyVideo, masks: np.ndarray) -> None:
    """Write frames and palette masks, of which ``val`` publishes the prompts apart.

    Args:
        root: the benchmark's folder.
        split: ``"train"`` or ``"val"``.
        video: the video.
        masks: bool [N, T, H, W] of its objects, which are numbered from 1 in their order.
    """
    folder = root / FOLDER_OF_SPLIT[split]
    names = frame_names(video, ".png")
    contents = [encode_palette_png(ids) for ids in object_ids(masks)]
    write_files(folder / "JPEGImages" / video.name, frame_names(video), video.jpegs)
    if split == "train":
        write_files(folder / "Annotations" / video.name, names, contents)
        return
    write_files(folder / "Annotations_gt" / video.name, names, contents)
    shown = masks.any(axis=(2, 3))  # [N, T]
    starts = shown.argmax(axis=1)
    is_start = np.arange(video.num_frames) == starts[:, None]
    prompts = object_ids(masks & is_start[:, :, None, None])
    frames = np.unique(starts)
    write_files(
        folder / "Annotations" / video.name,
        [names[t] for t in frames],
        [encode_palette_png(prompts[t]) for t in frames],
    )
