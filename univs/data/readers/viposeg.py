"""VIPOSeg: VIPSeg's videos as panoptic video object segmentation.

Palette PNG masks of objects and stuff regions; ``obj_class.json`` gives the class of each, from 0.
In validation ``meta.json`` gives the frames of each object, and ``Annotations`` has a mask only
where an object is seen first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from univs.data.readers.folders import list_folders
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.readers.mask_videos import mask_videos, shown_ids
from univs.data.readers.video_objects import mask_objects, object_frames
from univs.data.record import ObjectRecord, VideoRecord


def read_viposeg(
    class_file: str | Path,
    image_root: str | Path,
    mask_root: str | Path,
    *,
    dataset: str,
    domain: str,
    things: Sequence[int],
    num_classes: int,
    meta_file: str | Path | None = None,
    index_folder: str | Path | None = None,
) -> list[VideoRecord]:
    """Read the videos of a split, in the order of ``meta.json`` if there is one, else sorted.

    Args:
        class_file: ``obj_class.json``.
        image_root: ``JPEGImages``.
        mask_root: ``Annotations``.
        dataset: registered name.
        domain: name of the class list.
        things: 0-based classes that are things.
        num_classes: number of classes.
        meta_file: ``meta.json``; None finds the frames of each object in the masks.
        index_folder: see :func:`~univs.data.readers.folders.presence`.

    Raises:
        AnnotationError: a file is damaged, or an object has no class.
    """
    classes = read_json(class_file)
    meta = None if meta_file is None else read_json(meta_file, keys=("videos",))["videos"]
    names = list_folders(mask_root) if meta is None else list(meta)
    videos = mask_videos(names, image_root, mask_root)
    if meta is None:
        tables = shown_ids(videos, dataset=dataset, index_folder=index_folder)
    else:
        tables = []
        for video in videos:
            where = f"{meta_file}: video {video.name!r}"
            require(meta[video.name], ("objects",), where)
            tables.append(object_frames(meta[video.name]["objects"], video.frames, where))
    records = []
    for video, table in zip(videos, tables, strict=True):
        where = f"{class_file}: video {video.name!r}"
        require(classes, (video.name,), str(class_file))
        objects = [
            _with_class(item, classes[video.name], set(things), num_classes, where)
            for item in mask_objects(video.maps, table)
        ]
        records.append(video.record(objects, dataset=dataset, domain=domain, gives_masks=True))
    return records


def _with_class(
    item: ObjectRecord, classes: Mapping[str, int], things: set[int], num_classes: int, where: str
) -> ObjectRecord:
    require(classes, (str(item.official_id),), where)
    category = int(classes[str(item.official_id)])
    if not 0 <= category < num_classes:
        raise AnnotationError(
            f"{where}: object {item.official_id} has class {category}; classes go from 0 to "
            f"{num_classes - 1}."
        )
    return replace(item, category=category, is_thing=category in things)
