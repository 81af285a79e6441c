"""IoU of tubes against sums over dense masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.tubes import decode_tubes, pack_tube, tube_ious

MASKS = st.none() | st.sampled_from([(3, 4), (4, 3), (2, 5)]).flatmap(
    lambda size: arrays.arrays(np.uint8, size, elements=st.integers(0, 1), fill=st.just(1))
)
TRACKS = st.lists(st.lists(MASKS, max_size=5), max_size=3)


def decoded(track):
    rles = [None if mask is None else coco_mask.encode(np.asfortranarray(mask)) for mask in track]
    return decode_tubes([pack_tube(rles, where="track")])[0]


def dense_iou(first, second):
    intersection = union = 0
    for a, b in zip(first, second, strict=False):  # the shorter list decides
        if a is not None and b is not None:
            if a.shape == b.shape:
                intersection += (a & b).sum()
                union += (a | b).sum()
        else:
            union += sum(mask.sum() for mask in (a, b) if mask is not None)
    return intersection / union if union else 0.0


@settings(deadline=None, max_examples=40)
@given(TRACKS, TRACKS)
def test_equals_dense_masks(predictions, truths):
    actual = tube_ious([decoded(t) for t in predictions], [decoded(t) for t in truths])
    assert actual.shape == (len(predictions), len(truths))
    for row, prediction in zip(actual, predictions, strict=True):
        assert row.tolist() == [dense_iou(prediction, truth) for truth in truths]


def test_areas_and_mean_area():
    tube = decoded(
        [None, np.ones((3, 4), np.uint8), np.zeros((3, 4), np.uint8), np.eye(3, 4, dtype=np.uint8)]
    )
    assert tube.areas.tolist() == [0, 12, 0, 3]
    assert tube.mean_area == 7.5 and decoded([None]).mean_area == 0
    assert decoded([]).areas.shape == (0,)


def test_damage_names_track_and_frame():
    rle = coco_mask.encode(np.ones((3, 4), np.uint8, order="F"))
    with pytest.raises(ValueError, match="track 7, frame 1: the run lengths are damaged; they cov"):
        decode_tubes(
            [
                pack_tube([rle], where="track 6"),
                pack_tube([None, {**rle, "size": [3, 5]}], where="track 7"),
            ]
        )
