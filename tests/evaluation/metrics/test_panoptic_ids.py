"""Codings of panoptic maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from univs.evaluation.metrics import panoptic_ids as ids


@given(arrays.arrays(np.uint8, st.tuples(st.integers(0, 4), st.integers(0, 4), st.just(3))))
def test_colours_round_trip(rgb):
    coded = ids.rgb_to_id(rgb)
    wide = rgb.astype(np.int64)
    np.testing.assert_array_equal(coded, wide @ [1, 256, 65536])
    np.testing.assert_array_equal(ids.id_to_rgb(coded), rgb)
    np.testing.assert_array_equal(ids.id_to_rgb(coded.astype(np.int64)), rgb)


def test_non_contiguous_colours():
    bgr = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    rgb = bgr[..., ::-1]
    np.testing.assert_array_equal(ids.rgb_to_id(rgb), ids.rgb_to_id(rgb.copy()))


@given(
    arrays.arrays(np.uint8, 5),
    arrays.arrays(np.uint16, 5),
)
def test_step_coding_round_trips(classes, instances):
    labels = ids.join_class_and_instance(classes, instances)
    for actual, expected in zip(
        ids.split_class_and_instance(labels), (classes, instances), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)
    rgb = ids.label_to_step_rgb(labels)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb[:, 1].astype(int) * 256 + rgb[:, 2], instances)
    np.testing.assert_array_equal(ids.step_rgb_to_label(rgb), labels)


def test_values_out_of_range_are_errors():
    with pytest.raises(ValueError, match="segment ids must lie in 0..16777215"):
        ids.id_to_rgb(np.array([1 << 24]))
    with pytest.raises(ValueError, match="instance numbers must lie in 0..255"):
        ids.join_class_and_instance(np.array([1]), np.array([256]), label_bit_shift=8)
    with pytest.raises(ValueError, match="classes must lie in 0..255"):
        ids.label_to_step_rgb(np.array([300 << 16]))
    with pytest.raises(ValueError, match="uint8 with three channels"):
        ids.rgb_to_id(np.zeros((2, 2), dtype=np.uint8))
