from __future__ import annotations

import pytest
import torch

from univs.tracking.univs_pixel_competition import pairwise_iou, win_pixels, won_share


def test_the_best_score_wins_where_any_mask_is():
    logits = torch.tensor([[2.0, 1.0, -1.0, -1.0], [1.0, 3.0, 1.0, -2.0]])
    scores = torch.tensor([[0.9, 0.1, 0.8, 0.9], [0.5, 0.2, 0.3, 0.1]])
    won = win_pixels(logits, scores)
    assert won.tolist() == [[True, False, True, False], [False, True, False, False]]
    assert won_share(won, logits).tolist() == pytest.approx([1, 1 / 3])


def test_nothing_competes():
    assert win_pixels(torch.zeros(0, 2, 3), torch.zeros(0, 2, 3)).shape == (0, 2, 3)


def test_overlap_of_pairs():
    a = torch.tensor([[True, True, False], [False, False, False]])
    b = torch.tensor([[True, False, True], [False, False, False]])
    assert pairwise_iou(a, b).tolist() == pytest.approx([1 / 3, 0])
