"""The json of YouTube-VIS and OVIS, and the extended form of it that other projects convert to.

``videos`` have ``file_names`` relative to the image folder; ``annotations`` have, per frame, a
segmentation (run lengths or polygons) and a box, or null where the object is absent. Test files
have no annotations, or null. In the extended form an annotation may have ``expressions`` that name
its object, with ``exp_id``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from univs.data.frames import ImageFrames
from univs.data.mask_source import MaskError, RleMasks, parse_segmentations
from univs.data.readers.json_file import (
    AnnotationError,
    check_unique,
    contiguous_ids,
    read_json,
    require,
)
from univs.data.record import ExpressionRecord, ObjectRecord, OfficialId, VideoRecord


def read_youtube_vis(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str | None,
    category_ids: Sequence[int] | None = None,
) -> list[VideoRecord]:
    """Read the videos of a YouTube-VIS style json in ascending order of their ids.

    An object is absent from a frame whose segmentation is null or empty (if the file has none at
    all, whose box is null). Categories become their rank among the ids of the file.

    Args:
        json_file: the annotations.
        image_root: folder that the file names are relative to; it is not looked at.
        dataset: registered name.
        domain: name of the class list.
        category_ids: the official ids the file must have; None accepts any.

    Raises:
        AnnotationError: the file is damaged or contradicts itself. The message names the file and
            the video or annotation.
    """
    content = read_json(
        json_file,
        keys=("videos", "categories"),
        convert={"annotations": lambda item: _Track.parse(item, json_file)},
    )
    ranks = contiguous_ids(content["categories"], json_file)
    if category_ids is not None and sorted(ranks) != list(category_ids):
        raise AnnotationError(
            f"{json_file} has the category ids {sorted(ranks)}, but {dataset} has "
            f"{list(category_ids)}."
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
    expressions: dict[OfficialId, list[ExpressionRecord]] = {video: [] for video in sizes}
    seen: set[tuple[OfficialId, OfficialId]] = set()  # (video, annotation)
    for track in content.get("annotations") or ():
        where = f"{json_file}: annotation {track.official_id!r}"
        video = track.video
        if video not in sizes:
            raise AnnotationError(f"{where} belongs to video {video!r}, which is not listed.")
        if (video, track.official_id) in seen:
            raise AnnotationError(f"{where} occurs more than once in video {video!r}.")
        seen.add((video, track.official_id))
        if track.category not in ranks:
            raise AnnotationError(
                f"{where} has category {track.category}, which is not among the {len(ranks)} "
                "categories of the file."
            )
        track.check(sizes[video], len(frames[video]), where)
        siblings = objects[video]
        expressions[video] += [
            ExpressionRecord(id=track.expression_id, text=text, object_id=len(siblings))
            for text in track.expressions
        ]
        siblings.append(track.record(len(siblings), ranks[track.category], sizes[video]))
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
            expressions=tuple(expressions[video]),
        )
        for video in sorted(sizes, key=lambda value: (isinstance(value, str), value))
    ]


@dataclass(slots=True)
class _Track:
    """An annotation in the form of records, before it is known what its video and category are."""

    official_id: OfficialId
    video: OfficialId
    category: int
    is_crowd: bool
    num_entries: int
    frames: tuple[int, ...]
    segments: tuple[bytes | tuple[bytes, ...], ...] | None  # None: there are boxes only
    boxes: np.ndarray | None
    size: tuple[int, int] | None  # of the run lengths
    expressions: tuple[str, ...] = ()
    expression_id: OfficialId = ""

    @classmethod
    def parse(cls, annotation: dict, json_file: str | Path) -> _Track:
        where = f"{json_file}: annotation {annotation.get('id')!r}"
        require(annotation, ("id", "video_id", "category_id"), where)
        segmentations, boxes = annotation.get("segmentations"), annotation.get("bboxes")
        if segmentations is None and boxes is None:
            raise AnnotationError(f"{where} has neither 'segmentations' nor 'bboxes'.")
        segments = size = None
        if segmentations is None:
            shown = tuple(frame for frame, box in enumerate(boxes) if box)
        else:
            try:
                shown, segments, size = parse_segmentations(segmentations)
            except MaskError as error:
                raise AnnotationError(f"{where}, {error}.") from error
        return cls(
            official_id=annotation["id"],
            video=annotation["video_id"],
            category=annotation["category_id"],
            is_crowd=bool(annotation.get("iscrowd", 0)),
            num_entries=len(boxes if segmentations is None else segmentations),
            frames=shown,
            segments=segments,
            boxes=_corners(boxes, shown),
            size=size,
            expressions=tuple(_texts(annotation.get("expressions") or ())),
            expression_id=annotation.get("exp_id", annotation["id"]),
        )

    def check(self, size: tuple[int, int], num_frames: int, where: str) -> None:
        """Raise an AnnotationError unless the track fits a video of ``size`` and length."""
        if self.num_entries != num_frames:
            kind = "boxes" if self.segments is None else "segmentations"
            raise AnnotationError(
                f"{where} has {self.num_entries} {kind}, its video {self.video!r} has {num_frames} "
                "frames."
            )
        if self.size is not None and self.size != size:
            raise AnnotationError(
                f"{where} has masks of size {self.size[0]}x{self.size[1]} (height x width), its "
                f"video {self.video!r} is {size[0]}x{size[1]}."
            )

    def record(self, number: int, category: int, size: tuple[int, int]) -> ObjectRecord:
        masks = None if self.segments is None else RleMasks(size, self.frames, self.segments)
        return ObjectRecord(
            id=number,
            official_id=self.official_id,
            category=category,
            masks=masks,
            frames=self.frames,
            boxes=self.boxes,
            is_crowd=self.is_crowd,
        )


def _texts(expressions: str | Sequence) -> list[str]:
    """Expressions given as a text, a list, or a list of lists."""
    if isinstance(expressions, str):
        return [expressions]
    return [text for item in expressions for text in _texts(item)]


def _corners(boxes: Sequence | None, frames: tuple[int, ...]) -> np.ndarray | None:
    """Boxes [x, y, width, height] of ``frames`` as corners; None unless each of them has one."""
    if boxes is None or not all(frame < len(boxes) and boxes[frame] for frame in frames):
        return None
    corners = np.array([boxes[frame] for frame in frames]).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners
