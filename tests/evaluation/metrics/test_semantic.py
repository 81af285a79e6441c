"""Semantic scores and video consistency of VSPW against the official tool."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reference.numbers import assert_numbers
from univs.evaluation.metrics.semantic import ConfusionMatrix, semantic_scores, vspw_labels


@pytest.mark.golden("metrics", "vspw")
def test_golden(case):
    parameters, expected = case.meta["parameters"], case.meta["expected"]
    confusion = ConfusionMatrix(parameters["num_classes"], strict_official=True)

    def count():
        for video in parameters["videos"]:
            truth = vspw_labels(case.arrays[f"gt_{video}"])
            confusion.add(truth, case.arrays[f"pred_{video}"], video)

    if "error" in expected:
        with pytest.raises(ValueError):
            count()
        return
    count()
    scores = semantic_scores(confusion)
    assert_numbers(
        {
            "Acc": scores.accuracy,
            "Acc_class": scores.class_accuracy,
            "mIoU": scores.mean_iou,
            "fwIoU": scores.frequency_weighted_iou,
            "per_class_IoU": {
                str(index): float(iou) for index, iou in enumerate(scores.iou) if not np.isnan(iou)
            },
            "confusion_nonzero": [
                [int(t), int(p), int(confusion.counts[t, p])]
                for t, p in np.argwhere(confusion.counts)
            ],
        },
        {key: value for key, value in expected.items() if not key.startswith("VC")},
    )


@given(
    arrays.arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 3, 9, 255])),
    arrays.arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 3, 255])),
)
def test_equals_counting_pixel_by_pixel(truth, prediction):
    num_classes = 4
    confusion = ConfusionMatrix(num_classes)
    confusion.add(truth, prediction, "frame")
    ious = []
    for label in range(num_classes):
        is_true = truth == label
        is_predicted = (prediction == label) & (truth < num_classes)
        if is_true.any():
            ious.append((is_true & is_predicted).sum() / (is_true | is_predicted).sum())
    scores = semantic_scores(confusion)
    if not ious:
        assert math.isnan(scores.mean_iou) and math.isnan(scores.accuracy)
        return
    assert scores.mean_iou == pytest.approx(np.mean(ious))
    valid = truth < num_classes
    assert scores.accuracy == pytest.approx((truth == prediction)[valid].mean())


def test_predicted_void_is_a_miss_unless_official():
    truth = np.array([[5, 5, 6, 6]], dtype=np.uint8)
    prediction = np.array([[5, 255, 6, 6]], dtype=np.uint8)
    confusion = ConfusionMatrix(124)
    confusion.add(truth, prediction, "frame")
    scores = semantic_scores(confusion)
    assert scores.iou[5] == 0.5 and scores.iou[6] == 1 and scores.accuracy == 0.75

    official = ConfusionMatrix(124, strict_official=True)
    official.add(truth, prediction, "frame")
    assert official.counts[7, 7] == 1  # two rows below the truth, column 7


def test_wrong_input_names_the_frame():
    confusion = ConfusionMatrix(124)
    truth = np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="video a, frame 3: the prediction holds the label 130"):
        confusion.add(truth, np.full((4, 4), 130, dtype=np.uint8), "video a, frame 3")
    with pytest.raises(ValueError, match=r"frame 3: the truth has the size \[4, 4\]"):
        confusion.add(truth, np.zeros((4, 5), dtype=np.uint8), "video a, frame 3")
    with pytest.raises(ValueError, match="frame 3: Label maps must hold integers"):
        confusion.add(truth, np.zeros((4, 4)), "video a, frame 3")
    with pytest.raises(ValueError, match="last classes"):
        ConfusionMatrix(124, strict_official=True).add(
            np.full((1, 1), 123, dtype=np.uint8), np.full((1, 1), 255, dtype=np.uint8), "frame"
        )


def test_merging_equals_counting_together():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 9, (2, 6, 8, 9)).astype(np.uint8)
    together, first, second = (ConfusionMatrix(9) for _ in range(3))
    together.add(truth, prediction, "video")
    first.add(truth[:2], prediction[:2], "video")
    second.add(truth[2:], prediction[2:], "video")
    first.merge(second)
    np.testing.assert_array_equal(first.counts, together.counts)


def test_vspw_labels():
    raw = np.array([0, 1, 124, 254, 255], dtype=np.uint8)
    assert vspw_labels(raw).tolist() == [255, 0, 123, 253, 255]
    assert raw.tolist() == [0, 1, 124, 254, 255]
