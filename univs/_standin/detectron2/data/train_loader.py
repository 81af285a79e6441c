"""Training loaders that can start in the middle of their data. An addition to Detectron2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from torch.utils.data import DataLoader, Dataset

from detectron2.data.common import AspectRatioGroupedDataset, is_landscape

__all__ = ["SkippingAspectRatioGroupedDataset", "SkippingDataLoader"]


class SkippingDataLoader(DataLoader):
    """A loader of a :class:`ToIterableDataset` whose sampler can ``skip``."""

    def skip_batches(self, num_batches: int) -> None:
        """Let iterators made from now on start after ``num_batches`` batches of this process."""
        self.dataset.sampler.skip(num_batches * self.batch_size)


class SkippingAspectRatioGroupedDataset(AspectRatioGroupedDataset):
    """Grouped batches of such a loader.

    Args:
        dataset: a loader that yields single samples of a :class:`ToIterableDataset`.
        batch_size: number of images in a batch.
        records: the data set before mapping, with the same indices.
        collate_fn: makes a batch from a list of samples, which it is if None.
    """

    def __init__(
        self,
        dataset: DataLoader,
        batch_size: int,
        records: Dataset,
        collate_fn: Callable[[list], Any] | None,
    ) -> None:
        super().__init__(dataset, batch_size)
        self._records = records
        self._collate_fn = collate_fn

    def __iter__(self) -> Iterator[Any]:
        batches = super().__iter__()
        return batches if self._collate_fn is None else map(self._collate_fn, batches)

    def skip_batches(self, num_batches: int) -> None:
        """Let iterators made from now on start after ``num_batches`` batches of this process.

        The samples that wait for their group to fill up at that point come first. Which these are
        is replayed from width and height in the records, without loading an image, so a mapper must
        keep these, and may not return None for a sample, for the batches to be exactly those of a
        run that was not interrupted.
        """
        stream = self.dataset.dataset
        stream.sampler.skip(0)
        group_of = cache(lambda index: is_landscape(self._records[index]))
        groups: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        num_indices = 0
        order = stream.sampler.iterate_with_positions()
        while num_batches > 0:
            position, index = next(order)
            num_indices += 1
            group = groups[group_of(index)]
            group.append((position, index))
            if len(group) == self.batch_size:
                group.clear()
                num_batches -= 1
        stream.first = sorted(groups[True] + groups[False])
        stream.sampler.skip(num_indices)
