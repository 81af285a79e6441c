"""Label Studio's json export of images: polygons, brush strokes and rectangles.

Coordinates are percentages of the image. A brush stroke is an RGBA image, of which the alpha
channel counts, in run lengths of its own form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from univs.data.mask_source import RleMasks
from univs.data.readers.json_file import AnnotationError, require
from univs.data.readers.still_image import image_record
from univs.data.record import ObjectRecord, VideoRecord

_KINDS = ("polygonlabels", "brushlabels", "rectanglelabels")


def label_studio_labels(json_file: str | Path) -> list[str]:
    """The labels that occur in an export, sorted.

    Raises:
        AnnotationError: the file is damaged.
    """
    tasks = _tasks(json_file)
    return sorted({label for task in tasks for _, label in _regions(task, json_file)})


def read_label_studio(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str,
    categories: Mapping[str, int],
) -> list[VideoRecord]:
    """Read the annotated images in the order of the file; tasks without annotations are left out.

    Args:
        json_file: the export "JSON".
        image_root: folder of the images, which may have the random prefix that uploads get.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by label.

    Raises:
        AnnotationError: the file is damaged, an image is missing, or a label is unknown.
    """
    records = []
    for task in _tasks(json_file):
        regions = list(_regions(task, json_file))
        if not regions:
            continue
        where = f"{json_file}: task {task.get('id')!r}"
        sizes = {(item["original_height"], item["original_width"]) for item, _ in regions}
        if len(sizes) > 1:
            raise AnnotationError(f"{where} has regions for images of sizes {sorted(sizes)}.")
        (size,) = sizes
        objects = []
        for item, label in regions:
            if label not in categories:
                raise AnnotationError(
                    f"{where}, region {item.get('id')!r} has the unknown label {label!r}."
                )
            segment = _segment(item, size, f"{where}, region {item.get('id')!r}")
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=item.get("id", len(objects)),
                    category=categories[label],
                    masks=RleMasks(size, (0,), (segment,)),
                    frames=(0,),
                )
            )
        records.append(
            image_record(
                image_root,
                _file_name(task, Path(image_root), where),
                dataset=dataset,
                domain=domain,
                official_id=task.get("id", len(records)),
                size=size,
                objects=objects,
            )
        )
    if not records:
        raise AnnotationError(f"{json_file} has no regions of the kinds {', '.join(_KINDS)} in it.")
    return records


def _tasks(json_file: str | Path) -> list[dict]:
    try:
        tasks = json.loads(Path(json_file).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise AnnotationError(
            f"{json_file} is not valid json ({error}); export it again."
        ) from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise AnnotationError(
            f"{json_file} must hold a list of tasks: export the project in the format 'JSON'."
        )
    return tasks


def _regions(task: Mapping, json_file: str | Path) -> Iterator[tuple[dict, str]]:
    """Regions of a task with their labels, from its first annotation that is not cancelled."""
    where = f"{json_file}: task {task.get('id')!r}"
    require(task, ("data", "annotations"), where)
    annotations = [a for a in task["annotations"] if not a.get("was_cancelled")]
    for item in annotations[0]["result"] if annotations else ():
        kind = item.get("type")
        if kind in _KINDS:
            require(item, ("original_height", "original_width", "value"), f"{where}: a region")
            require(item["value"], (kind,), f"{where}: a region")
            yield item, item["value"][kind][0]


def _segment(item: Mapping, size: tuple[int, int], where: str) -> bytes | tuple[bytes, ...]:
    height, width = size
    value: dict[str, Any] = item["value"]
    scale = np.array([width, height]) / 100
    if item["type"] == "polygonlabels":
        points = np.array(value["points"], dtype=np.float64)
        if len(points) < 3:
            raise AnnotationError(f"{where} is a polygon with {len(points)} points.")
        return ((points * scale).reshape(-1).tobytes(),)
    if item["type"] == "rectanglelabels":
        low = np.array([value["x"], value["y"]])
        far = np.array([value["width"], value["height"]])
        angle = np.deg2rad(value.get("rotation", 0))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * far * scale
        return ((low * scale + corners @ turn.T).reshape(-1).tobytes(),)  # turns about low
    require(value, ("rle",), where)
    pixels = decode_brush(value["rle"])
    if len(pixels) != 4 * height * width:
        raise AnnotationError(
            f"{where} has a brush stroke of {len(pixels) // 4} pixels, its image has "
            f"{height * width}."
        )
    alpha = pixels.reshape(height, width, 4)[..., 3]
    return coco_mask.encode(np.asfortranarray(alpha > 127, dtype=np.uint8))["counts"]


def decode_brush(packed: list[int]) -> np.ndarray:
    """The bytes that a brush stroke packs, uint8 ``[N]``.

    A header of bits gives N (32 bits), the size of a word less one (5) and four sizes of lengths
    less one (4 each). Then come runs: a bit tells a repeated word from different ones, two bits the
    size of the length, then the length less one.
    """
    bits = np.unpackbits(np.array(packed, dtype=np.uint8)).tobytes()
    position = 0

    def read(count: int) -> int:
        nonlocal position
        value = 0
        for bit in bits[position : position + count]:
            value = 2 * value + bit
        position += count
        return value

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values = np.zeros(total, dtype=np.uint8)
    done = 0
    while done < total and position < len(bits):
        is_repeated = read(1)
        end = min(done + read(sizes[read(2)]) + 1, total)
        if is_repeated:
            values[done:end] = read(word)
        else:
            values[done:end] = [read(word) for _ in range(end - done)]
        done = end
    return values


def _file_name(task: Mapping, image_root: Path, where: str) -> str:
    """The image of a task: by the name in its data, with or without the prefix of an upload."""
    addresses = [value for value in task["data"].values() if isinstance(value, str)]
    names = [task["file_upload"]] if task.get("file_upload") else []
    for address in addresses:
        name = PurePosixPath(address.split("?")[0]).name
        names += [name, name.partition("-")[2]]
        if "?d=" in address:  # of local storage
            names.insert(0, address.partition("?d=")[2])
    for name in names:
        for candidate in (name, PurePosixPath(name).name):
            if candidate and (image_root / candidate).is_file():
                return candidate
    raise AnnotationError(f"{where}: its image {addresses[:1]} is not in {image_root}.")
