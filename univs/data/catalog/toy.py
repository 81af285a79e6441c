"""Catalogue entries of the toy datasets, from the table of their generator."""

from __future__ import annotations

from univs.data.catalog.classes import ClassTable
from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.toy.classes import COCO_STUFF_IDS, COCO_THING_IDS
from univs.data.toy.registration import TOY_DATASETS, ToyDataset, toy_root

_EVALUATORS = {
    "vis": "ytvis",
    "vps": "video_panoptic_seg",
    "vss": "video_semantic_seg",
    "pvos": "pvos",
    "pet": "burst_point",
    "instance": "coco",
    "panoptic": "coco_panoptic_seg",
}
_VIDEO_OBJECT_EVALUATORS = {"davis": "davis", "refdavis": "davis"}  # by layout; others: vos


def toy_entries(layouts: set[str]) -> list[DatasetEntry]:
    """Entries of all toy datasets whose reader is one of ``layouts``."""
    entries = (_entry(dataset) for dataset in TOY_DATASETS.values())
    return [entry for entry in entries if entry.layout in layouts]


def _entry(dataset: ToyDataset) -> DatasetEntry:
    layout = dataset.layout if dataset.layout != "coco" else f"coco_{dataset.task}"
    return DatasetEntry(
        name=dataset.name,
        layout=layout,
        locations=(
            Location(
                image_root=dataset.image_root,
                annotations=dataset.annotations,
                masks=dataset.masks,
                videos=dataset.videos,
                categories=dataset.categories,
                truth=dataset.truth,
            ),
        ),
        evaluator_type=_EVALUATORS.get(
            dataset.task, _VIDEO_OBJECT_EVALUATORS.get(dataset.layout, "vos")
        ),
        classes=_classes(dataset),
        domain=_domain(dataset),
        remedy=(
            "Generate it:  python -m univs.data.toy "
            f"--root {toy_root()} --preset {dataset.preset} --layouts {dataset.layout}"
        ),
    )


def _domain(dataset: ToyDataset) -> str | None:
    if not dataset.thing_classes and not dataset.stuff_classes:
        return None
    task = "vps" if dataset.task == "pvos" else dataset.task  # as VIPOSeg has VIPSeg's classes
    return f"toy_{task}"


def _classes(dataset: ToyDataset) -> ClassTable | None:
    things, stuff = dataset.thing_classes, dataset.stuff_classes
    if not things and not stuff:
        return None
    thing_part = list(zip(things, dataset.thing_colors, [True] * len(things), strict=True))
    stuff_part = list(zip(stuff, dataset.stuff_colors, [False] * len(stuff), strict=True))
    if dataset.layout == "coco":  # sparse ids, things first
        rows = thing_part + stuff_part
        ids = (COCO_THING_IDS + COCO_STUFF_IDS)[: len(rows)]
    else:  # ids from 1, stuff first
        rows = stuff_part + thing_part
        ids = tuple(range(1, len(rows) + 1))
    names, colors, is_thing = zip(*rows, strict=True)
    return ClassTable(names=names, ids=ids, is_thing=is_thing, colors=colors)
