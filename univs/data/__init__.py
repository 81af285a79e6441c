"""Datasets, video records, clip mappers and loaders.

The names below are imported on first use, so that the parts of this package that need no
Detectron2, such as the toy generator, start quickly.
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "VideoRecord": "univs.data.record",
    "build_mapper": "univs.data.mapper",
    "build_test_loader": "univs.data.loader",
    "build_train_loader": "univs.data.loader",
    "register_dataset": "univs.data.catalog",
    "register_datasets": "univs.data.catalog",
}

__all__ = [
    "VideoRecord",
    "build_mapper",
    "build_test_loader",
    "build_train_loader",
    "register_dataset",
    "register_datasets",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
