"""Mask encodings, against pycocotools and by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools import mask as coco_mask

from univs.data.toy.layouts.burst import interior_point
from univs.data.toy.layouts.encoding import (
    box_of,
    compressed_rle,
    encode_palette_png,
    rgb_ids,
    uncompressed_rle,
)

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans())


@given(MASKS)
def test_run_lengths_decode_to_the_mask(mask: np.ndarray) -> None:
    plain = coco_mask.frPyObjects(uncompressed_rle(mask), *mask.shape)
    np.testing.assert_array_equal(coco_mask.decode(plain), mask)
    np.testing.assert_array_equal(coco_mask.decode(compressed_rle(mask)), mask)


@given(MASKS.filter(np.any))
def test_box_and_point_fit_the_mask(mask: np.ndarray) -> None:
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert box_of(mask) == coco_mask.toBbox(rle).tolist()
    x, y = interior_point(mask)
    assert mask[y, x]


def test_point_keeps_away_from_the_edges() -> None:
    mask = np.zeros((20, 30), bool)
    mask[:9, :9] = True  # the frame's corner counts as an edge, too
    assert interior_point(mask) == [4, 4]


@pytest.mark.parametrize(
    ("value", "colour"), [(0, (0, 0, 0)), (1003, (235, 3, 0)), (65536 + 256 + 1, (1, 1, 1))]
)
def test_rgb_ids(value: int, colour: tuple[int, int, int]) -> None:
    assert tuple(rgb_ids(np.array([[value]]))[0, 0]) == colour


def test_palette_is_that_of_davis() -> None:
    image = Image.open(io.BytesIO(encode_palette_png(np.zeros((2, 2), np.uint8))))
    assert image.getpalette()[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
