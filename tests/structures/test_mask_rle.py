"""Run-length masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from univs.structures import (
    decode_mask,
    decode_masks,
    empty_rle,
    encode_mask,
    encode_masks,
    rle_areas,
    rle_boxes,
)
from univs.structures.mask_rle import check_rle, rle_is_empty, run_lengths

masks = st_numpy.arrays(
    bool, st.tuples(*[st.integers(0, 4), st.integers(1, 40), st.integers(1, 9)])
)


@settings(deadline=None, max_examples=60)
@given(masks)
def test_decoding_undoes_encoding(array):
    rles = encode_masks(array)
    assert len(rles) == len(array)
    np.testing.assert_array_equal(decode_masks(rles, array.shape[1:]), array)
    np.testing.assert_array_equal(rle_areas(rles), array.sum(axis=(1, 2)))
    assert [rle_is_empty(rle) for rle in rles] == [not mask.any() for mask in array]
    for rle, mask in zip(rles, array, strict=True):
        np.testing.assert_array_equal(decode_mask(json.loads(json.dumps(rle))), mask)
        assert check_rle(rle, mask.shape, "mask") == rle


@settings(deadline=None, max_examples=60)
@given(masks.filter(len))
def test_run_lengths_are_those_of_the_columns(array):
    column_major = array[0].ravel(order="F")
    changes = np.flatnonzero(np.diff(column_major)) + 1
    expected = np.diff(np.concatenate([[0], changes, [column_major.size]]))
    if column_major[0]:
        expected = np.concatenate([[0], expected])
    np.testing.assert_array_equal(run_lengths(encode_mask(array[0])), expected)


def test_a_long_run_needs_several_digits():
    mask = np.zeros((1000, 900), dtype=bool)
    mask[300:, 500] = True
    np.testing.assert_array_equal(run_lengths(encode_mask(mask)), [500_300, 700, 399_000])


def test_boxes_are_x_y_width_height():
    array = np.zeros((2, 6, 8), dtype=bool)
    array[0, 2:5, 3:7] = True
    np.testing.assert_array_equal(
        rle_boxes([*encode_masks(array), None]), [[3, 2, 4, 3], [0, 0, 0, 0], [0, 0, 0, 0]]
    )


def test_none_and_nothing_are_legal():
    assert encode_masks(np.zeros((0, 4, 5), dtype=bool)) == []
    assert decode_masks([], (4, 5)).shape == (0, 4, 5)
    assert decode_masks([None], (4, 5)).sum() == 0
    assert rle_areas([]).shape == (0,)
    assert rle_boxes([]).shape == (0, 4)
    assert rle_areas([None, encode_mask(np.ones((4, 5), bool))]).tolist() == [0, 20]
    assert decode_mask(empty_rle((4, 5))).tolist() == np.zeros((4, 5), bool).tolist()
    assert rle_is_empty(None)


def test_any_memory_layout_and_uint8_encode_alike():
    mask = np.random.RandomState(0).rand(7, 6, 5) > 0.5
    expected = encode_masks(np.ascontiguousarray(mask))
    assert encode_masks(np.asfortranarray(mask)) == expected
    assert encode_masks(mask.astype(np.uint8)) == expected
    assert encode_masks(np.repeat(mask, 2, axis=2)[:, :, ::2]) == expected


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5), bool), r"\[N, H, W\].*\[4, 5\]"),
        (np.zeros((1, 4, 5), np.float32), "bool .* float32"),
    ],
)
def test_encoding_rejects_other_arrays(array, message):
    with pytest.raises(ValueError, match=message):
        encode_masks(array)


def test_decoding_rejects_another_size():
    with pytest.raises(ValueError, match=r"Mask 1 .*\(4, 5\).*\(5, 4\)"):
        decode_masks([None, empty_rle((4, 5))], (5, 4))


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ([[0, 0, 4, 0, 4, 4]], "'size' and 'counts'"),
        ({"size": [5, 4], "counts": "d0"}, r"size \[5, 4\], expected \[4, 5\]"),
        ({"size": [4, 5], "counts": [20]}, "compressed"),
        ({"size": [4, 5], "counts": ""}, "cover 0 of 20"),
        ({"size": [4, 5], "counts": "0"}, "damaged"),
        ({"size": [4, 5], "counts": "<"}, "damaged"),
        ({"size": [4, 5], "counts": "o" * 40}, "damaged"),
        ({"size": [4, 5], "counts": "é"}, "damaged"),
    ],
)
def test_damaged_masks_are_named(rle, message):
    with pytest.raises(ValueError, match="The mask.*" + message):
        check_rle(rle, (4, 5), "The mask")


def test_areas_of_more_masks_than_a_byte_counts():
    masks = np.ones((300, 2, 3), dtype=bool)
    assert rle_areas(encode_masks(masks)).tolist() == [6] * 300
