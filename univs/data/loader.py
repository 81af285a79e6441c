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
from univs.data.mapper import build_mapper

logger = logging.getLogger(__name__)


def build_train_loader(cfg: CfgNode, mapper: Callable[[dict], dict] | None = None) -> Iterable:
    """Endless batches of training samples of ``DATASETS.TRAIN``.

    Entries without any object that is not a crowd are left out if
    ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` is set and the dataset has objects at all. (Detectron2's
    own filter reads one list of annotations per image, which a video does not have.)

    Args:
        cfg: config.
        mapper: None takes that of the config.

    Raises:
        ValueError: no dataset is named, or none of the entries is left.
    """
    entries = training_entries(
        cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    )
    mapper = build_mapper(cfg, is_train=True) if mapper is None else mapper
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
