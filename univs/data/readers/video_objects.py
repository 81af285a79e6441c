"""Video object segmentation: DAVIS, YouTube-VOS and MOSE.

One folder of frames and one of palette PNG masks per video; a pixel's value is the number of an
object, 0 is background. Every object is given by its mask in the first frame that shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.mask_source import IdMaps, IdMasks
from univs.data.readers.folders import list_frames
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.readers.mask_videos import mask_video, mask_videos, shown_ids
from univs.data.record import ObjectRecord, VideoRecord


def read_palette_videos(
    names: Sequence[str],
    image_root: str | Path,
    mask_root: str | Path,
    *,
    dataset: str,
    index_folder: str | Path | None = None,
    is_binary: bool = False,
) -> list[VideoRecord]:
    """Read videos whose objects are known from the masks alone (DAVIS, MOSE).

    Args:
        names: the videos.
        image_root: folder with one folder of frames per video.
        mask_root: folder with one folder of masks per video; frames may lack one.
        dataset: registered name.
        index_folder: where the table of ids is kept, see
            :func:`~univs.data.readers.folders.presence`.
        is_binary: everything that is not background is one object (DAVIS 2016).

    Raises:
        FrameError: a video has no frames.
        MaskError: a mask is damaged or not a palette image.
    """
    videos = mask_videos(names, image_root, mask_root)
    records = []
    tables = shown_ids(videos, dataset=dataset, index_folder=index_folder)
    for video, table in zip(videos, tables, strict=True):
        if is_binary and table:
            table = {None: tuple(sorted(set().union(*table.values())))}
        objects = mask_objects(video.maps, table)
        records.append(video.record(objects, dataset=dataset, domain=None, gives_masks=True))
    return records


def read_youtube_vos(
    meta_file: str | Path, image_root: str | Path, mask_root: str | Path, *, dataset: str
) -> list[VideoRecord]:
    """Read YouTube-VOS, whose ``meta.json`` says which frames show which object.

    Args:
        meta_file: ``meta.json`` of the split.
        image_root: ``JPEGImages`` of the split.
        mask_root: ``Annotations`` of the split; in validation only the frames with new objects.
        dataset: registered name.

    Raises:
        AnnotationError: the file is damaged, or names a frame that is not there.
    """
    videos = read_json(meta_file, keys=("videos",))["videos"]
    records = []
    for name, video in sorted(videos.items()):
        require(video, ("objects",), f"{meta_file}: video {name!r}")
        video_masks = mask_video(name, list_frames(image_root, name), mask_root)
        where = f"{meta_file}: video {name!r}"
        table = object_frames(video["objects"], video_masks.frames, where)
        objects = mask_objects(video_masks.maps, table)
        records.append(video_masks.record(objects, dataset=dataset, domain=None, gives_masks=True))
    return records


def object_frames(objects: Mapping[str, dict], frames: ImageFrames, where: str) -> dict[int, tuple]:
    """Frames of each object, from the ``objects`` of a video in ``meta.json``.

    Raises:
        AnnotationError: a frame is named that is not there.
    """
    positions = {Path(name).stem: index for index, name in enumerate(frames.file_names)}
    table = {}
    for number, item in sorted(objects.items(), key=lambda pair: int(pair[0])):
        require(item, ("frames",), f"{where}, object {number}")
        missing = [name for name in item["frames"] if name not in positions]
        if missing:
            raise AnnotationError(
                f"{where}, object {number} names frame {missing[0]!r}, which is not in "
                f"{frames.root}."
            )
        table[int(number)] = tuple(sorted(positions[name] for name in item["frames"]))
    return table


def mask_objects(maps: IdMaps, table: Mapping[int | None, tuple[int, ...]]) -> tuple:
    """One class-agnostic object per id of ``table`` (frames by id; None: one object of all ids)."""
    return tuple(
        ObjectRecord(
            id=position,
            official_id=1 if value is None else value,
            category=None,
            masks=IdMasks(maps, value),
            frames=frames,
        )
        for position, (value, frames) in enumerate(table.items())
    )
