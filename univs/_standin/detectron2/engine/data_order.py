"""The position of a run in the order of its training data, so that a resumed run goes on there.

What the loader given to a trainer may offer, in order of preference:

1. ``loader.skip_batches(num_batches)``: the next iterator starts after as many batches of this
   process. For loaders whose batches are not simply consecutive samples.
2. A sampler, at ``loader.sampler``, ``loader.dataset.sampler``, or deeper along ``.dataset``, with
   ``skip(num_indices)``: its next iterator starts after as many indices of this process. The number
   of samples per batch is the first ``batch_size`` found on the same way.

A loader with neither starts from the beginning on resume, as in Detectron2.

If the sampler shuffles by a seed, its attribute ``seed`` or ``_seed`` is kept as well, because a
run without ``SEED`` would draw another one when it is resumed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

__all__ = ["CountingIterator", "continue_order", "order_seed"]

_MAX_DEPTH = 8  # data sets wrapped in data sets


class CountingIterator:
    """Iterates and counts.

    Attributes:
        count: items so far, including those of the runs that are continued.
    """

    def __init__(self, iterator: Iterator, count: int = 0) -> None:
        self._iterator = iterator
        self.count = count

    def __iter__(self) -> CountingIterator:
        return self

    def __next__(self) -> Any:
        item = next(self._iterator)
        self.count += 1
        return item


def _layers(loader: Any) -> Iterator[Any]:
    """The loader, its data set, the data set that this one wraps, and so on."""
    layer = loader
    for _ in range(_MAX_DEPTH):
        if layer is None:
            return
        yield layer
        layer = getattr(layer, "dataset", None)


def _find_samplers(loader: Any) -> list[Any]:
    samplers = (getattr(layer, "sampler", None) for layer in _layers(loader))
    return [sampler for sampler in samplers if sampler is not None]


def _seed_attribute(sampler: Any) -> str | None:
    return next((name for name in ("seed", "_seed") if hasattr(sampler, name)), None)


def order_seed(loader: Any) -> int | None:
    """The seed that the order of ``loader`` follows from; None if it shows none."""
    for sampler in _find_samplers(loader):
        name = _seed_attribute(sampler)
        if name is not None:
            seed = getattr(sampler, name)
            return None if seed is None else int(seed)
    return None


def continue_order(loader: Any, num_batches: int, seed: int | None) -> bool:
    """Let the next iterator over ``loader`` start after ``num_batches`` batches.

    Args:
        loader: see the module.
        num_batches: batches that this process has consumed since the order began.
        seed: what :func:`order_seed` returned in the run that is continued.

    Returns:
        Whether the loader could do so.
    """
    samplers = _find_samplers(loader)
    if seed is not None:
        for sampler in samplers:
            name = _seed_attribute(sampler)
            if name is not None:
                setattr(sampler, name, seed)
                break
    if num_batches == 0:
        return True
    if hasattr(loader, "skip_batches"):
        loader.skip_batches(num_batches)
        return True
    batch_sizes = (getattr(layer, "batch_size", None) for layer in _layers(loader))
    batch_size = next((size for size in batch_sizes if size is not None), None)
    sampler = next((sampler for sampler in samplers if hasattr(sampler, "skip")), None)
    if sampler is None or batch_size is None:
        logging.getLogger(__name__).warning(
            "The order of the training data starts from its beginning: %s can neither skip_batches "
            "nor has it a sampler that can skip.",
            type(loader).__name__,
        )
        return False
    sampler.skip(num_batches * batch_size)
    return True
