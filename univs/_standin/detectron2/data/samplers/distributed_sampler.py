"""Samplers that share a data set out among the processes of a run."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from detectron2.utils import comm

__all__ = ["InferenceSampler", "RepeatFactorTrainingSampler", "TrainingSampler"]


class _InfiniteSampler(Sampler):
    """An endless stream of indices that is the same on every process; each takes its share.

    Of n processes, the one of rank r takes the indices at positions r, r + n, r + 2n, ... of the
    stream. The stream follows from the seed alone.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = int(comm.shared_random_seed() if seed is None else seed)
        self._rank = comm.get_rank()
        self._world_size = comm.get_world_size()
        self._num_skipped = 0

    @abstractmethod
    def _infinite_indices(self) -> Iterator[int]:
        """The stream of all processes together."""

    def skip(self, num_indices: int) -> None:
        """Let iterators made from now on start after ``num_indices`` of this process's indices.

        Counted from the beginning of the stream, whatever was skipped before. An addition to
        Detectron2, for resuming a run where its data order was interrupted.
        """
        if num_indices < 0:
            raise ValueError(f"cannot skip {num_indices} indices")
        self._num_skipped = num_indices

    def iterate_with_positions(self) -> Iterator[tuple[int, int]]:
        """As ``iter(self)``, but (position in the stream of all processes, index)."""
        start = self._rank + self._num_skipped * self._world_size
        return itertools.islice(enumerate(self._infinite_indices()), start, None, self._world_size)

    def __iter__(self) -> Iterator[int]:
        return (index for _, index in self.iterate_with_positions())


class TrainingSampler(_InfiniteSampler):
    """All indices, again and again, each round in another order.

    Args:
        size: length of the data set.
        shuffle: draw an order for every round, instead of ascending.
        seed: of the orders, the same on all processes; drawn by one of them for all if None.
    """

    def __init__(self, size: int, shuffle: bool = True, seed: int | None = None) -> None:
        if not isinstance(size, int):
            raise TypeError(f"TrainingSampler(size=) expects an int. Got type {type(size)}.")
        if size <= 0:
            raise ValueError(f"TrainingSampler(size=) expects a positive int. Got {size}.")
        super().__init__(seed)
        self._size = size
        self._shuffle = shuffle

    def _infinite_indices(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self._seed)
        while True:
            if self._shuffle:
                yield from torch.randperm(self._size, generator=generator).tolist()
            else:
                yield from range(self._size)


class RepeatFactorTrainingSampler(_InfiniteSampler):
    """As :class:`TrainingSampler`, with some indices repeated in every round.

    From Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation" (2019).

    Args:
        repeat_factors: ``[N]`` mean number of times that each sample comes in a round. The fraction
            is the probability of coming once more.
        shuffle: draw an order for every round, instead of ascending.
        seed: see :class:`TrainingSampler`.
    """

    def __init__(
        self, repeat_factors: Tensor, *, shuffle: bool = True, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self._shuffle = shuffle
        self._int_part = torch.trunc(repeat_factors)
        self._frac_part = repeat_factors - self._int_part

    @staticmethod
    def repeat_factors_from_category_frequency(
        dataset_dicts: list[dict], repeat_thresh: float, sqrt: bool = True
    ) -> Tensor:
        """Repeat images with rare categories.

        A category in a fraction f of the images has the factor max(1, t / f), or the square root of
        it; an image has the largest factor among its categories, and 1 without any.

        Args:
            dataset_dicts: records with ``annotations``, each with ``category_id``.
            repeat_thresh: t.
            sqrt: take the square root.

        Returns:
            ``[N]`` factors.
        """
        categories = [
            {annotation["category_id"] for annotation in record["annotations"]}
            for record in dataset_dicts
        ]
        counts = Counter(itertools.chain.from_iterable(categories))
        ratios = {c: repeat_thresh * len(dataset_dicts) / count for c, count in counts.items()}
        factors = {c: max(1.0, math.sqrt(r) if sqrt else r) for c, r in ratios.items()}
        return torch.tensor(
            [max((factors[category] for category in image), default=1.0) for image in categories],
            dtype=torch.float32,
        )

    def _infinite_indices(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self._seed)
        while True:
            draws = torch.rand(len(self._frac_part), generator=generator)
            repeats = (self._int_part + (draws < self._frac_part).float()).long()
            indices = torch.repeat_interleave(repeats)  # index i comes repeats[i] times
            if self._shuffle:
                indices = indices[torch.randperm(len(indices), generator=generator)]
            yield from indices.tolist()


class InferenceSampler(Sampler):
    """Every index once over all processes; each takes one range of neighbours.

    Args:
        size: length of the data set.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"a data set cannot have {size} samples")
        self._size = size
        self._rank = comm.get_rank()
        self._world_size = comm.get_world_size()
        self._local_indices = self._get_local_indices(size, self._world_size, self._rank)

    @staticmethod
    def _get_local_indices(total_size: int, world_size: int, rank: int) -> range:
        """The range of ``rank``; the first ranks have one more if it does not come out even."""
        share, left = divmod(total_size, world_size)
        begin = share * rank + min(rank, left)
        return range(begin, begin + share + (rank < left))

    def __iter__(self) -> Iterator[int]:
        yield from self._local_indices

    def __len__(self) -> int:
        return len(self._local_indices)
