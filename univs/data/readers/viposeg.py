"""VIPOSeg: VIPSeg's videos as panoptic video object segmentation.

Palette PNG masks of objects and stuff regions; ``obj_class.json`` gives the class of each, from 0.
In validation ``meta.json`` gives the frames of each object, and ``Annotations`` has a mask only
where an object is seen first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from univs.data.readers.folders import list_folders, list_frames, presence
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.readers.video_objects import (
    annotated_frames,
    first_masks,
    mask_objects,
    object_frames,
    palette_maps,
)
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
    frames = [list_frames(image_root, name) for name in names]
    maps = [palette_maps(video, mask_root, name) for name, video in zip(names, frames, strict=True)]
    if meta is None:
        tables = presence(maps, index_folder=index_folder, name=dataset)
    else:
        tables = []
        for name, video in zip(names, frames, strict=True):
            where = f"{meta_file}: video {name!r}"
            require(meta[name], ("objects",), where)
            tables.append(object_frames(meta[name]["objects"], video, where))
    records = []
    for name, video, video_maps, table in zip(names, frames, maps, tables, strict=True):
        where = f"{class_file}: video {name!r}"
        require(classes, (name,), str(class_file))
        objects = tuple(
            _with_class(item, classes[name], set(things), num_classes, where)
            for item in mask_objects(video_maps, table)
        )
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=domain,
                video_id=name,
                official_id=name,
                frames=video,
                size=video_maps.size,
                objects=objects,
                annotated=annotated_frames(video_maps),
                prompts=first_masks(objects),
            )
        )
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
