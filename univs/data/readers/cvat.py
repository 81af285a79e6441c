"""CVAT's own XML export, for images and for video: polygons, masks and boxes.

Images and video are told apart by their tracks. Shapes of an image that share a group are one
object. CVAT writes every frame of a track, those between key frames too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from pycocotools import mask as coco_mask

from univs.data.frames import ImageFrames
from univs.data.mask_source import RleMasks, polygons_to_rle
from univs.data.readers.folders import IMAGE_SUFFIXES, frame_size
from univs.data.readers.json_file import AnnotationError
from univs.data.readers.raw_videos import natural_key
from univs.data.readers.still_image import image_record
from univs.data.record import ObjectRecord, VideoRecord

_SHAPES = ("polygon", "mask", "box")


def cvat_labels(path: str | Path) -> list[str]:
    """The labels of a project or task in the order of the file, or else those that are used.

    Raises:
        AnnotationError: the file is damaged.
    """
    root = _parse(path)
    names = [item.text.strip() for item in root.iterfind("meta//label/name") if item.text]
    used = {item.get("label", "") for item in root.iter() if item.tag in (*_SHAPES, "track")}
    return list(dict.fromkeys(names)) or sorted(used - {""})


def is_video(path: str | Path) -> bool:
    """Whether an export is of video."""
    return _parse(path).find("track") is not None


def read_cvat_images(
    path: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str,
    categories: Mapping[str, int],
) -> list[VideoRecord]:
    """Read "CVAT for images" in the order of the file.

    Args:
        path: ``annotations.xml``.
        image_root: folder that the names of images are relative to.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by label.

    Raises:
        AnnotationError: the file is damaged, or a shape is.
    """
    records = []
    for image in _parse(path).iterfind("image"):
        where = f"{path}: image {image.get('name')!r}"
        size = (_number(image, "height", where), _number(image, "width", where))
        groups: dict[tuple, list[ElementTree.Element]] = {}
        for position, shape in enumerate(_shapes(image)):
            group = shape.get("group_id")
            groups.setdefault(("group", group) if group else ("alone", position), []).append(shape)
        objects = [
            ObjectRecord(
                id=number,
                official_id=number + 1,
                category=_category(shapes[0].get("label"), categories, where),
                masks=RleMasks(size, (0,), (_counts(shapes, size, where),)),
                frames=(0,),
            )
            for number, shapes in enumerate(groups.values())
        ]
        record = image_record(
            image_root,
            image.get("name", ""),
            dataset=dataset,
            domain=domain,
            official_id=_number(image, "id", where),
            size=size,
            objects=objects,
        )
        records.append(record)
    if not records:
        raise AnnotationError(f"{path} has no images.")
    return records


def read_cvat_video(
    path: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str,
    categories: Mapping[str, int],
) -> list[VideoRecord]:
    """Read "CVAT for video": the one video of a task.

    Args:
        path: ``annotations.xml``.
        image_root: folder of its frames, which are sorted by name.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by label.

    Raises:
        AnnotationError: the file is damaged, or a track lies beyond the last frame.
    """
    root = _parse(path)
    names = [p.name for p in Path(image_root).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
    if not names:
        raise AnnotationError(f"{path}: the folder of its frames, {image_root}, has no images.")
    frames = ImageFrames(image_root, sorted(names, key=natural_key))
    size = frame_size(frames)
    objects = []
    for track in root.iterfind("track"):
        where = f"{path}: track {track.get('id')!r}"
        shown: dict[int, list[ElementTree.Element]] = {}
        for shape in _shapes(track):
            if shape.get("outside") != "1":
                shown.setdefault(_number(shape, "frame", where), []).append(shape)
        if shown and max(shown) >= len(frames):
            raise AnnotationError(
                f"{where} has a shape in frame {max(shown)}; {image_root} has {len(frames)} frames."
            )
        counts = {
            frame: _counts(shown[frame], size, f"{where}, frame {frame}") for frame in sorted(shown)
        }
        objects.append(
            ObjectRecord(
                id=len(objects),
                official_id=_number(track, "id", where),
                category=_category(track.get("label"), categories, where),
                masks=RleMasks(size, tuple(counts), tuple(counts.values())),
                frames=tuple(counts),
            )
        )
    name = (root.findtext("meta/task/name") or Path(image_root).name).strip()
    return [
        VideoRecord(
            dataset=dataset,
            domain=domain,
            video_id=name,
            official_id=name,
            frames=frames,
            size=size,
            objects=tuple(objects),
        )
    ]


def _parse(path: str | Path) -> ElementTree.Element:
    content = Path(path).read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise AnnotationError(f"{path} defines entities, which CVAT's files do not.")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise AnnotationError(f"{path} is not valid XML ({error}); export it again.") from error
    if root.tag != "annotations":
        raise AnnotationError(
            f"{path} begins with <{root.tag}>; an export 'CVAT for images' or 'CVAT for video', "
            "which begins with <annotations>, is expected."
        )
    return root


def _shapes(parent: ElementTree.Element) -> list[ElementTree.Element]:
    return [child for child in parent if child.tag in _SHAPES]


def _number(item: ElementTree.Element, key: str, where: str) -> int:
    value = item.get(key)
    if value is None or not value.lstrip("-").isdigit():
        raise AnnotationError(f"{where}: <{item.tag}> needs a whole number {key!r}, not {value!r}.")
    return int(value)


def _category(label: str | None, categories: Mapping[str, int], where: str) -> int:
    if label not in categories:
        raise AnnotationError(f"{where} has the unknown label {label!r}.")
    return categories[label]


def _counts(shapes: Iterable[ElementTree.Element], size: tuple[int, int], where: str) -> bytes:
    """Run lengths of the union of shapes."""
    rles = [_rle(shape, size, where) for shape in shapes]
    return coco_mask.merge(rles)["counts"]


def _rle(shape: ElementTree.Element, size: tuple[int, int], where: str) -> dict:
    try:
        if shape.tag == "mask":
            return _mask(shape, size)
        return polygons_to_rle([_outline(shape)], size)
    except (KeyError, ValueError) as error:
        raise AnnotationError(f"{where}: a <{shape.tag}> is malformed: {error}.") from error


def _outline(shape: ElementTree.Element) -> np.ndarray:
    if shape.tag == "box":
        left, top, right, bottom = (float(shape.attrib[k]) for k in ("xtl", "ytl", "xbr", "ybr"))
        return np.array([left, top, right, top, right, bottom, left, bottom])
    pairs = [pair.split(",") for pair in shape.attrib["points"].split(";")]
    if len(pairs) < 3:
        raise ValueError(f"it has {len(pairs)} points")
    return np.array(pairs, dtype=np.float64).reshape(-1)


def _mask(shape: ElementTree.Element, size: tuple[int, int]) -> dict:
    """Run lengths within a box, row by row, starting with background."""
    left, top, width, height = (int(shape.attrib[k]) for k in ("left", "top", "width", "height"))
    lengths: Sequence[int] = [int(length) for length in shape.attrib["rle"].split(",")]
    if sum(lengths) != width * height:
        raise ValueError(f"its run lengths cover {sum(lengths)} pixels of {width * height}")
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise ValueError("it reaches beyond the image")
    values = np.arange(len(lengths)) % 2 == 1
    mask = np.zeros(size, dtype=np.uint8)
    mask[top : top + height, left : left + width] = np.repeat(values, lengths).reshape(
        height, width
    )
    return coco_mask.encode(np.asfortranarray(mask))
