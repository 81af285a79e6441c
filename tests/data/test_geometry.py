from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import univs  # noqa: F401
from detectron2.data import transforms as T
from univs.data.geometry import boxes_of_masks, transform_maps, transform_masks
from univs.data.mask_source import RleMasks, parse_segmentation

MASKS = arrays(bool, st.tuples(st.integers(1, 3), st.integers(4, 12), st.integers(4, 12)))


@given(masks=MASKS, new_height=st.integers(1, 25), new_width=st.integers(1, 25))
def test_all_masks_at_once_equal_detectron2_one_by_one(masks, new_height, new_width):
    _, height, width = masks.shape
    transforms = [
        T.CropTransform(1, 2, width - 1, height - 2),
        T.ResizeTransform(height - 2, width - 1, new_height, new_width),
        T.HFlipTransform(new_width),
        T.NoOpTransform(),
        T.PadTransform(1, 2, 3, 4, new_width, new_height, 128, 1),
        T.VFlipTransform(new_height + 6),
        T.RotationTransform(new_height + 6, new_width + 4, 30, expand=False),
    ]
    expected = []
    for mask in masks.astype(np.uint8):
        for transform in transforms:
            mask = transform.apply_segmentation(mask)
        expected.append(mask.astype(bool))
    moved = transform_maps(transforms, masks)
    np.testing.assert_array_equal(moved, expected)
    assert transform_maps(transforms, masks[:0]).shape == (0, *moved.shape[1:])


def test_ids_are_moved_like_masks():
    ids = np.arange(12, dtype=np.int32).reshape(1, 3, 4) * 1000
    moved = transform_maps([T.HFlipTransform(4), T.ResizeTransform(3, 4, 6, 8)], ids)
    assert moved.dtype == np.int32
    np.testing.assert_array_equal(moved[0], ids[0, :, ::-1].repeat(2, 0).repeat(2, 1))


def test_polygons_are_moved_before_they_are_rasterised():
    triangle, _ = parse_segmentation([[0, 0, 4, 0, 0, 4]])
    source = RleMasks((4, 4), (0,), (triangle,))
    (mask,) = transform_masks([source], 0, (4, 4), [T.ResizeTransform(4, 4, 40, 40)])
    # The diagonal is fine, not made of 10 x 10 blocks.
    assert mask[0].sum() > mask[5].sum() > mask[10].sum() > mask[15].sum() > mask[35].sum() > 0
    assert abs(int(mask.sum()) - 800) < 45


def test_polygons_that_a_crop_cuts_away_are_empty():
    square, _ = parse_segmentation([[0, 0, 2, 0, 2, 2, 0, 2]])
    source = RleMasks((8, 8), (0,), (square,))
    masks = transform_masks([source, None], 0, (8, 8), [T.CropTransform(4, 4, 4, 4)])
    assert masks.shape == (2, 4, 4)
    assert not masks.any()


@given(MASKS)
def test_boxes_enclose_the_masks(masks):
    for mask, box in zip(masks, boxes_of_masks(masks), strict=True):
        ys, xs = np.nonzero(mask)
        expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else [0, 0, 0, 0]
        assert box.tolist() == expected


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 4)])
def test_boxes_of_nothing_are_zero(shape):
    np.testing.assert_array_equal(boxes_of_masks(np.zeros(shape, bool)), np.zeros((shape[0], 4)))
