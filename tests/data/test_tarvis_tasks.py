from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch

from detectron2.structures import Instances
from univs.data.tarvis_tasks import DrawnTasks, with_task


def clip(*visible: bool) -> dict:
    """A clip with one object, which these frames show."""
    frames = []
    for shown in visible:
        frame = Instances((4, 4))
        frame.gt_ids = torch.tensor([0 if shown else -1])
        frames.append(frame)
    sem_seg = torch.zeros(len(visible), 4, 4, dtype=torch.long)
    return {"vocabulary": "ZOO", "sem_seg": sem_seg, "instances": frames, "dataset_name": "zoo"}


class Batches:
    """Endless batches that count."""

    start = 0

    def __iter__(self):
        number = self.start
        while True:
            yield [clip(True, True) | {"number": number}]
            number += 1

    def skip_batches(self, num_batches: int) -> None:
        self.start = num_batches


def kind(batch: list[dict]) -> str:
    (sample,) = batch
    if not sample["vocabulary"]:
        return "objects"
    return "panoptic" if "sem_seg" in sample else "instances"


def test_tasks_come_in_runs_of_eight_and_by_their_weights():
    kinds = [kind(batch) for batch in islice(DrawnTasks(Batches(), [0.3, 0.3, 0.4]), 4000)]
    assert all(len(set(kinds[start : start + 8])) == 1 for start in range(0, 4000, 8))
    counts = Counter(kinds)
    for name, weight in (("instances", 0.3), ("panoptic", 0.3), ("objects", 0.4)):
        assert counts[name] / 4000 == pytest.approx(weight, abs=0.07)


def test_an_interrupted_run_goes_on_with_the_same_tasks():
    whole = list(islice(DrawnTasks(Batches(), [1, 1, 1]), 40))
    rest = DrawnTasks(Batches(), [1, 1, 1])
    rest.skip_batches(13)
    rest = list(islice(rest, 27))
    assert [batch[0]["number"] for batch in rest] == list(range(13, 40))
    assert [kind(batch) for batch in rest] == [kind(batch) for batch in whole[13:]]


def test_objects_are_given_in_a_frame_that_shows_one_in_every_clip():
    random = np.random.default_rng(0)
    samples = [clip(True, False, True), clip(False, True, True)]
    for _ in range(5):
        given = with_task(samples, 2, random)
        assert [sample["reference_frame"] for sample in given] == [2, 2]
    apart = with_task([clip(True, False), clip(False, True)], 2, random)
    assert [sample["reference_frame"] for sample in apart] == [0, 1]
    assert "vocabulary" in samples[0] and samples[0]["vocabulary"] == "ZOO"  # not changed


def test_instances_lose_their_class_maps():
    random = np.random.default_rng(0)
    assert "sem_seg" not in with_task([clip(True)], 0, random)[0]
    assert "sem_seg" in with_task([clip(True)], 1, random)[0]


def test_tasks_need_three_weights_and_stuff():
    for weights in ([0.5, 0.5], [0, 0, 0], [1, -1, 1]):
        with pytest.raises(ValueError, match="TASK_WEIGHTS must be three"):
            DrawnTasks(Batches(), weights)
    sample = clip(True)
    del sample["sem_seg"]
    with pytest.raises(ValueError, match="zoo has no stuff"):
        with_task([sample], 1, np.random.default_rng(0))
