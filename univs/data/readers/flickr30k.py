"""Flickr30k Entities: captions, and a box for everything that a phrase of a caption names.

The merged json of MDETR has the form of COCO: an image occurs once per caption, and an annotation
has ``tokens_positive``, the characters of the caption that its box belongs to. There are no masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from univs.data.readers.coco import corners
from univs.data.readers.json_file import AnnotationError, check_unique, read_json, require
from univs.data.readers.still_image import image_record
from univs.data.record import ExpressionRecord, ObjectRecord, VideoRecord


def read_flickr30k(
    json_file: str | Path, image_root: str | Path, *, dataset: str
) -> list[VideoRecord]:
    """Read the captions in ascending order of their ids, one record per image and caption.

    Objects have boxes and no masks; their expressions are the phrases.

    Args:
        json_file: ``final_flickr_mergedGT_{train,val,test}.json``, or what UniVS made of it.
        image_root: ``flickr30k-images``.
        dataset: registered name.

    Raises:
        AnnotationError: the file is damaged or contradicts itself.
    """
    content = read_json(json_file, keys=("annotations",))
    listed = content.get("images", content.get("videos"))
    if listed is None:
        raise AnnotationError(f"{json_file} has neither 'images' nor 'videos'.")
    check_unique((item.get("id") for item in listed), json_file, "image")
    by_image: dict[int, list[dict]] = {item.get("id"): [] for item in listed}
    for annotation in content["annotations"]:
        number = annotation.get("image_id", annotation.get("video_id"))
        if number not in by_image:
            raise AnnotationError(
                f"{json_file}: annotation {annotation.get('id')!r} belongs to image {number!r}, "
                "which is not listed."
            )
        by_image[number].append(annotation)
    records = []
    for image in sorted(listed, key=lambda item: item["id"]):
        where = f"{json_file}: image {image.get('id')!r}"
        require(image, ("id", "height", "width", "caption"), where)
        names = image.get("file_name", image.get("file_names"))
        name = names if isinstance(names, str) else names[0]
        objects, expressions = _phrases(by_image[image["id"]], image["caption"], where)
        record = image_record(
            image_root,
            name,
            dataset=dataset,
            domain=None,
            official_id=image["id"],
            size=(image["height"], image["width"]),
            objects=objects,
        )
        records.append(replace(record, expressions=expressions))
    return records


def _phrases(
    annotations: Sequence[dict], caption: str, where: str
) -> tuple[tuple[ObjectRecord, ...], tuple[ExpressionRecord, ...]]:
    objects, expressions = [], []
    for position, annotation in enumerate(annotations):
        at = f"{where}, annotation {annotation.get('id', position)!r}"
        box = annotation.get("bbox") or (annotation.get("bboxes") or [None])[0]
        if not box:
            raise AnnotationError(f"{at} has no box.")
        require(annotation, ("tokens_positive",), at)
        # UniVS keeps one list of character ranges per frame.
        ranges = annotation["tokens_positive"]
        if ranges and ranges[0] and not isinstance(ranges[0][0], int):
            ranges = ranges[0]
        phrase = " ".join(caption[first:last] for first, last in ranges)
        official = annotation.get("id", position)
        objects.append(
            ObjectRecord(
                id=position,
                official_id=official,
                category=None,
                masks=None,
                frames=(0,),
                boxes=corners(box),
            )
        )
        expressions.append(ExpressionRecord(id=official, text=phrase, object_id=position))
    return tuple(objects), tuple(expressions)
