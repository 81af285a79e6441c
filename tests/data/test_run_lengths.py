"""Compressed masks are decoded as pycocotools does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from univs.data.run_lengths import decode_columns, run_lengths

MASKS = arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def encoded(mask: np.ndarray) -> bytes:
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"]


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(1, 40))
def test_run_lengths_are_those_of_coco(mask, scale):
    mask = mask.repeat(scale, axis=0)
    lengths = run_lengths(encoded(mask))
    values = np.arange(len(lengths)) % 2 == 1
    np.testing.assert_array_equal(np.repeat(values, lengths), mask.flatten(order="F"))


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(0, 2**32 - 1))
def test_masks_are_decoded_column_by_column(mask, seed):
    """Sparse and dense ones, empty and full ones."""
    rare = mask & (np.random.default_rng(seed).random(mask.shape) < 0.05)
    masks = [mask, rare, ~mask, np.zeros_like(mask), np.ones_like(mask)]
    found = decode_columns([encoded(m) for m in masks], mask.shape)
    for decoded, expected in zip(found, masks, strict=True):
        np.testing.assert_array_equal(decoded, expected.T)


def test_no_masks_and_masks_of_another_size():
    assert decode_columns([], (4, 5)).shape == (0, 5, 4)
    with pytest.raises(ValueError, match="run lengths of 30 pixels for 4x5"):
        decode_columns([encoded(np.eye(5, 6, dtype=bool))], (4, 5))
