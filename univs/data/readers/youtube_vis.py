"""The json of YouTube-VIS and OVIS, and the extended form of it that other projects convert to.

``videos`` have ``file_names`` relative to the image folder; ``annotations`` have, per frame, a
segmentation (run lengths or polygons) and a box, or null where the object is absent. Test files have
no annotations, or null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from univs.data.frames import ImageFrames
from univs.data.mask_source import MaskError, RleMasks, parse_segmentation
from univs.data.readers.json_file import (
    AnnotationError,
    check_unique,
    contiguous_ids,
    read_json,
    require,
)
from univs.data.record import ObjectRecord, OfficialId, VideoRecord


def read_youtube_vis(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str | None,
    category_ids: Sequence[int] | None = None,
) -> list[VideoRecord]:
    """Read the videos of a YouTube-VIS style json in ascending order of their ids.

    An object is absent from a frame whose segmentation is null or empty (if the file has none at all,
    whose box is null). Categories become their rank among the ids of the file.

    Args:
        json_file: the annotations.
        image_root: folder that the file names are relative to; it is not looked at.
        dataset: registered name.
        domain: name of the class list.
        category_ids: the official ids the file must have; None accepts any.

    Raises:
        AnnotationError: the file is damaged or contradicts itself. The message names the file and the
            video or annotation.
    """
    content = read_json(json_file, keys=("videos", "categories"))
    ranks = contiguous_ids(content["categories"], json_file)
    if category_ids is not None and sorted(ranks) != list(category_ids):
        raise AnnotationError(
            f"{json_file} has the category ids {sorted(ranks)}, but {dataset} has {list(category_ids)}."
        )
    videos = content["videos"]
    sizes: dict[OfficialId, tuple[int, int]] = {}
    frames: dict[OfficialId, ImageFrames] = {}
    for video in videos:
        where = f"{json_file}: video {video.get('id')!r}"
        require(video, ("id", "file_names", "height", "width"), where)
        names = video["file_names"]
        names = [names] if isinstance(names, str) else names
        if video.get("length", len(names)) != len(names):
            raise AnnotationError(
                f"{where} has length {video['length']} but {len(names)} file names."
            )
        sizes[video["id"]] = (video["height"], video["width"])
        frames[video["id"]] = ImageFrames(image_root, names)
    check_unique((video["id"] for video in videos), json_file, "video")

    objects: dict[OfficialId, list[ObjectRecord]] = {video: [] for video in sizes}
    seen: set[tuple[OfficialId, OfficialId]] = set()  # (video, annotation)
    for annotation in _consume(content.pop("annotations", None)):
        where = f"{json_file}: annotation {annotation.get('id')!r}"
        require(annotation, ("id", "video_id", "category_id"), where)
        video = annotation["video_id"]
        if video not in sizes:
            raise AnnotationError(f"{where} belongs to video {video!r}, which is not listed.")
        if (video, annotation["id"]) in seen:
            raise AnnotationError(f"{where} occurs more than once in video {video!r}.")
        seen.add((video, annotation["id"]))
        if annotation["category_id"] not in ranks:
            raise AnnotationError(
                f"{where} has category {annotation['category_id']}, which is not among the "
                f"{len(ranks)} categories of the file."
            )
        siblings = objects[video]
        siblings.append(
            _object_record(
                annotation,
                number=len(siblings),
                category=ranks[annotation["category_id"]],
                size=sizes[video],
                num_frames=len(frames[video]),
                where=where,
            )
        )
    fps = {video["id"]: video.get("framerate") for video in videos}
    return [
        VideoRecord(
            dataset=dataset,
            domain=domain,
            video_id=str(video),
            official_id=video,
            frames=frames[video],
            size=sizes[video],
            objects=tuple(objects[video]),
            fps=fps[video],
        )
        for video in sorted(sizes, key=lambda value: (isinstance(value, str), value))
    ]


def _consume(annotations: list[dict] | None) -> Iterator[dict]:
    """Yield annotations in order and let go of each, so that the memory peak is that of the json."""
    annotations = annotations or []
    annotations.reverse()
    while annotations:
        yield annotations.pop()


def _object_record(
    annotation: dict,
    *,
    number: int,
    category: int,
    size: tuple[int, int],
    num_frames: int,
    where: str,
) -> ObjectRecord:
    segmentations = annotation.get("segmentations")
    boxes = annotation.get("bboxes")
    values = boxes if segmentations is None else segmentations
    if values is None:
        raise AnnotationError(f"{where} has neither 'segmentations' nor 'bboxes'.")
    if len(values) != num_frames:
        kind = "boxes" if segmentations is None else "segmentations"
        raise AnnotationError(
            f"{where} has {len(values)} {kind}, its video {annotation['video_id']!r} has "
            f"{num_frames} frames."
        )
    masks = corners = None
    if segmentations is not None:
        segments = {}
        for frame, segmentation in enumerate(segmentations):
            try:
                segment = parse_segmentation(segmentation, size)
            except MaskError as error:
                raise AnnotationError(f"{where}, frame {frame}: {error}.") from error
            if segment is not None:
                segments[frame] = segment
        present = tuple(segments)
        masks = RleMasks(size=size, frames=present, segments=tuple(segments.values()))
    else:
        present = tuple(frame for frame, box in enumerate(boxes) if box)
        corners = np.array([boxes[frame] for frame in present], dtype=np.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
    return ObjectRecord(
        id=number,
        official_id=annotation["id"],
        category=category,
        masks=masks,
        frames=present,
        boxes=corners,
        is_crowd=bool(annotation.get("iscrowd", 0)),
    )
