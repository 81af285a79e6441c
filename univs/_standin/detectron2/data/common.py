"""Data sets made from lists, and data sets made from other data sets."""

from __future__ import annotations

import copy
import itertools
import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, Sampler, get_worker_info

from detectron2.data.sample_seed import random_of_sample
from detectron2.utils.serialize import PicklableWrapper

__all__ = ["AspectRatioGroupedDataset", "DatasetFromList", "MapDataset", "ToIterableDataset"]

logger = logging.getLogger(__name__)


class DatasetFromList(Dataset):
    """The elements of a list.

    Args:
        lst: the elements.
        copy: return deep copies, so that the list is safe from changes. Implied by ``serialize``.
        serialize: keep the elements pickled in one block of memory, which worker processes share
            instead of copying it.
    """

    def __init__(self, lst: list, copy: bool = True, serialize: bool = True) -> None:
        self._copy = copy
        self._serialize = serialize
        if not serialize:
            self._lst = lst
            return
        pickled = [pickle.dumps(element, protocol=pickle.HIGHEST_PROTOCOL) for element in lst]
        self._ends = torch.tensor([len(p) for p in pickled], dtype=torch.int64).cumsum(0)
        self._bytes = torch.from_numpy(np.frombuffer(bytearray(b"".join(pickled)), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self._ends) if self._serialize else len(self._lst)

    def __getitem__(self, idx: int) -> Any:
        if not self._serialize:
            return copy.deepcopy(self._lst[idx]) if self._copy else self._lst[idx]
        idx = range(len(self))[idx]  # negative ones, and the IndexError
        start = 0 if idx == 0 else int(self._ends[idx - 1])
        return pickle.loads(memoryview(self._bytes[start : int(self._ends[idx])].numpy()))


class MapDataset(Dataset):
    """A function of the elements of a data set.

    Where the function returns None, the element is left out of an iterable data set; in one with
    indices another element, drawn at random, takes its place.

    Args:
        dataset: with indices, or iterable.
        map_func: of an element.
    """

    def __new__(cls, dataset: Dataset, map_func: Callable[[Any], Any]) -> Dataset:
        if cls is MapDataset and isinstance(dataset, IterableDataset):
            return _MapIterableDataset(dataset, map_func)
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[Dataset, Callable]:
        return self._dataset, self._map_func

    def __init__(self, dataset: Dataset, map_func: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._map_func = PicklableWrapper(map_func)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int) -> Any:
        failed: set[int] = set()
        index = range(len(self))[idx]
        while (data := self._map_func(self._dataset[index])) is None:
            failed.add(index)
            if len(failed) == 3:
                logger.warning("Mapping fails for sample %d and for 2 drawn in its place.", idx)
            if len(failed) == len(self):
                raise ValueError("The mapper returns None for every sample of the data set.")
            while index in failed:
                index = random.randrange(len(self))
        return data


class _MapIterableDataset(IterableDataset):
    """What :class:`MapDataset` is for an iterable data set."""

    def __init__(self, dataset: IterableDataset, map_func: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._map_func = PicklableWrapper(map_func)

    @property
    def dataset(self) -> IterableDataset:
        """What is mapped."""
        return self._dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[Any]:
        return (data for data in map(self._map_func, self._dataset) if data is not None)


def _share_of_worker(iterable: Iterable, chunk_size: int) -> Iterator:
    """Chunks w, w + W, w + 2W, ... in worker w of W; everything outside of a worker."""
    worker = get_worker_info()
    if worker is None or worker.num_workers == 1:
        yield from iterable
        return
    iterator = iter(iterable)
    for turn in itertools.cycle(range(worker.num_workers)):
        chunk = list(itertools.islice(iterator, chunk_size))
        if not chunk:
            return
        if turn == worker.id:
            yield from chunk


class ToIterableDataset(IterableDataset):
    """The elements of a data set with indices, in the order of a sampler.

    Args:
        dataset: with indices.
        sampler: of the indices.
        shard_sampler: share the indices out among the workers of a loader. False if the sampler
            yields different indices in each worker already.
        shard_chunk_size: neighbours in the order of the sampler that go to the same worker; as many
            as a batch has where each worker collects batches, so that these have the same samples
            for any number of workers.
        seed_samples: let the random numbers of a sample follow from the seed of the sampler and the
            sample's position (see :mod:`detectron2.data.sample_seed`). Needs a training sampler of
            this package.

    Attributes:
        first: (position, index) of samples that come before those of the sampler.
    """

    def __init__(
        self,
        dataset: Dataset,
        sampler: Sampler | Iterable[int],
        shard_sampler: bool = True,
        shard_chunk_size: int = 1,
        seed_samples: bool = False,
    ) -> None:
        assert not isinstance(dataset, IterableDataset), "the data set is iterable already"
        assert isinstance(sampler, Iterable), "the sampler cannot be iterated over"
        self.dataset = dataset
        self.sampler = sampler
        self.shard_sampler = shard_sampler
        self.shard_chunk_size = shard_chunk_size
        self.seed_samples = seed_samples
        self.first: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Any]:
        if hasattr(self.sampler, "iterate_with_positions"):
            order = self.sampler.iterate_with_positions()
        else:
            order = enumerate(self.sampler)
        order = itertools.chain(self.first, order)
        if self.shard_sampler:
            order = _share_of_worker(order, self.shard_chunk_size)
        for position, index in order:
            if self.seed_samples:
                with random_of_sample(self.sampler._seed, position):
                    sample = self.dataset[index]
            else:
                sample = self.dataset[index]
            yield sample

    def __len__(self) -> int:
        return len(self.sampler)


def is_landscape(sample: dict) -> bool:
    """The group of a sample: whether it is wider than high."""
    return sample["width"] > sample["height"]


class AspectRatioGroupedDataset(IterableDataset):
    """Batches of images that are all wider than high, or all not.

    Each sample is a dictionary with "width" and "height". A batch is given as soon as one of the
    two groups is complete; what is left at the end is dropped.

    Args:
        dataset: an iterable of samples.
        batch_size: number of samples per batch.
    """

    def __init__(self, dataset: Iterable[dict], batch_size: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[dict]]:
        groups: dict[bool, list[dict]] = {True: [], False: []}
        for sample in self.dataset:
            landscape = is_landscape(sample)
            groups[landscape].append(sample)
            if len(groups[landscape]) == self.batch_size:
                batch, groups[landscape] = groups[landscape], []
                yield batch
