"""Class queries of TarViS from one set of vocabularies to another."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

# The vocabularies of published pre-trained models.
PRETRAINED_VOCABULARIES = {"ADE20K": 150, "CITYSCAPES": 34, "COCO": 133, "MAPILLARY": 65}

# The 19 classes that are evaluated of Cityscapes, as classes of the 34 of its annotations.
_CITYSCAPES_19 = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

# Vocabulary -> the one that it takes its classes from, and which of them.
CLASS_ORIGINS = {
    "CITYSCAPES_VPS": ("CITYSCAPES", _CITYSCAPES_19),
    "KITTI_STEP": ("CITYSCAPES", _CITYSCAPES_19),
}


_CLASS_QUERIES = "target_queries.semantic"


def vocabularies_of(model: nn.Module) -> dict[str, int]:
    """Number of classes of each vocabulary of a TarViS model; empty for every other model."""
    return getattr(getattr(model, "target_queries", None), "vocabularies", {})


def with_class_queries(
    available: Mapping[str, torch.Tensor],
    places: Mapping[str, torch.Tensor],
    vocabularies: Mapping[str, int],
) -> dict[str, torch.Tensor]:
    """Tensors of a file, with the class queries of published pre-trained models transferred.

    Args:
        available: tensors of the file, by today's names.
        places: tensors of the model.
        vocabularies: of the model.
    """
    available = dict(available)
    stored, values = available.get(_CLASS_QUERIES), places.get(_CLASS_QUERIES)
    is_pretrained = stored is not None and len(stored) == 1 + sum(PRETRAINED_VOCABULARIES.values())
    if is_pretrained and values is not None and stored.shape[1:] == values.shape[1:]:
        available[_CLASS_QUERIES] = transfer_class_queries(values.detach(), stored, vocabularies)
    return available


def first_rows(vocabularies: Mapping[str, int]) -> dict[str, int]:
    """The row of the first class of each vocabulary: they follow row 0 in alphabetical order."""
    rows, row = {}, 1
    for name in sorted(vocabularies):
        rows[name] = row
        row += vocabularies[name]
    return rows


def transferred_rows(
    target: Mapping[str, int], source: Mapping[str, int] = PRETRAINED_VOCABULARIES
) -> dict[int, int]:
    """Which class queries of another model are a start for those of a model.

    Args:
        target: number of classes of each vocabulary of the model.
        source: the same of the other model.

    Returns:
        row in the other model by row in the model: the shared embedding, classes of vocabularies
            that
        both have, and those of :data:`CLASS_ORIGINS`.
    """
    target_rows, source_rows, rows = first_rows(target), first_rows(source), {0: 0}
    for name, size in target.items():
        origin, classes = CLASS_ORIGINS.get(name, (name, ()))
        if source.get(name) == size:
            origin, classes = name, range(size)
        if origin not in source or len(classes) != size:
            continue
        for index, origin_class in enumerate(classes):
            rows[target_rows[name] + index] = source_rows[origin] + origin_class
    return rows


def transfer_class_queries(
    values: torch.Tensor,
    stored: torch.Tensor,
    target: Mapping[str, int],
    source: Mapping[str, int] = PRETRAINED_VOCABULARIES,
) -> torch.Tensor:
    """Class queries of a model with as much as possible taken from another one.

    Args:
        values: ``(1 + K, C)``, the model's own; rows without a counterpart keep them.
        stored: ``(1 + K', C)`` of the other model.
        target, source: see :func:`transferred_rows`.

    Raises:
        ValueError: ``stored`` does not belong to ``source``.
    """
    if len(stored) != 1 + sum(source.values()):
        raise ValueError(
            f"the file has {len(stored)} class queries, but the vocabularies "
            f"{', '.join(sorted(source))} have {1 + sum(source.values())}"
        )
    rows = transferred_rows(target, source)
    result = values.clone()
    result[list(rows)] = stored[list(rows.values())].to(values)
    return result
