"""COCO's json of instances and of panoptic segments; every image becomes a video of length 1."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from univs.data.mask_source import (
    IdMaps,
    IdMasks,
    MapEncoding,
    MaskError,
    RleMasks,
    parse_segmentation,
)
from univs.data.readers.json_file import (
    AnnotationError,
    check_unique,
    contiguous_ids,
    read_json,
    require,
)
from univs.data.readers.still_image import image_record
from univs.data.record import ObjectRecord, VideoRecord


def read_coco_instances(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str | None,
    categories: Mapping[int, int] | None,
    things: Collection[int] | None = None,
    category_key: str = "category_id",
) -> list[VideoRecord]:
    """Read the images of a COCO instance json (COCO, LVIS, Objects365) in ascending order of ids.

    Annotations without a mask are objects with a box only.

    Args:
        json_file: the annotations.
        image_root: folder that the file names are relative to.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by official id; annotations of other categories are left out.
            None takes the rank among the ids of the file.
        things: 0-based categories that are things; None: all are.
        category_key: key of an annotation's category.

    Raises:
        AnnotationError: the file is damaged or contradicts itself.
    """
    content = read_json(
        json_file,
        keys=("images", "categories"),
        convert={"annotations": lambda item: _Instance.parse(item, json_file, category_key)},
    )
    listed = contiguous_ids(content["categories"], json_file)
    categories = listed if categories is None else categories
    images = _images(content["images"], json_file)
    instances: list[_Instance] = content.get("annotations") or []
    check_unique((instance.official_id for instance in instances), json_file, "annotation")
    objects: dict[int, list[ObjectRecord]] = {image: [] for image in images}
    thing_set = None if things is None else frozenset(things)
    for instance in instances:
        where = f"{json_file}: annotation {instance.official_id!r}"
        image = _lookup(images, instance.image, where)
        if instance.category not in listed:
            raise AnnotationError(
                f"{where} has category {instance.category}, which is not among the {len(listed)} "
                "categories of the file."
            )
        size = (image["height"], image["width"])
        if instance.size is not None and instance.size != size:
            raise AnnotationError(
                f"{where} has a mask of size {instance.size[0]}x{instance.size[1]} (height x "
                f"width), its image {instance.image!r} is {size[0]}x{size[1]}."
            )
        if instance.category not in categories:
            continue
        siblings = objects[instance.image]
        category = categories[instance.category]
        siblings.append(
            ObjectRecord(
                id=len(siblings),
                official_id=instance.official_id,
                category=category,
                masks=instance.segment and RleMasks(size, (0,), (instance.segment,)),
                frames=(0,),
                boxes=instance.box,
                is_thing=thing_set is None or category in thing_set,
                is_crowd=instance.is_crowd,
            )
        )
    return [
        image_record(
            image_root,
            file_name_of(image),
            dataset=dataset,
            domain=domain,
            official_id=number,
            size=(image["height"], image["width"]),
            objects=objects[number],
        )
        for number, image in sorted(images.items())
    ]


def read_coco_panoptic(
    json_file: str | Path,
    image_root: str | Path,
    mask_root: str | Path,
    *,
    dataset: str,
    domain: str | None,
    categories: Mapping[int, int] | None = None,
    things: Sequence[int] | None = None,
    ignored: Collection[int] = (),
) -> list[VideoRecord]:
    """Read the images of a COCO panoptic json in ascending order of their ids.

    Masks lie in RGB images, whose ids are ``R + 256 G + 65536 B``.

    Args:
        json_file: the annotations.
        image_root: folder of the images.
        mask_root: folder of the RGB images.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by official id; None takes the rank among those of the file.
        things: 0-based categories that are things; None takes them from the file.
        ignored: official ids of categories whose segments are left out.

    Raises:
        AnnotationError: the file is damaged or contradicts itself.
    """
    content = read_json(json_file, keys=("images", "annotations", "categories"))
    if categories is None:
        categories = contiguous_ids(content["categories"], json_file)
    if things is None:
        listed = content["categories"]
        things = [
            categories[item["id"]]
            for item in listed
            if item.get("isthing", 1) and item["id"] in categories
        ]
    images = _images(content["images"], json_file)
    thing_set = set(things)
    records = {}
    check_unique((a.get("image_id") for a in content["annotations"]), json_file, "annotated image")
    for annotation in content["annotations"]:
        where = f"{json_file}: annotation of image {annotation.get('image_id')!r}"
        require(annotation, ("image_id", "file_name", "segments_info"), where)
        image = _lookup(images, annotation["image_id"], where)
        maps = IdMaps(
            root=str(mask_root),
            file_names=(annotation["file_name"],),
            encoding=MapEncoding.RGB,
            size=(image["height"], image["width"]),
        )
        objects = []
        for segment in annotation["segments_info"]:
            require(segment, ("id", "category_id"), f"{where}: a segment")
            if segment["category_id"] in ignored:
                continue
            if segment["category_id"] not in categories:
                raise AnnotationError(
                    f"{where}: segment {segment['id']} has category {segment['category_id']}, "
                    f"which {dataset} does not have."
                )
            category = categories[segment["category_id"]]
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=segment["id"],
                    category=category,
                    masks=IdMasks(maps, segment["id"]),
                    frames=(0,),
                    is_thing=category in thing_set,
                    is_crowd=bool(segment.get("iscrowd", 0)),
                )
            )
        records[annotation["image_id"]] = image_record(
            image_root,
            file_name_of(image),
            dataset=dataset,
            domain=domain,
            official_id=annotation["image_id"],
            size=maps.size,
            objects=objects,
        )
    return [record for _, record in sorted(records.items())]


@dataclass(slots=True)
class _Instance:
    """An annotation in the form of records, before it is known what its image is."""

    official_id: int
    image: int
    category: int
    is_crowd: bool
    segment: bytes | tuple[bytes, ...] | None
    size: tuple[int, int] | None  # of the run lengths
    box: np.ndarray | None

    @classmethod
    def parse(cls, annotation: dict, json_file: str | Path, category_key: str) -> _Instance:
        where = f"{json_file}: annotation {annotation.get('id')!r}"
        require(annotation, ("id", "image_id", category_key), where)
        try:
            segment, size = parse_segmentation(annotation.get("segmentation"))
        except MaskError as error:
            raise AnnotationError(f"{where}: {error}.") from error
        return cls(
            official_id=annotation["id"],
            image=annotation["image_id"],
            category=int(annotation[category_key]),
            is_crowd=bool(annotation.get("iscrowd", 0)),
            segment=segment,
            size=size,
            box=corners(annotation.get("bbox")),
        )


def _images(images: list[dict], json_file: str | Path) -> dict[int, dict]:
    """Images by id."""
    for position, image in enumerate(images):
        require(
            image, ("id", "height", "width"), f"{json_file}: image {image.get('id', position)!r}"
        )
    check_unique((image["id"] for image in images), json_file, "image")
    return {image["id"]: image for image in images}


def _lookup(images: dict[int, dict], number: int, where: str) -> dict:
    if number not in images:
        raise AnnotationError(f"{where} belongs to image {number!r}, which is not listed.")
    return images[number]


def corners(box: list[float] | None) -> np.ndarray | None:
    """A box [x, y, width, height] as ``[1, 4]`` (x0, y0, x1, y1)."""
    if not box:
        return None
    x, y, width, height = box
    return np.array([[x, y, x + width, y + height]])


def file_name_of(image: Mapping) -> str:
    """The file of an image; LVIS names it only in the address, as its last two parts."""
    return image.get("file_name") or "/".join(image["coco_url"].split("/")[-2:])
