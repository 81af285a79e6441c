"""YouTube-VIS: ``{train,valid}/JPEGImages/<video>/<frame>.jpg`` and ``{train,valid}.json``.

Unlike the download, ``valid.json`` holds the annotations, so that results can be scored here.
"""

from __future__ import annotations

from pathlib import Path

from univs.data.toy.classes import THING_CLASSES
from univs.data.toy.layouts.base import Layout, frame_names, write_files, write_json
from univs.data.toy.layouts.encoding import box_of, uncompressed_rle
from univs.data.toy.video import ToyVideo

FOLDER_OF_SPLIT = {"train": "train", "val": "valid"}


class YouTubeVISLayout(Layout):
    """Per object: category id from 1, and per frame a box, an area and run lengths, or null."""

    folder = "ytvis_2021"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._content = {split: {"videos": [], "annotations": []} for split in FOLDER_OF_SPLIT}

    def add(self, split: str, video: ToyVideo) -> None:
        names = frame_names(video)
        folder = self.root / FOLDER_OF_SPLIT[split] / "JPEGImages" / video.name
        write_files(folder, names, video.jpegs)
        content = self._content[split]
        height, width = video.size
        video_id = len(content["videos"]) + 1
        content["videos"].append(
            {
                "id": video_id,
                "width": width,
                "height": height,
                "length": video.num_frames,
                "file_names": [f"{video.name}/{name}" for name in names],
                "license": 1,
                "date_captured": "",
                "flickr_url": "",
                "coco_url": "",
            }
        )
        for category, masks in zip(video.categories, video.masks, strict=True):
            shown = masks.any(axis=(1, 2))
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "video_id": video_id,
                    "category_id": int(category) + 1,
                    "iscrowd": 0,
                    "width": width,
                    "height": height,
                    "length": video.num_frames,
                    "bboxes": [box_of(m) if s else None for m, s in zip(masks, shown, strict=True)],
                    "areas": [
                        int(m.sum()) if s else None for m, s in zip(masks, shown, strict=True)
                    ],
                    "segmentations": [
                        uncompressed_rle(m) if s else None
                        for m, s in zip(masks, shown, strict=True)
                    ],
                }
            )

    def finish(self) -> None:
        categories = [
            {"id": index + 1, "name": name, "supercategory": "shape"}
            for index, name in enumerate(THING_CLASSES)
        ]
        for split, content in self._content.items():
            write_json(
                self.root / f"{FOLDER_OF_SPLIT[split]}.json",
                {
                    "info": {"description": f"Toy videos in the form of YouTube-VIS: {split}"},
                    "licenses": [],
                    **content,
                    "categories": categories,
                },
            )
