from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.modeling.losses.point_sampling import (
    sample_label_maps,
    sample_masks,
    sample_points,
    uncertain_points,
)


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    rows=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_masks_are_sampled_as_maps_are(height, width, rows, seed):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(3, height, width, generator=generator) > 0.5
    index = torch.randint(0, 3, (rows,), generator=generator)
    points = torch.rand(rows, 11, 2, generator=generator) * 1.4 - 0.2
    expected = sample_points(masks[index][:, None].float(), points).squeeze(1)
    torch.testing.assert_close(sample_masks(masks, index, points), expected, atol=1e-5, rtol=0)


def test_uncertain_points_lie_where_logits_are_near_zero():
    torch.manual_seed(0)
    logits = torch.full((1, 1, 16, 16), 9.0)
    logits[..., :8] = -9.0  # undecided only along the column between the halves
    points = uncertain_points(logits, 10, oversample_ratio=400.0, importance_sample_ratio=1.0)
    assert points.shape == (1, 10, 2)
    assert (points[..., 0] - 0.5).abs().max() < 0.1


def test_labels_are_those_of_the_nearest_pixel():
    labels = torch.arange(6).view(1, 2, 3)
    points = torch.tensor([[[0.0, 0.0], [0.3, 0.4], [0.4, 0.6], [0.999, 0.999]]])
    assert sample_label_maps(labels, points).tolist() == [[0, 0, 4, 5]]
