"""A still image as a video of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.record import ObjectRecord, OfficialId, VideoRecord


def image_record(
    image_root: str | Path,
    file_name: str,
    *,
    dataset: str,
    domain: str | None,
    official_id: OfficialId,
    size: tuple[int, int],
    objects: Sequence[ObjectRecord] = (),
) -> VideoRecord:
    """The record of one image.

    Args:
        image_root: folder that ``file_name`` is relative to.
        file_name: the image.
        dataset: registered name.
        domain: name of the class list.
        official_id: id of the image.
        size: height and width.
        objects: what it shows.
    """
    return VideoRecord(
        dataset=dataset,
        domain=domain,
        video_id=str(official_id),
        official_id=official_id,
        frames=ImageFrames(image_root, (file_name,)),
        size=size,
        objects=tuple(objects),
    )
