"""The video json of TarViS: run lengths of instances, and of classes where every pixel has one.

A sequence has ``image_paths``, ``categories`` (class by instance) and ``segmentations`` (per frame,
run lengths by instance); panoptic sets also have ``semantic_segmentations`` (by class). Keys are
text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.mask_source import RleMasks
from univs.data.readers.json_file import AnnotationError, check_unique, read_json, require
from univs.data.record import ObjectRecord, PromptKind, PromptRecord, VideoRecord


def read_tarvis_json(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str | None,
    categories: Mapping[int, int] | None = None,
    things: Collection[int] = (),
) -> list[VideoRecord]:
    """Read the sequences in the order of the file.

    Args:
        json_file: such as ``kitti_step.json`` or ``davis_semisupervised.json``.
        image_root: folder of the images.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by official id, 255 being void; None: classes are not used, and
            every object is given by its first mask.
        things: 0-based categories that are things.

    Raises:
        AnnotationError: the file is damaged or contradicts itself.
    """
    sequences = read_json(json_file, keys=("sequences",))["sequences"]
    check_unique((sequence.get("id") for sequence in sequences), json_file, "sequence")
    records = []
    for sequence in sequences:
        where = f"{json_file}: sequence {sequence.get('id')!r}"
        keys = ("id", "height", "width", "image_paths", "categories", "segmentations")
        require(sequence, keys, where)
        size, names = (sequence["height"], sequence["width"]), sequence["image_paths"]
        rows = _instances(sequence, categories, where)
        if categories is not None:
            rows += _stuff(sequence, categories, things, where)
        objects = tuple(
            ObjectRecord(
                id=number,
                official_id=official,
                category=category,
                masks=RleMasks(size, tuple(segments), tuple(segments.values())),
                frames=tuple(segments),
                is_thing=category is None or category in things,
            )
            for number, (official, category, segments) in enumerate(rows)
        )
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=domain,
                video_id=str(sequence["id"]),
                official_id=sequence["id"],
                frames=ImageFrames(image_root, names),
                size=size,
                objects=objects,
                prompts=_first_masks(objects) if categories is None else (),
            )
        )
    return records


_Row = tuple[int | str, int | None, dict[int, bytes]]  # official id, category, counts by frame


def _instances(sequence: Mapping, categories: Mapping[int, int] | None, where: str) -> list[_Row]:
    shown = _by_key(sequence, "segmentations", where)
    classes = sequence["categories"]
    if shown.keys() != classes.keys():
        odd = sorted(shown.keys() ^ classes.keys())
        raise AnnotationError(
            f"{where}: 'categories' and 'segmentations' have different instances: {odd[:5]}."
        )
    rows: list[_Row] = []
    for key in sorted(shown, key=int):
        category = None
        if categories is not None:
            category = _category(classes[key], categories, f"{where}, instance {key}")
        rows.append((int(key), category, shown[key]))
    return rows


def _stuff(
    sequence: Mapping, categories: Mapping[int, int], things: Collection[int], where: str
) -> list[_Row]:
    """Regions of stuff; those of things hold what is not annotated one by one."""
    if "semantic_segmentations" not in sequence:
        return []
    rows: list[_Row] = []
    shown = _by_key(sequence, "semantic_segmentations", where)
    for key in sorted(shown, key=int):
        if int(key) == 255:
            continue
        category = _category(int(key), categories, f"{where}, class {key}")
        if category not in things:
            rows.append((f"class {key}", category, shown[key]))
    return rows


def _by_key(sequence: Mapping, name: str, where: str) -> dict[str, dict[int, bytes]]:
    """Counts by frame, by instance or class."""
    frames: Sequence[Mapping[str, str]] = sequence[name]
    if len(frames) != len(sequence["image_paths"]):
        raise AnnotationError(
            f"{where} has {len(frames)} {name} for {len(sequence['image_paths'])} frames."
        )
    found: dict[str, dict[int, bytes]] = {}
    for frame, masks in enumerate(frames):
        for key, counts in masks.items():
            found.setdefault(key, {})[frame] = counts.encode("ascii")
    return found


def _category(official: int, categories: Mapping[int, int], where: str) -> int:
    if int(official) not in categories:
        raise AnnotationError(f"{where} has the unknown category {official}.")
    return categories[int(official)]


def _first_masks(objects: Sequence[ObjectRecord]) -> tuple[PromptRecord, ...]:
    return tuple(PromptRecord(o.id, o.frames[0], PromptKind.MASK) for o in objects)
