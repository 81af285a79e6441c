"""Video consistency against the official tool and against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reference.numbers import assert_numbers
from univs.evaluation.metrics.semantic import vspw_labels
from univs.evaluation.metrics.video_consistency import VideoConsistency, video_consistency


def clips_of(truth, prediction, lengths):
    counter = VideoConsistency(lengths)
    for frame, (true_labels, labels) in enumerate(zip(truth, prediction, strict=True)):
        counter.add(true_labels, labels, f"frame {frame}")
    return {length: counter.clips(length) for length in lengths}


@pytest.mark.golden("metrics", "vspw")
def test_golden(case):
    parameters, expected = case.meta["parameters"], case.meta["expected"]
    lengths = parameters["clip_lengths"]
    videos = [
        clips_of(vspw_labels(case.arrays[f"gt_{name}"]), case.arrays[f"pred_{name}"], lengths)
        for name in parameters["videos"]
    ]
    for length in lengths:
        clips = [video[length] for video in videos]
        assert_numbers(sum(clips, []), expected[f"VC{length}_clips"])
        assert_numbers(video_consistency(clips), expected[f"VC{length}"])


@settings(deadline=None)
@given(
    arrays.arrays(np.uint8, (9, 3, 2), elements=st.sampled_from([0, 1])),
    arrays.arrays(np.uint8, (9, 3, 2), elements=st.sampled_from([0, 1])),
    st.integers(0, 9),
)
def test_equals_the_definition(truth, prediction, num_frames):
    truth, prediction = truth[:num_frames], prediction[:num_frames]
    lengths = (2, 3, 8)
    actual = clips_of(truth, prediction, lengths)
    for k in lengths:
        expected = []
        for start in range(num_frames - k):
            same_truth = (truth[start : start + k] == truth[start]).all(axis=0)
            same_prediction = (prediction[start : start + k] == prediction[start]).all(axis=0)
            count = same_truth.sum()
            expected.append((same_truth & same_prediction).sum() / count if count else math.nan)
        np.testing.assert_array_equal(actual[k], expected)


def test_more_frames_than_a_byte_counts():
    still = np.zeros((300, 2, 2), dtype=np.uint8)
    assert clips_of(still, still, (16, 256)) == {16: [1.0] * 284, 256: [1.0] * 44}


def test_nothing_to_score_is_nan():
    assert math.isnan(video_consistency([[], [math.nan]]))


def test_wrong_size_names_the_frame():
    counter = VideoConsistency()
    frame = np.zeros((4, 4), dtype=np.uint8)
    counter.add(frame, frame, "frame 0")
    with pytest.raises(ValueError, match="frame 1: the truth has the size"):
        counter.add(frame, frame[:2], "frame 1")
    with pytest.raises(ValueError, match=r"frame 1: the size is \[2, 4\]"):
        counter.add(frame[:2], frame[:2], "frame 1")
    with pytest.raises(ValueError, match="Clip lengths"):
        VideoConsistency((1, 8))
