"""COCO, YouTube-VIS and OVIS with a handful of small images, as their official downloads lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from univs.data.catalog.classes import class_table

SIZE = (64, 96)  # height, width

# Official COCO ids: person, elephant and bottle. No video dataset has bottles.
_COCO_CATEGORIES = (1, 22, 44)
# Frames of the videos. Of the two objects of the last one, one is in its first frame only.
_LENGTHS = (1, 3, 8)


def write_datasets(root: Path) -> None:
    """Write the training parts of COCO 2017, YouTube-VIS 2019 and 2021, and OVIS below ``root``."""
    _write_coco(root / "coco")
    for year in (2019, 2021):
        folder = root / f"ytvis_{year}"
        images = folder / "train" / "JPEGImages"
        _write_videos(images, folder / "train.json", f"ytvis{year % 100}")
    _write_videos(root / "ovis" / "train", root / "ovis" / "annotations_train.json", "ovis")


def _write_coco(folder: Path) -> None:
    images, annotations = [], []
    for number in range(1, 4):
        name = f"{number:012d}.jpg"
        _write_image(folder / "train2017" / name, number)
        images.append({"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        for column, category in enumerate(_COCO_CATEGORIES):
            mask = _square(4 + 8 * number, 4 + 30 * column)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "iscrowd": 0,
                    "bbox": _box(mask),
                    "area": int(mask.sum()),
                    "segmentation": _run_lengths(mask),
                }
            )
    _write_json(
        folder / "annotations" / "instances_train2017.json",
        {"images": images, "annotations": annotations, "categories": _categories("coco")},
    )


def _write_videos(images: Path, annotation_file: Path, domain: str) -> None:
    videos, annotations = [], []
    for number, length in enumerate(_LENGTHS, start=1):
        names = [f"video{number}/{frame:05d}.jpg" for frame in range(length)]
        for frame, name in enumerate(names):
            _write_image(images / name, frame)
        videos.append(
            {
                "id": number,
                "file_names": names,
                "length": length,
                "height": SIZE[0],
                "width": SIZE[1],
            }
        )
        for row in range(2):
            masks: list[np.ndarray | None] = [
                _square(4 + 30 * row, 4 + 6 * frame) for frame in range(length)
            ]
            if number == len(_LENGTHS) and row == 0:
                masks[1:] = [None] * (length - 1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": number,
                    "category_id": class_table(domain).ids[row],
                    "iscrowd": 0,
                    "bboxes": [None if mask is None else _box(mask) for mask in masks],
                    "areas": [None if mask is None else int(mask.sum()) for mask in masks],
                    "segmentations": [
                        None if mask is None else _run_lengths(mask) for mask in masks
                    ],
                }
            )
    _write_json(
        annotation_file,
        {"videos": videos, "annotations": annotations, "categories": _categories(domain)},
    )


def _categories(domain: str) -> list[dict]:
    table = class_table(domain)
    classes = zip(table.ids, table.names, strict=True)
    return [{"id": number, "name": name} for number, name in classes]


def _square(top: int, left: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + 26, left : left + 26] = True
    return mask


def _box(mask: np.ndarray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(x) for x in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]


def _run_lengths(mask: np.ndarray) -> dict:
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(SIZE), "counts": encoded["counts"].decode()}


def _write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
