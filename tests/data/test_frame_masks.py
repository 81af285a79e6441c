"""Masks sampled through one table are those that every transform makes one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from data.conftest import rle_masks
from hypothesis import example, given, settings
from hypothesis import strategies as st

import univs  # noqa: F401
from detectron2.data import transforms as T
from univs.data.frame_masks import FrameMasks, sampled_pixels

SIZE = (23, 31)


@st.composite
def transform_lists(draw) -> list[T.Transform]:
    """Up to five transforms that fit one another."""
    height, width = SIZE
    transforms = []
    for kind in draw(st.lists(st.sampled_from("fvcprtn"), max_size=5)):
        if kind == "f":
            transforms.append(T.HFlipTransform(width))
        elif kind == "v":
            transforms.append(T.VFlipTransform(height))
        elif kind == "c":
            top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            h, w = draw(st.integers(1, height - top)), draw(st.integers(1, width - left))
            transforms.append(T.CropTransform(left, top, w, h))
            height, width = h, w
        elif kind == "p":
            x0, y0, x1, y1 = draw(st.tuples(*[st.integers(0, 5)] * 4))
            transforms.append(T.PadTransform(x0, y0, x1, y1, width, height, 0.0, 0))
            height, width = height + y0 + y1, width + x0 + x1
        elif kind == "r":
            h, w = draw(st.integers(1, 50)), draw(st.integers(1, 50))
            transforms.append(T.ResizeTransform(height, width, h, w))
            height, width = h, w
        elif kind == "t":
            angle = draw(st.floats(-40, 40))
            transforms.append(T.RotationTransform(height, width, angle, expand=False))
        else:
            transforms.append(T.NoOpTransform())
    return transforms


@settings(max_examples=150, deadline=None)
@given(transform_lists(), st.integers(0, 2**32 - 1))
@example([T.ResizeTransform(*SIZE, 1, 1), T.HFlipTransform(1), T.VFlipTransform(1)], 0)
def test_sampling_equals_one_transform_after_the_other(transforms, seed):
    masks = np.random.default_rng(seed).random((3, 1, *SIZE)) < 0.5
    sources = [rle_masks(masks[0]), None, rle_masks(masks[2])]
    found = FrameMasks(sources, 0, SIZE).transformed(transforms)
    for mask, given_mask in zip(
        found, (masks[0, 0], np.zeros(SIZE, bool), masks[2, 0]), strict=True
    ):
        expected = given_mask.astype(np.uint8)
        for transform in transforms:
            # A copy, because fvcore cannot flip a view of one pixel.
            expected = transform.apply_segmentation(expected.copy(order="C"))
        np.testing.assert_array_equal(mask, expected.astype(bool))


def test_frames_without_objects():
    assert FrameMasks([], 0, SIZE).transformed([T.HFlipTransform(31)]).shape == (0, *SIZE)


def test_pixels_outside_are_marked():
    rows, columns = sampled_pixels([T.PadTransform(1, 0, 0, 2, 3, 2, 0.0, 0)], (2, 3))
    assert rows.tolist() == [[0], [1], [-1], [-1]]
    assert columns.tolist() == [[-1, 0, 1, 2]]


def test_huge_frames_cannot_be_rotated():
    size = (5000, 4000)
    with pytest.raises(ValueError, match="5000x4000 pixels are too large to be rotated"):
        sampled_pixels([T.RotationTransform(*size, 5, expand=False)], size)
