"""MeViS: expressions about motion, each of which names one object or several.

``meta_expressions.json`` gives frames and expressions, ``mask_dict.json`` the run lengths of every
object. The target of an expression is the union of its objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from univs.data.frames import ImageFrames
from univs.data.mask_source import MaskError, MaskSource, RleMasks, parse_segmentations
from univs.data.readers.folders import frame_size
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.record import ExpressionRecord, ObjectRecord, VideoRecord


@dataclass(frozen=True, slots=True)
class UnionMasks(MaskSource):
    """The pixels of several objects together."""

    parts: tuple[MaskSource, ...]

    def decode(self, frame: int) -> np.ndarray:
        masks = [part.decode(frame) for part in self.parts]
        return np.logical_or.reduce(masks)


def read_mevis(
    expression_file: str | Path,
    image_root: str | Path,
    mask_file: str | Path | None,
    *,
    dataset: str,
) -> list[VideoRecord]:
    """Read the videos of a split, sorted by name.

    A record has one object per set of objects that an expression names, with the union of their
    masks.

    Args:
        expression_file: ``meta_expressions.json``.
        image_root: ``JPEGImages``.
        mask_file: ``mask_dict.json``; None for splits without masks.
        dataset: registered name.

    Raises:
        AnnotationError: a file is damaged, or an expression names masks that are not there.
    """
    videos = read_json(expression_file, keys=("videos",))["videos"]
    masks = {} if mask_file is None or not Path(mask_file).is_file() else read_json(mask_file)
    records = []
    for name, video in sorted(videos.items()):
        where = f"{expression_file}: video {name!r}"
        require(video, ("expressions", "frames"), where)
        frames = ImageFrames(image_root, [f"{name}/{frame}.jpg" for frame in video["frames"]])
        size = frame_size(frames)
        objects: dict[tuple[int, ...], ObjectRecord] = {}
        expressions = []
        for number, item in video["expressions"].items():
            require(item, ("exp",), f"{where}, expression {number}")
            key = tuple(sorted(item.get("anno_id", ())))
            if key and masks and key not in objects:
                sources = tuple(
                    _rle_masks(masks, mask, size, len(frames), f"{mask_file}: mask {mask!r}")
                    for mask in key
                )
                objects[key] = ObjectRecord(
                    id=len(objects),
                    official_id="+".join(map(str, key)),
                    category=None,
                    masks=sources[0] if len(sources) == 1 else UnionMasks(sources),
                    frames=tuple(sorted({f for source in sources for f in source.frames})),
                )
            target = objects.get(key)
            expressions.append(
                ExpressionRecord(
                    id=number, text=item["exp"], object_id=None if target is None else target.id
                )
            )
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=None,
                video_id=name,
                official_id=name,
                frames=frames,
                size=size,
                objects=tuple(objects.values()),
                expressions=tuple(expressions),
            )
        )
    return records


def _rle_masks(
    masks: dict, number: int, size: tuple[int, int], num_frames: int, where: str
) -> RleMasks:
    require(masks, (str(number),), where)
    entries = masks[str(number)]
    if len(entries) != num_frames:
        raise AnnotationError(
            f"{where} has {len(entries)} entries, its video has {num_frames} frames."
        )
    try:
        frames, segments, _ = parse_segmentations(entries, size)
    except MaskError as error:
        raise AnnotationError(f"{where}, {error}.") from error
    return RleMasks(size, frames, segments)
