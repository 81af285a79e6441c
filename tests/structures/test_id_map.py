"""Id maps from overlapping masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.structures import compose_id_map, encode_masks, id_map_dtype


def test_the_higher_score_lies_on_top_and_the_earlier_mask_wins_ties():
    masks = np.zeros((4, 1, 6), dtype=bool)
    masks[0, 0, 0:3] = masks[1, 0, 2:5] = masks[2, 0, 4:5] = True  # the last is empty
    rles = encode_masks(masks)
    args = rles, [7, 2, 9, 4]
    assert compose_id_map(*args, [0.1, 0.9, 0.5, 1.0], (1, 6)).tolist() == [[7, 7, 2, 2, 2, 0]]
    assert compose_id_map(*args, [0.9, 0.1, 0.5, 1.0], (1, 6)).tolist() == [[7, 7, 7, 2, 9, 0]]
    assert compose_id_map(*args, [0.5, 0.5, 0.5, 0.5], (1, 6)).tolist() == [[7, 7, 7, 2, 2, 0]]


def test_no_masks_give_background():
    id_map = compose_id_map([], [], [], (3, 4))
    assert id_map.shape == (3, 4)
    assert id_map.dtype == np.uint8
    assert not id_map.any()
    assert not compose_id_map([None], [1], [1.0], (3, 4)).any()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_it_equals_painting_from_the_worst_to_the_best(seed, count):
    random = np.random.RandomState(seed)
    masks = random.rand(count, 5, 7) > 0.5
    scores = random.randint(0, 3, count) / 2
    ids = random.permutation(50)[:count] + 1
    expected = np.zeros((5, 7), int)
    for index in sorted(range(count), key=lambda index: (scores[index], -index)):
        expected[masks[index]] = ids[index]
    np.testing.assert_array_equal(
        compose_id_map(encode_masks(masks), ids.tolist(), scores, (5, 7)), expected
    )


def test_the_type_grows_with_the_ids():
    assert id_map_dtype([]) == id_map_dtype([1, 254]) == np.uint8
    assert id_map_dtype([255]) == id_map_dtype([65534]) == np.uint16
    for ids in ([0], [65535]):
        with pytest.raises(ValueError, match="1 to 65534"):
            id_map_dtype(ids)
