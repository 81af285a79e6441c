"""Which samples come when, on which process."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from detectron2.data.samplers import (
    InferenceSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)


def _first(iterable, count: int) -> list[int]:
    return list(itertools.islice(iterable, count))


def _on_rank(sampler, rank: int, world_size: int):
    sampler._rank, sampler._world_size = rank, world_size
    return sampler


def test_training_order_as_measured(contract):
    for fact in contract["training_sampler"]:
        sampler = TrainingSampler(fact["size"], fact["shuffle"], fact["seed"])
        expected = fact["first_30"]
        assert _first(sampler, len(expected)) == expected
        assert _first(sampler, len(expected)) == expected  # every iterator starts anew
        for world_size in (2, 3):
            for rank in range(world_size):
                share = expected[rank::world_size]
                assert _first(_on_rank(sampler, rank, world_size), len(share)) == share


def test_inference_ranges_as_measured(contract):
    for fact in contract["inference_sampler_local_indices"]:
        ranges = [
            list(InferenceSampler._get_local_indices(fact["total"], fact["world"], rank))
            for rank in range(fact["world"])
        ]
        assert ranges == fact["ranges"]


def test_repeat_factors_as_measured(contract):
    fact = contract["repeat_factors_from_category_frequency"]
    records = [
        {"annotations": [{"category_id": category} for category in categories]}
        for categories in fact["images_category_ids"]
    ]
    factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
        records, fact["thresh"]
    )
    np.testing.assert_allclose(factors, fact["factors"], rtol=1e-6)


def test_repeated_samples_come_as_often_as_their_factors_say():
    factors = torch.tensor([1.0, 2.0, 3.5])
    order = _first(RepeatFactorTrainingSampler(factors, seed=3), 6500)
    counts = np.bincount(order, minlength=3)
    np.testing.assert_allclose(counts / counts[0], factors, rtol=0.02)
    unshuffled = RepeatFactorTrainingSampler(torch.tensor([1.0, 2.0]), shuffle=False, seed=0)
    assert _first(unshuffled, 6) == [0, 1, 1, 0, 1, 1]


def test_image_without_annotations_has_factor_one():
    records = [{"annotations": [{"category_id": 1}]}, {"annotations": []}]
    factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(records, 2.0)
    assert factors.tolist() == [2.0, 1.0]


def test_inference_covers_everything_once():
    sampler = InferenceSampler(5)
    assert list(sampler) == [0, 1, 2, 3, 4] and len(sampler) == 5
    assert list(InferenceSampler(0)) == []


def test_impossible_sizes():
    with pytest.raises(ValueError):
        TrainingSampler(0)
    with pytest.raises(TypeError):
        TrainingSampler(2.5)


@pytest.mark.parametrize(
    "sampler",
    [
        TrainingSampler(7, seed=5),
        TrainingSampler(7, shuffle=False),
        RepeatFactorTrainingSampler(torch.tensor([1.0, 2.5, 1.2]), seed=5),
    ],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_skipping_continues_the_share_of_the_process(only_standin, sampler, rank):
    _on_rank(sampler, rank, 2)
    sampler.skip(0)
    order = _first(sampler, 40)
    for count in (1, 7, 23):
        sampler.skip(count)  # from the beginning, not from the last skip
        assert _first(sampler, 10) == order[count : count + 10]
        positions = [position for position, _ in _first(sampler.iterate_with_positions(), 3)]
        assert positions == [2 * count + rank, 2 * count + 2 + rank, 2 * count + 4 + rank]
    with pytest.raises(ValueError):
        sampler.skip(-1)
