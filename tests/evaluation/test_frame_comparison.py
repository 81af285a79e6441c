"""Which frames of a result are bad."""

from __future__ import annotations

import numpy as np
import pytest

from univs.evaluation.frame_comparison import VideoComparison

TRUTH = np.zeros((4, 6, 12), dtype=np.uint8)
TRUTH[:, 1:5, 0:4], TRUTH[:, 1:5, 6:10] = 1, 2


def scores(prediction: np.ndarray, truth: np.ndarray = TRUTH, **options) -> list[float]:
    comparison = VideoComparison(
        num_frames=len(truth),
        truth=lambda frame: truth[frame],
        prediction=lambda frame: prediction[frame],
        background=(0,),
        **options,
    )
    return comparison.frame_scores().tolist()


def test_switched_identities_are_bad_where_they_are_the_minority():
    switched = TRUTH.copy()
    switched[2] = np.choose(TRUTH[2], [0, 2, 1])
    assert scores(switched) == [1, 1, 0, 1]
    assert scores(np.choose(TRUTH, [0, 9, 7])) == [1, 1, 1, 1]  # other ids are no switch
    assert scores(np.choose(TRUTH, [0, 2, 1]), has_same_labels=True) == [0, 0, 0, 0]


def test_lost_objects_and_wrong_outlines():
    lost = TRUTH.copy()
    lost[1][TRUTH[1] == 2] = 0
    lost[3, :, :2] = 0
    assert scores(lost) == [1, 0.5, 1, 0.75]


def test_void_does_not_count_and_a_frame_without_objects_has_no_score():
    truth, prediction = TRUTH.copy(), TRUTH.copy()
    truth[0], truth[1, :, :4] = 0, 255
    prediction[1, :, :4] = 5
    assert scores(prediction, truth, void=(255,)) == [pytest.approx(np.nan, nan_ok=True), 1, 1, 1]
