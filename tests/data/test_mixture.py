from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from univs.data.mixture import MixedBatches, PlannedBatches, check_weights


class Counted:
    """An endless loader of (name, 0), (name, 1), ..."""

    def __init__(self, name: str) -> None:
        self.name, self.start = name, 0

    def __iter__(self):
        number = self.start
        while True:
            yield self.name, number
            number += 1

    def skip_batches(self, num_batches: int) -> None:
        self.start = num_batches


def _mixture(weights, **options):
    return MixedBatches([Counted(name) for name in "abc"[: len(weights)]], weights, **options)


def test_datasets_come_by_their_weights():
    counts = Counter(name for name, _ in islice(_mixture([1.0, 0.5, 2.5], seed=0), 4000))
    for name, share in zip("abc", (0.25, 0.125, 0.625), strict=True):
        assert counts[name] / 4000 == pytest.approx(share, abs=0.03)


def test_each_dataset_goes_on_where_it_was():
    batches = list(islice(_mixture([1, 1], seed=1), 100))
    for name in "ab":
        numbers = [number for which, number in batches if which == name]
        assert numbers == list(range(len(numbers)))


def test_the_order_follows_from_the_seed():
    def order(seed):
        return list(islice(_mixture([1, 1], seed=seed), 50))

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_a_dataset_may_be_kept_for_some_batches():
    names = [name for name, _ in islice(_mixture([1, 1], seed=0, run_length=10), 400)]
    runs = [set(names[start : start + 10]) for start in range(0, 400, 10)]
    assert all(len(run) == 1 for run in runs)
    assert set.union(*runs) == {"a", "b"}


def test_a_plan_gives_every_dataset_its_exact_share():
    loaders = [Counted(name) for name in "abc"]
    names = [n for n, _ in islice(PlannedBatches(loaders, [2, 8, 6], num_batches=160), 168)]
    runs = [set(names[start : start + 8]) for start in range(0, 168, 8)]
    assert all(len(run) == 1 for run in runs)
    # 20, 80 and 60 batches, in whole runs of 8.
    assert Counter(next(iter(run)) for run in runs) == {"a": 3, "b": 10, "c": 8}


def test_a_plan_goes_on_where_a_run_stopped():
    def mixture():
        return PlannedBatches([Counted(name) for name in "ab"], [1, 1], num_batches=32)

    whole = list(islice(mixture(), 60))
    resumed = mixture()
    resumed.skip_batches(19)
    assert list(islice(resumed, 41)) == whole[19:]


@pytest.mark.parametrize("skipped", [0, 1, 37])
def test_a_run_that_is_resumed_gets_the_batches_it_would_have_got(skipped):
    whole = list(islice(_mixture([1, 2, 3], seed=5), 80))
    resumed = _mixture([1, 2, 3], seed=5)
    resumed.skip_batches(skipped)
    assert list(islice(resumed, 80 - skipped)) == whole[skipped:]


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], "has 1 weights, DATASETS.TRAIN has 2"), ([1.0, 0.0], "must be positive")],
)
def test_wrong_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 2)


def test_no_weights_mean_that_all_are_alike():
    assert check_weights([], 3) == (1.0, 1.0, 1.0)
