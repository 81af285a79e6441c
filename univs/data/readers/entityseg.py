"""EntitySeg: jsons in the form of COCO instances whose masks, things and stuff, tile an image.

The annotations come in parts, ``entityseg_train_{01,02,03}.json``, where ``category_id`` is the
same for all and ``category_id_ori`` is the class, or in one file with ``category_id``. Images may
be stored smaller than they are annotated; they are resized when they are decoded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from univs.data.frames import ImageFrames, ResizedFrames
from univs.data.readers.coco import read_coco_instances
from univs.data.readers.folders import IMAGE_SUFFIXES
from univs.data.readers.json_file import AnnotationError
from univs.data.record import VideoRecord

_ORIGINAL_KEY = "category_id_ori"
_HEAD = 1 << 20  # characters in which a file shows its form


def read_entityseg(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str,
    categories: Mapping[int, int],
    things: Collection[int],
) -> list[VideoRecord]:
    """Read the images of a split, part by part.

    Args:
        json_file: the annotations; if its name ends in ``_01``, the first of several parts.
        image_root: folder of the images, or of folders ``entity_01_11580`` and so on.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by official id; annotations of others are left out.
        things: 0-based categories that are things.

    Raises:
        AnnotationError: a file is damaged, or an image is missing.
    """
    path = Path(json_file)
    parts = [path]
    if path.stem.endswith("_01"):
        parts = sorted(path.parent.glob(f"{path.stem.removesuffix('01')}*{path.suffix}"))
    places = _places(Path(image_root))
    records: list[VideoRecord] = []
    for part in parts:
        found = read_coco_instances(
            part,
            image_root,
            dataset=dataset,
            domain=domain,
            categories=categories,
            things=things,
            category_key=_category_key(part),
        )
        prefix = f"{part.stem}/" if len(parts) > 1 else ""  # ids are those of the part
        records += [_placed(record, places, part, prefix) for record in found]
    return records


def _category_key(path: Path) -> str:
    with open(path, encoding="utf-8") as file:
        return _ORIGINAL_KEY if json.dumps(_ORIGINAL_KEY) in file.read(_HEAD) else "category_id"


def _places(root: Path) -> dict[str, str]:
    """Path below ``root`` by file name."""
    return {
        path.name: path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
    }


def _placed(record: VideoRecord, places: Mapping[str, str], part: Path, prefix: str) -> VideoRecord:
    root, (name,) = record.frames.root, record.frames.file_names
    place = places.get(Path(name).name)
    if place is None:
        raise AnnotationError(f"{part}: image {name!r} is not below {root}.")
    frames = ResizedFrames(ImageFrames(root, (place,)), record.size)
    return replace(record, frames=frames, video_id=f"{prefix}{record.video_id}")
