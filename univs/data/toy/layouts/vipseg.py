"""VIPSeg: frames, 16-bit panoptic masks, lists, and the evaluation kit's RGB masks and JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.toy.classes import PANOPTIC_CLASSES, PANOPTIC_COLORS, STUFF_CLASSES
from univs.data.toy.layouts.base import Layout, frame_names, write_files, write_json, write_lines
from univs.data.toy.layouts.encoding import box_of, encode_png, rgb_ids
from univs.data.toy.video import NO_STUFF, SPLITS, ToyVideo

VOID = 0
INSTANCES_PER_CLASS = 100  # the factor in "class * 100 + k"


class VIPSegLayout(Layout):
    """Mask values: 0 void, the class from 1 for stuff, ``class * 100 + k`` for the k-th thing.

    In the JSON (and in ``panoVIPSeg_categories.json``) classes count from 0. The RGB masks store
    the same numbers as the 16-bit ones, as R + 256 G + 65536 B.
    """

    folder = "VIPSeg"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._content = {split: {"videos": [], "annotations": []} for split in SPLITS}

    def add(self, split: str, video: ToyVideo) -> None:
        images, maps = frame_names(video), frame_names(video, ".png")
        ids = panoptic_values(video)
        write_files(self.root / "imgs" / video.name, images, video.jpegs)
        write_files(self.root / "panomasks" / video.name, maps, [encode_png(m) for m in ids])
        colours = rgb_ids(ids)
        write_files(self.root / "panomasksRGB" / video.name, maps, [encode_png(c) for c in colours])
        height, width = video.size
        self._content[split]["videos"].append(
            {
                "video_id": video.name,
                "images": [
                    {"id": Path(name).stem, "width": width, "height": height, "file_name": name}
                    for name in images
                ],
            }
        )
        self._content[split]["annotations"].append(
            {
                "video_id": video.name,
                "annotations": [
                    {
                        "image_id": Path(name).stem,
                        "file_name": name,
                        "segments_info": [_segment(m == value, value) for value in _listed(m)],
                    }
                    for name, m in zip(maps, ids, strict=True)
                ],
            }
        )

    def finish(self) -> None:
        categories = vipseg_categories()
        write_json(self.root / "panoVIPSeg_categories.json", categories)
        for split, content in self._content.items():
            names = [entry["video_id"] for entry in content["videos"]]
            write_lines(self.root / f"{split}.txt", names)
            write_json(
                self.root / f"panoptic_gt_VIPSeg_{split}.json",
                {**content, "categories": categories},
            )


def panoptic_values(video: ToyVideo) -> np.ndarray:
    """The values of the 16-bit masks, uint16 [T, H, W]."""
    lookup = np.full(256, VOID, np.uint16)
    lookup[: len(STUFF_CLASSES)] = np.arange(1, len(STUFF_CLASSES) + 1)
    assert lookup[NO_STUFF] == VOID
    values = lookup[video.stuff]
    met: dict[int, int] = {}  # objects so far, by class
    for category, masks in zip(video.categories.tolist(), video.masks, strict=True):
        number = met.get(category, 0)
        met[category] = number + 1
        values[masks] = (len(STUFF_CLASSES) + category + 1) * INSTANCES_PER_CLASS + number
    return values


def vipseg_categories() -> list[dict]:
    """The content of ``panoVIPSeg_categories.json``."""
    return [
        {
            "id": index,
            "name": name,
            "isthing": int(index >= len(STUFF_CLASSES)),
            "color": list(PANOPTIC_COLORS[index]),
        }
        for index, name in enumerate(PANOPTIC_CLASSES)
    ]


def _listed(ids: np.ndarray) -> list[int]:
    return [value for value in np.unique(ids).tolist() if value != VOID]


def _segment(mask: np.ndarray, value: int) -> dict:
    category = value // INSTANCES_PER_CLASS if value >= INSTANCES_PER_CLASS else value
    return {
        "id": value,
        "category_id": category - 1,
        "iscrowd": 0,
        "bbox": box_of(mask),
        "area": int(mask.sum()),
    }
