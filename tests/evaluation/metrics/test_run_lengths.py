from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.run_lengths import damaged_masks


@settings(max_examples=100, deadline=None)
@given(masks=arrays.arrays(np.uint8, (13, 17, 3), elements={"min_value": 0, "max_value": 1}))
def test_whole_masks_pass_and_shortened_ones_do_not(masks) -> None:
    counts = [rle["counts"] for rle in coco_mask.encode(np.asfortranarray(masks))]
    assert not damaged_masks(counts, 13 * 17).size
    assert damaged_masks(counts, 13 * 17 + 1).tolist() == [0, 1, 2]
    counts[1] = counts[1].decode()[:-1]
    assert damaged_masks(counts, 13 * 17).tolist() == [1]


@pytest.mark.parametrize("text", ["", "abc\n", "]", "oooooooooooooooooooo", "é", "5N", "~~"])
def test_nonsense_is_damaged(text: str) -> None:
    good = coco_mask.encode(np.zeros((4, 4), dtype=np.uint8, order="F"))["counts"]
    assert damaged_masks([good, text, good], 16).tolist() == [1]


def test_nothing() -> None:
    assert not damaged_masks([], 16).size
