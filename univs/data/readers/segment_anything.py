"""SA-1B: one json per image with the run lengths of everything that can be told apart in it.

The set has millions of files, so that a record is read when it is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.mask_source import MaskError, RleMasks, parse_segmentation
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.record import DeferredRecord, ObjectRecord, VideoRecord

_MOST_OBJECTS = 100  # of an image whose masks are all kept
_LEAST_STABILITY, _LEAST_IOU = 0.97, 0.9  # what masks need otherwise (UniVS)


def read_segment_anything(
    image_root: str | Path,
    annotation_root: str | Path,
    *,
    dataset: str,
    list_file: str | Path | None = None,
) -> list[DeferredRecord]:
    """List the images of a selection, or all of them, sorted by name.

    Args:
        image_root: folder of the images, or of folders ``sa_000000`` as the archives unpack to.
        annotation_root: the same of the json files; often the same folder.
        dataset: registered name.
        list_file: json with ``annotation_names``, the files to use in their order.

    Raises:
        AnnotationError: the list is damaged, or there are no annotations.
    """
    if list_file is not None:
        names = read_json(list_file, keys=("annotation_names",))["annotation_names"]
    else:
        found = Path(annotation_root).rglob("*.json")
        names = sorted(path.relative_to(annotation_root).as_posix() for path in found)
    if not names:
        raise AnnotationError(f"{list_file or annotation_root} names no annotations of images.")
    return [
        DeferredRecord(
            dataset=dataset,
            domain=None,
            video_id=Path(name).stem,
            official_id=Path(name).stem,
            load=_Image(os.fspath(image_root), f"{annotation_root}/{name}", name, dataset),
        )
        for name in names
    ]


@dataclass(frozen=True, slots=True)
class _Image:
    """Reads one image; an object instead of a function, so that workers can be sent it."""

    image_root: str
    path: str
    name: str
    dataset: str

    def __call__(self) -> VideoRecord:
        try:
            content = read_json(self.path, keys=("image", "annotations"))
        except FileNotFoundError:
            raise AnnotationError(f"{self.path} does not exist, but is listed.") from None
        image = content["image"]
        require(image, ("file_name", "height", "width"), f"{self.path}: image")
        size = (image["height"], image["width"])
        annotations = content["annotations"]
        if len(annotations) > _MOST_OBJECTS:
            annotations = [item for item in annotations if _is_reliable(item)]
        objects = []
        for position, item in enumerate(annotations):
            where = f"{self.path}: annotation {item.get('id', position)!r}"
            try:
                segment, _ = parse_segmentation(item.get("segmentation"), size)
            except MaskError as error:
                raise AnnotationError(f"{where}: {error}.") from error
            if segment is None:
                continue
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=item.get("id", position),
                    category=None,
                    masks=RleMasks(size, (0,), (segment,)),
                    frames=(0,),
                )
            )
        folder = Path(self.name).parent.as_posix()
        file_name = image["file_name"] if folder == "." else f"{folder}/{image['file_name']}"
        stem = Path(self.name).stem
        return VideoRecord(
            dataset=self.dataset,
            domain=None,
            video_id=stem,
            official_id=stem,
            frames=ImageFrames(self.image_root, (file_name,)),
            size=size,
            objects=tuple(objects),
        )


def _is_reliable(annotation: dict) -> bool:
    return (
        annotation.get("stability_score", 1) > _LEAST_STABILITY
        and annotation.get("predicted_iou", 1) > _LEAST_IOU
    )
