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
from univs.data.mapper import build_mapper
from univs.data.mixture import MixedBatches, check_weights

logger = logging.getLogger(__name__)


#: Batches between two draws of a dataset, by DATASETS.DATALOADER_TYPE.
_RUN_LENGTHS = {"iter": 1, "epoch": 1000}


def build_train_loader(cfg: CfgNode, mapper: Callable[[dict], dict] | None = None) -> Iterable:
    """Endless batches of training samples of ``DATASETS.TRAIN``.

    With several datasets, a video model takes every batch from one of them, drawn with
    probabilities proportional to ``DATASETS.DATASET_RATIO``, and each dataset has a loader (and
    ``DATALOADER.NUM_WORKERS`` workers) of its own. The image model joins the datasets to one, as
    Detectron2 does.

    Entries without any object that is not a crowd are left out if
    ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` is set and the dataset has objects at all. (Detectron2's
    own filter reads one list of annotations per image, which a video does not have.)

    Args:
        cfg: config.
        mapper: None takes those of the config.

    Raises:
        ValueError: no dataset is named, none of the entries is left, or the weights do not fit.
    """
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
    return MixedBatches(loaders, weights, run_length=_RUN_LENGTHS[kind])


def _build_loader(
    cfg: CfgNode, names: Sequence[str], mapper: Callable[[dict], dict] | None
) -> Iterable:
    entries = training_entries(names, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS)
    if mapper is None:
        mapper = build_mapper(cfg, is_train=True, dataset_name=names[0])
    return build_detection_train_loader(cfg, dataset=entries, mapper=mapper)


def training_entries(names: Sequence[str], *, filter_empty: bool) -> list[dict]:
    """Entries of several datasets, one after the other.

    Args:
        names: registered names.
        filter_empty: leave out entries without any object that is not a crowd, in datasets that
            have objects.

    Raises:
        ValueError: there are no names, or no entry is left.
    """
    if not names:
        raise ValueError("DATASETS.TRAIN names no dataset.")
    kept: list[dict] = []
    for name in names:
        entries = DatasetCatalog.get(name)
        with_objects = [e for e in entries if any(not o.is_crowd for o in e["record"].objects)]
        if filter_empty and with_objects and len(with_objects) < len(entries):
            dropped = len(entries) - len(with_objects)
            logger.info(
                "%s: left out %d of %d entries without objects", name, dropped, len(entries)
            )
            entries = with_objects
        kept += entries
    if not kept:
        raise ValueError(f"The datasets {', '.join(names)} have no videos.")
    return kept


def build_test_loader(cfg: CfgNode, dataset_name: str) -> Iterable:
    """One pass over a dataset, one video at a time; the frames of a video decode when read."""
    mapper = build_mapper(cfg, is_train=False, dataset_name=dataset_name)
    return build_detection_test_loader(cfg, dataset_name, mapper=mapper)
