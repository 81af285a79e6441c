"""Names that stand for different data in different projects."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

#: By a name that UniVS trains on: what it means by it, and a name for the whole training set.
_UNIVS_TRAINING = {
    "ytvis_2021_train": ("ytvis21_train_sub", "ytvis21_train"),
    "ovis_train": ("ovis_train_sub", "ovis_train_full"),
}


def training_name(name: str, meta_architecture: str) -> str:
    """The dataset that a name in ``DATASETS.TRAIN`` stands for.

    UniVS calls 90 % of a training set by the name that VITA, GenVIS and the official evaluation use
    for all of it; the rest is its development set. Where the meaning changes, a note is logged.

    Args:
        name: as written in the config.
        meta_architecture: ``MODEL.META_ARCHITECTURE`` of the config.
    """
    if name not in _UNIVS_TRAINING or not meta_architecture.startswith("UniVS"):
        return name
    meant, whole = _UNIVS_TRAINING[name]
    logger.warning(
        "DATASETS.TRAIN: UniVS means by %s the training set without its held-out part, which is "
        "called %s here. Write %s to train on all of it.",
        name,
        meant,
        whole,
    )
    return meant
