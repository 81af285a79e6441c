from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.univs_entity_procedure import box_iou, boxes, iou, nms, quality
from univs.modeling.mask_statistics import (
    boxes_of_masks,
    mask_quality,
    quality_counts,
    quality_of,
    without_duplicates,
)
from univs.structures import decode_mask
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_masks import mask_overlaps, owners_of_pixels, visible_masks


def some_logits(seed: int, count: int, frames: int = 2, height: int = 6, width: int = 8):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, frames, height, width, generator=generator)
    shift = 5 * torch.randn(count, 1, 1, 1, generator=generator)  # some are empty or full
    return logits + shift


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), count=st.integers(0, 5), frames=st.integers(1, 3))
def test_quality_boxes_and_overlaps_equal_the_published_steps(seed, count, frames):
    logits, others = some_logits(seed, count, frames), some_logits(seed + 1, 3, frames)
    masks, other_masks = logits > 0, others > 0
    if count:
        torch.testing.assert_close(mask_quality(logits), quality(logits))
    np.testing.assert_allclose(boxes_of_masks(masks).numpy(), boxes(masks), atol=1e-6)
    overlaps = mask_overlaps(masks, other_masks)
    assert overlaps.shape == (count, 3, frames)
    for row, mask in enumerate(masks):
        for column, other in enumerate(other_masks):
            expected = [iou(a, b) for a, b in zip(mask, other, strict=True)]
            np.testing.assert_allclose(overlaps[row, column].numpy(), expected, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), count=st.integers(0, 6), threshold=st.floats(0.05, 1.0))
def test_duplicates_are_those_of_the_published_steps(seed, count, threshold):
    masks = torch.zeros(count, 2, 12, 16, dtype=torch.bool)
    for mask, (top, left) in zip(
        masks, np.random.default_rng(seed).integers(0, 8, (count, 2)), strict=True
    ):
        mask[:, top : top + 4, left : left + 6] = True
    kept = without_duplicates(boxes_of_masks(masks), threshold).nonzero().flatten().tolist()
    assert kept == nms(list(range(count)), masks, threshold)


def test_a_duplicate_of_a_duplicate_is_dropped_too():
    lefts = torch.tensor([0.0, 0.1, 0.2])
    chain = torch.stack((lefts, torch.zeros(3), lefts + 0.5, torch.ones(3)), dim=1)[:, None]
    assert box_iou(*chain[[0, 2], 0].numpy()) < 0.6 <= box_iou(*chain[[0, 1], 0].numpy())
    assert without_duplicates(chain, 0.6).tolist() == [True, False, False]


def test_quality_adds_up_over_frames():
    logits = some_logits(0, 4)
    counts = sum(quality_counts(frame) for frame in logits.unbind(1))
    torch.testing.assert_close(quality_of(counts), mask_quality(logits))


def test_pixels_go_to_the_strongest():
    probabilities = torch.tensor([[[0.9, 0.6, 0.4]], [[0.6, 0.9, 0.3]]])  # 2 1 3
    owner, claimed, is_owned = owners_of_pixels(probabilities, torch.tensor([1.0, 0.9]))
    assert owner[0, :2].tolist() == [0, 1]
    assert claimed.tolist() == [2, 2]
    assert is_owned.tolist() == [[True, True, False]]


@pytest.mark.parametrize("count", [0, 1, 40])
def test_only_visible_masks_are_encoded(count):
    size = FrameSize((20, 30), min_size=0, max_size=1333)
    logits = torch.full((count, 8, 8), -1.0)
    logits[::2, :3, :2] = 1
    masks = visible_masks(logits, size)
    assert list(masks) == list(range(0, count, 2))
    for rle in masks.values():
        mask = decode_mask(rle)
        assert mask[:11, :7].all()
        assert not mask[14:].any()
