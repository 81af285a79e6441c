"""What TarViS does with a batch of a panoptic image set: every task in turn (pre-training)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import numpy as np

from detectron2.utils import comm

_NUM_TASKS = 3
# As published; all processes draw alike, so that all of them do the same in an iteration.
_SEED = 764501
# Batches of one task in a row, as many as of one data set.
RUN_LENGTH = 8


class DrawnTasks:
    """Batches of panoptic data sets, with the truth of a task that is drawn for a run of batches.

    Instance segmentation loses the class map ``sem_seg``; segmentation of given objects the
    vocabulary as well.

    Args:
        batches: endless batches of clips with ``vocabulary`` and ``sem_seg``.
        weights: of instance, panoptic and object segmentation.
        run_length: batches between two draws.
        seed: of the draws.
    """

    def __init__(
        self,
        batches: Iterable[list[dict]],
        weights: Sequence[float],
        *,
        run_length: int = RUN_LENGTH,
        seed: int = _SEED,
    ) -> None:
        if len(weights) != _NUM_TASKS or min(weights) < 0 or not sum(weights):
            raise ValueError(
                "MODEL.TARVIS.TASK_WEIGHTS must be three numbers, for instance, panoptic and "
                f"object segmentation, but is {list(weights)}"
            )
        self.batches = batches
        self.bounds = np.cumsum(weights) / sum(weights)
        self.run_length = run_length
        self.seed = seed
        self._num_skipped = 0

    def task(self, batch: int) -> int:
        """The task of a batch, as an index into the weights."""
        draw = np.random.default_rng((self.seed, batch // self.run_length)).random()
        return int((draw >= self.bounds[:-1]).sum())

    def __iter__(self) -> Iterator[list[dict]]:
        for number, samples in zip(count(self._num_skipped), self.batches, strict=False):
            random = np.random.default_rng((self.seed, number, comm.get_rank()))
            yield with_task(samples, self.task(number), random)

    def skip_batches(self, num_batches: int) -> None:
        """Let iterators made from now on start after ``num_batches`` batches."""
        self.batches.skip_batches(num_batches)
        self._num_skipped = num_batches


def with_task(samples: list[dict], task: int, random: np.random.Generator) -> list[dict]:
    """Leave out what belongs to other tasks.

    Args:
        samples: clips with ``vocabulary`` and ``sem_seg``.
        task: 0, 1 or 2 for instance, panoptic or object segmentation.
        random: chooses the frame in which objects are given.

    Raises:
        ValueError: a clip has no truth of stuff.
    """
    for sample in samples:
        if "sem_seg" not in sample:
            raise ValueError(
                f"{sample.get('dataset_name', 'a data set')} has no stuff, which drawing tasks "
                "(MODEL.TARVIS.TASK_WEIGHTS) needs: set it to []"
            )
    if task == 1:
        return samples
    samples = [{k: v for k, v in sample.items() if k != "sem_seg"} for sample in samples]
    if task == 2:
        samples = [
            sample | {"vocabulary": "", "reference_frame": reference}
            for sample, reference in zip(samples, _reference_frames(samples, random), strict=True)
        ]
    return samples


def _reference_frames(samples: list[dict], random: np.random.Generator) -> list[int]:
    """A frame for each clip: the same for all, at random, if all show an object there."""
    visible = np.array(
        [[bool((frame.gt_ids != -1).any()) for frame in sample["instances"]] for sample in samples]
    )  # B T
    common = np.flatnonzero(visible.all(0))
    if len(common):
        return [int(random.choice(common))] * len(samples)
    return [int(row.argmax()) for row in visible]
