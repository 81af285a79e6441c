from __future__ import annotations

import torch

from univs.modeling.mask_statistics import boxes_of_masks, mask_quality, without_duplicates


def test_quality_is_the_share_of_certain_pixels_of_likely_ones():
    logits = torch.tensor([[2.0, 1.5, 0.0, -2.0], [-3.0, -3.0, -3.0, -3.0]])
    torch.testing.assert_close(mask_quality(logits), torch.tensor([2 / 3, 0.0]))


def test_boxes_span_from_pixel_to_pixel():
    masks = torch.zeros(2, 1, 4, 10, dtype=torch.bool)
    masks[0, 0, 1:3, 2:6] = True
    expected = torch.tensor([[[0.2, 0.25, 0.5, 0.5]], [[0.0, 0.0, 0.0, 0.0]]])
    torch.testing.assert_close(boxes_of_masks(masks), expected)


def test_duplicates_of_duplicates_are_dropped_but_not_those_of_other_categories():
    boxes = torch.tensor(
        [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.6], [0.0, 0.0, 0.5, 0.75], [0.6, 0.6, 1.0, 1.0]]
    )[:, None]
    assert without_duplicates(boxes, 0.75).tolist() == [True, False, False, True]
    categories = torch.tensor([1, 2, 1, 1])
    kept = without_duplicates(boxes, 0.75, categories=categories)
    assert kept.tolist() == [True, True, True, True]
