"""Mixtures of datasets: every batch comes from one dataset, drawn by its weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice, repeat
from typing import Any

import numpy as np

from detectron2.utils import comm
from univs.data.tarvis_sampling import sample_counts


class MixedBatches:
    """Endless batches of several loaders.

    Every process draws for itself, so that an iteration mixes datasets when there are several
    processes (as published in UniVS; VITA's per-sample mixture in effect did the same). The draws
    follow from the seed alone.

    Args:
        loaders: endless loaders of batches, one per dataset.
        weights: how often each is drawn, relative to the others.
        run_length: batches between two draws.
        seed: of the draws; None takes a random one, the same on all processes.
    """

    def __init__(
        self,
        loaders: Sequence[Iterable],
        weights: Sequence[float],
        *,
        run_length: int = 1,
        seed: int | None = None,
    ) -> None:
        self.loaders = tuple(loaders)
        self.weights = check_weights(weights, len(self.loaders))
        self.run_length = run_length
        self._seed = int(comm.shared_random_seed() if seed is None else seed)
        self._num_skipped = 0

    def draws(self) -> Iterator[int]:
        """Which loader each batch of this process comes from, endlessly."""
        random = np.random.default_rng((self._seed, comm.get_rank()))
        probabilities = np.array(self.weights) / sum(self.weights)
        while True:
            chosen = int(random.choice(len(self.weights), p=probabilities))
            for _ in range(self.run_length):
                yield chosen

    def __iter__(self) -> Iterator[Any]:
        # Workers of a loader start when it is first drawn.
        iterators: dict[int, Iterator] = {}
        for chosen in islice(self.draws(), self._num_skipped, None):
            if chosen not in iterators:
                iterators[chosen] = iter(self.loaders[chosen])
            yield next(iterators[chosen])

    def skip_batches(self, num_batches: int) -> None:
        """Let iterators made from now on start after ``num_batches`` batches of this process.

        As for the loaders of a single dataset, this resumes an interrupted run where it stopped.
        """
        counts = np.zeros(len(self.loaders), dtype=int)
        for chosen in islice(self.draws(), num_batches):
            counts[chosen] += 1
        for loader, count in zip(self.loaders, counts.tolist(), strict=True):
            loader.skip_batches(count)
        self._num_skipped = num_batches


class PlannedBatches(MixedBatches):
    """Endless batches of several loaders in an order that is planned, the same on all processes.

    Every loader gives its exact share of a whole run, in runs of a fixed length that are shuffled
    (as published in TarViS). After the plan it begins anew.

    Args:
        loaders: endless loaders of batches, one per dataset.
        weights: how often each is drawn, relative to the others.
        num_batches: of the whole run.
        run_length: batches between two changes of the loader.
        seed: of the order.
    """

    def __init__(
        self,
        loaders: Sequence[Iterable],
        weights: Sequence[float],
        *,
        num_batches: int,
        run_length: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(loaders, weights, run_length=run_length, seed=seed)
        shares = np.array(self.weights) / sum(self.weights)
        counts = sample_counts(shares.tolist(), num_batches)
        runs = [-(-count // run_length) for count in counts]  # rounded up
        plan = np.repeat(np.arange(len(runs)), runs)
        self._plan = np.random.default_rng(seed).permutation(plan).tolist()

    def draws(self) -> Iterator[int]:
        """Which loader each batch comes from, endlessly."""
        for chosen in cycle(self._plan):
            yield from repeat(chosen, self.run_length)


def check_weights(weights: Sequence[float], num_datasets: int) -> tuple[float, ...]:
    """The weights of ``num_datasets`` datasets; none at all means that all are alike.

    Raises:
        ValueError: there are more or fewer, or one is not positive.
    """
    if not len(weights):
        return (1.0,) * num_datasets
    if len(weights) != num_datasets:
        raise ValueError(
            f"DATASETS.DATASET_RATIO has {len(weights)} weights, DATASETS.TRAIN has {num_datasets} "
            "datasets; give one weight per dataset, in the same order, or none."
        )
    if min(weights) <= 0:
        raise ValueError(
            f"DATASETS.DATASET_RATIO {list(weights)} must be positive; leave a dataset that is not "
            "to be used out of DATASETS.TRAIN."
        )
    return tuple(float(weight) for weight in weights)
