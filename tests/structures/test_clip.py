"""Clips."""

from __future__ import annotations

import pytest
import torch

from univs.structures import Clip


def test_a_clip_knows_its_length_and_size():
    clip = Clip(torch.zeros(2, 3, 4, 6, dtype=torch.uint8), [5, 8])
    assert (len(clip), clip.size, clip.frame_indices) == (2, (4, 6), (5, 8))


def test_a_clip_may_be_empty():
    assert len(Clip(torch.zeros(0, 3, 4, 6), ())) == 0


@pytest.mark.parametrize(
    ("shape", "indices", "message"),
    [
        ((2, 4, 4, 6), (0, 1), "frames must have the shape"),
        ((2, 3, 4, 6), (0,), "2 frames need as many indices, not 1"),
        ((2, 3, 4, 6), (1, 1), "ascend"),
        ((2, 3, 4, 6), (1, 0), "ascend"),
        ((1, 3, 4, 6), (-1,), "ascend"),
    ],
)
def test_wrong_clips_are_refused(shape, indices, message):
    with pytest.raises(ValueError, match=message):
        Clip(torch.zeros(shape), indices)
