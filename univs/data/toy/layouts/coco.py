"""COCO 2017: single frames with instance annotations and panoptic PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.toy.classes import (
    COCO_STUFF_IDS,
    COCO_THING_IDS,
    STUFF_CLASSES,
    STUFF_COLORS,
    THING_CLASSES,
    THING_COLORS,
)
from univs.data.toy.layouts.base import Layout, write_files, write_json
from univs.data.toy.layouts.encoding import box_of, encode_png, rgb_ids, uncompressed_rle
from univs.data.toy.video import ToyVideo

FRAMES_PER_VIDEO = 3
FOLDER_OF_SPLIT = {"train": "train2017", "val": "val2017"}
SEGMENTS_PER_CLASS = 1000  # segment id = category id * 1000 + k: uses two of the colour channels


class COCOLayout(Layout):
    """Category ids have gaps. Masks are run lengths instead of polygons, so that they are exact."""

    folder = "coco"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._images: dict[str, list[dict]] = {split: [] for split in FOLDER_OF_SPLIT}
        self._instances: dict[str, list[dict]] = {split: [] for split in FOLDER_OF_SPLIT}
        self._panoptic: dict[str, list[dict]] = {split: [] for split in FOLDER_OF_SPLIT}

    def add(self, split: str, video: ToyVideo) -> None:
        for t in chosen_frames(video.num_frames):
            self._add_image(split, video, int(t))

    def _add_image(self, split: str, video: ToyVideo, t: int) -> None:
        folder = FOLDER_OF_SPLIT[split]
        image_id = len(self._images[split]) + 1
        stem = f"{image_id:012d}"
        height, width = video.size
        write_files(self.root / folder, [f"{stem}.jpg"], [video.jpegs[t]])
        self._images[split].append(
            {"id": image_id, "file_name": f"{stem}.jpg", "height": height, "width": width}
        )
        instances = self._instances[split]
        segments = np.zeros((height, width), np.int32)
        listed: dict[int, int] = {}  # category id by segment id
        for index, category_id in enumerate(COCO_STUFF_IDS):
            here = video.stuff[t] == index
            if here.any():
                listed[category_id * SEGMENTS_PER_CLASS] = category_id
                segments[here] = category_id * SEGMENTS_PER_CLASS
        for number, index in enumerate(np.flatnonzero(video.areas[:, t])):
            mask = video.masks[index, t]
            category_id = COCO_THING_IDS[video.categories[index]]
            segment = category_id * SEGMENTS_PER_CLASS + number
            segments[mask] = segment
            listed[segment] = category_id
            instances.append(
                {
                    "id": len(instances) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "iscrowd": 0,
                    "bbox": box_of(mask),
                    "area": int(mask.sum()),
                    "segmentation": uncompressed_rle(mask),
                }
            )
        write_files(
            self.root / f"panoptic_{folder}", [f"{stem}.png"], [encode_png(rgb_ids(segments))]
        )
        self._panoptic[split].append(
            {
                "image_id": image_id,
                "file_name": f"{stem}.png",
                "segments_info": [
                    {
                        "id": segment,
                        "category_id": category_id,
                        "iscrowd": 0,
                        "bbox": box_of(segments == segment),
                        "area": int((segments == segment).sum()),
                    }
                    for segment, category_id in listed.items()
                ],
            }
        )

    def finish(self) -> None:
        things = [
            {"id": i, "name": name, "supercategory": "shape"}
            for i, name in zip(COCO_THING_IDS, THING_CLASSES, strict=True)
        ]
        panoptic = [
            {**item, "isthing": 1, "color": list(color)}
            for item, color in zip(things, THING_COLORS, strict=True)
        ] + [
            {"id": i, "name": name, "supercategory": "region", "isthing": 0, "color": list(color)}
            for i, name, color in zip(COCO_STUFF_IDS, STUFF_CLASSES, STUFF_COLORS, strict=True)
        ]
        for split, folder in FOLDER_OF_SPLIT.items():
            for kind, entries, categories in (
                ("instances", self._instances[split], things),
                ("panoptic", self._panoptic[split], panoptic),
            ):
                write_json(
                    self.root / "annotations" / f"{kind}_{folder}.json",
                    {
                        "info": {"description": f"Toy images in the form of COCO: {split}"},
                        "licenses": [],
                        "images": self._images[split],
                        "annotations": entries,
                        "categories": categories,
                    },
                )


def chosen_frames(num_frames: int) -> np.ndarray:
    """Indices of the frames that become images, evenly spread over the video."""
    return np.unique(np.linspace(0, num_frames - 1, FRAMES_PER_VIDEO).round().astype(int))
