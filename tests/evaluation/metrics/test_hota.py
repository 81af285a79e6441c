from __future__ import annotations

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics import hota


@pytest.mark.golden("metrics", "hota")
def test_sequences_equal_the_official_toolkit(case) -> None:
    results = {}
    for sequence in case.meta["parameters"]["sequences"]:
        name = sequence["name"]
        steps = range(sequence["num_timesteps"])
        arrays = (
            [case.arrays[f"{name}_{what}_{t}"] for t in steps]
            for what in ("gt_ids", "tracker_ids", "sim")
        )
        results[name] = hota.hota_sequence(*arrays, name=name)
    expected = case.meta["expected"]
    assert_numbers(results, expected["per_sequence"])
    assert_numbers(hota.combine_hota(results.values()), expected["combined"])


def test_perfect_tracks() -> None:
    ids = [np.array([0, 1])] * 3
    result = hota.hota_sequence(ids, ids, [np.eye(2)] * 3)
    for field in ("HOTA", "DetA", "AssA", "LocA", "OWTA"):
        np.testing.assert_array_equal(result[field], np.ones(19))


def test_an_identity_switch_halves_association() -> None:
    truth = [np.array([0])] * 4
    tracker = [np.array([0])] * 2 + [np.array([1])] * 2
    result = hota.hota_sequence(truth, tracker, [np.ones((1, 1))] * 4)
    np.testing.assert_allclose(result["AssA"], 0.5)
    np.testing.assert_array_equal(result["DetA"], 1)


def test_empty_sequence() -> None:
    nothing = [np.zeros(0, dtype=int)] * 2
    result = hota.hota_sequence(nothing, nothing, [np.zeros((0, 0))] * 2)
    assert not result["HOTA"].any() and not result["HOTA_FN"].any()
    np.testing.assert_array_equal(result["LocA"], 1)
    empty = hota.hota_sequence([], [], [])
    np.testing.assert_array_equal(empty["LocA"], 1)


def test_bad_input() -> None:
    one = [np.array([0])]
    with pytest.raises(ValueError, match="'s', time step 0: a truth id occurs twice"):
        hota.hota_sequence([np.array([0, 0])], one, [np.ones((2, 1))], name="s")
    with pytest.raises(ValueError, match="a prediction id is negative"):
        hota.hota_sequence(one, [np.array([-1])], [np.ones((1, 1))], name="s")
    with pytest.raises(ValueError, match=r"similarities of shape \(2, 1\)"):
        hota.hota_sequence(one, one, [np.ones((2, 1))], name="s")
    with pytest.raises(ValueError, match="1 time steps of truth, 2 of predictions"):
        hota.hota_sequence(one, one * 2, [np.ones((1, 1))], name="s")
    with pytest.raises(ValueError, match="no sequence"):
        hota.combine_hota([])
