"""Loaders: Detectron2's, on the datasets of this project."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from detectron2.config import CfgNode
from detectron2.data import (
    DatasetCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
)
from univs.data.catalog import training_name
from univs.data.file_check import check_files
from univs.data.mapper.build import build_mapper, has_still_images
from univs.data.mixture import MixedBatches, PlannedBatches, check_weights
from univs.data.record import DeferredRecord
from univs.data.tarvis_tasks import DrawnTasks

logger = logging.getLogger(__name__)


#: Batches between two draws of a dataset, by DATASETS.DATALOADER_TYPE.
_RUN_LENGTHS = {"iter": 1, "epoch": 1000}


def build_train_loader(cfg: CfgNode, mapper: Callable[[dict], dict] | None = None) -> Iterable:
    """Endless batches of training samples of ``DATASETS.TRAIN``.

    With several datasets, a video model takes every batch from one of them, drawn with
    probabilities proportional to ``DATASETS.DATASET_RATIO``, and each dataset has a loader (and
    ``DATALOADER.NUM_WORKERS`` workers) of its own; TarViS takes them in a planned order, the same
    on all processes, and may draw a task for every run of batches. The image model joins the
    datasets to one, as Detectron2 does.

    Entries without any object that is not a crowd are left out if
    ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` is set and the dataset has objects at all. (Detectron2's
    own filter reads one list of annotations per image, which a video does not have.)

    Args:
        cfg: config.
        mapper: None takes those of the config.

    Raises:
        ValueError: no dataset is named, none of the entries is left, or the weights do not fit.
    """
    loader = _build_mixture(cfg, mapper)
    if cfg.MODEL.META_ARCHITECTURE == "TarViS" and cfg.MODEL.TARVIS.TASK_WEIGHTS:
        return DrawnTasks(loader, cfg.MODEL.TARVIS.TASK_WEIGHTS)
    return loader


def _build_mixture(cfg: CfgNode, mapper: Callable[[dict], dict] | None) -> Iterable:
    if not cfg.DATASETS.TRAIN:
        raise ValueError("DATASETS.TRAIN names no dataset.")
    names = [training_name(name, cfg.MODEL.META_ARCHITECTURE) for name in cfg.DATASETS.TRAIN]
    is_joined = len(names) <= 1 or cfg.MODEL.META_ARCHITECTURE == "MaskFormer"
    if is_joined:
        return _build_loader(cfg, names, mapper)
    kind = cfg.DATASETS.DATALOADER_TYPE
    if kind not in _RUN_LENGTHS:
        raise ValueError(
            f"DATASETS.DATALOADER_TYPE is {kind!r}; known are {', '.join(sorted(_RUN_LENGTHS))}."
        )
    weights = check_weights(cfg.DATASETS.DATASET_RATIO, len(names))
    loaders = [_build_loader(cfg, [name], mapper) for name in names]
    if cfg.MODEL.META_ARCHITECTURE == "TarViS":
        return PlannedBatches(loaders, weights, num_batches=cfg.SOLVER.MAX_ITER)
    return MixedBatches(loaders, weights, run_length=_RUN_LENGTHS[kind])


def _build_loader(
    cfg: CfgNode, names: Sequence[str], mapper: Callable[[dict], dict] | None
) -> Iterable:
    is_tarvis = cfg.MODEL.META_ARCHITECTURE == "TarViS"
    entries = training_entries(
        names,
        filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS,
        only_things=is_tarvis and has_still_images(names[0]),
    )
    if mapper is None:
        mapper = build_mapper(cfg, is_train=True, dataset_name=names[0])
    return build_detection_train_loader(cfg, dataset=entries, mapper=mapper)


def training_entries(
    names: Sequence[str], *, filter_empty: bool, only_things: bool = False
) -> list[dict]:
    """Entries of several datasets, one after the other.

    Args:
        names: registered names.
        filter_empty: leave out entries without any object that is not a crowd, in datasets that
            have objects.
        only_things: leave out entries that show nothing but stuff.

    Raises:
        ValueError: there are no names, no entry is left, or a dataset has boxes only, or files that
            are missing or damaged.
    """
    if not names:
        raise ValueError("DATASETS.TRAIN names no dataset.")
    kept: list[dict] = []
    for name in names:
        entries = DatasetCatalog.get(name)
        _check_masks(name, entries)
        check_files(name, [entry["record"] for entry in entries])
        with_objects = [entry for entry in entries if _has_object(entry, needs_thing=False)]
        chosen = entries
        if filter_empty and with_objects:
            chosen = with_objects
        if only_things:
            chosen = [entry for entry in chosen if _has_object(entry, needs_thing=True)]
        if len(chosen) < len(entries):
            dropped = len(entries) - len(chosen)
            what = "things" if only_things else "objects"
            logger.info(
                "%s: left out %d of %d entries without %s", name, dropped, len(entries), what
            )
        kept += chosen
    if not kept:
        raise ValueError(f"The datasets {', '.join(names)} have no videos.")
    return kept


def _check_masks(name: str, entries: Sequence[dict]) -> None:
    """Raise a ValueError if a dataset has objects, but no masks to train on."""
    objects = [o for e in entries if _is_read(e) for o in e["record"].objects]
    if objects and all(item.masks is None for item in objects):
        raise ValueError(
            f"{name} has boxes and no masks, which every system of this project is trained on; "
            "leave it out of DATASETS.TRAIN."
        )


def _is_read(entry: dict) -> bool:
    return not isinstance(entry["record"], DeferredRecord)


def _has_object(entry: dict, *, needs_thing: bool) -> bool:
    """Whether an entry has an object that is no crowd; True where that is not known yet."""
    return not _is_read(entry) or any(
        not item.is_crowd and (item.is_thing or not needs_thing) for item in entry["record"].objects
    )


def build_test_loader(cfg: CfgNode, dataset_name: str) -> Iterable:
    """One pass over a dataset, one video at a time; the frames of a video decode when read."""
    mapper = build_mapper(cfg, is_train=False, dataset_name=dataset_name)
    return build_detection_test_loader(cfg, dataset_name, mapper=mapper)
