"""Entries of the metadata of registered data sets that evaluators need."""

from __future__ import annotations

from typing import Any

from detectron2.data import Metadata


def required(metadata: Metadata, key: str) -> Any:
    """An entry of the metadata.

    Raises:
        ValueError: it is missing.
    """
    if not hasattr(metadata, key):
        raise ValueError(
            f"The metadata of the data set {metadata.name!r} has no {key!r}; set it where the data "
            "set is registered."
        )
    return getattr(metadata, key)


def class_names(metadata: Metadata) -> list[str]:
    """Names of the classes in the order in which results count them.

    Raises:
        ValueError: the metadata does not say.
    """
    if not hasattr(metadata, "class_names") and not metadata.get("thing_classes"):
        return list(required(metadata, "stuff_classes"))
    return list(required(metadata, "class_names"))


def dataset_ids(metadata: Metadata) -> dict[int, int]:
    """Category id of the data set by contiguous category, things and stuff."""
    tables = [
        metadata.get(f"{kind}_dataset_id_to_contiguous_id", {}) for kind in ("thing", "stuff")
    ]
    return {contiguous: official for table in tables for official, contiguous in table.items()}


def thing_ids(metadata: Metadata) -> dict[int, int]:
    """Category id of the data set by contiguous category of a thing.

    Raises:
        ValueError: the metadata does not say.
    """
    table = required(metadata, "thing_dataset_id_to_contiguous_id")
    return {contiguous: official for official, contiguous in table.items()}
