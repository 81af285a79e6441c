"""Panoptic quality of images against the official tool."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics.panoptic import (
    PanopticCategories,
    PanopticStatistics,
    image_statistics,
    panoptic_quality,
)

CATEGORIES = PanopticCategories.from_json([{"id": 1, "isthing": 1}, {"id": 2, "isthing": 0}])


@pytest.mark.golden("metrics", "pq")
def test_golden(case):
    segments = case.json("segments.json")
    categories = PanopticCategories.from_json(segments["categories"])

    def score():
        total = PanopticStatistics.zeros(len(categories.ids))
        for image in segments["images"]:
            name = image["image_id"]
            if image.get("pred_segments") is None:
                raise ValueError(f"Image {name} has no prediction.")
            total += image_statistics(
                case.arrays[f"gt_{name}"],
                case.arrays[f"pred_{name}"],
                image["gt_segments"],
                image["pred_segments"],
                categories,
                f"Image {name}",
            )
        return panoptic_quality(total, categories)

    expected = case.meta["expected"]
    if "error" in expected:
        with pytest.raises(ValueError):
            score()
        return
    actual = score()
    actual["per_class"] = {str(key): row for key, row in actual["per_class"].items()}
    assert_numbers(actual, expected)


def score(truth, prediction, truth_segments, predicted_segments):
    return image_statistics(
        np.array(truth), np.array(prediction), truth_segments, predicted_segments, CATEGORIES, "A"
    )


def segment(segment_id, category_id=1, area=None, iscrowd=0):
    return {"id": segment_id, "category_id": category_id, "area": area, "iscrowd": iscrowd}


def test_void_is_taken_from_the_union_and_excuses_predictions():
    truth = [[0, 0, 0, 7, 7, 7]]
    half_in_void = score(truth, [[0, 0, 5, 5, 5, 5]], [segment(7, area=3)], [segment(5)])
    assert half_in_void.tp[0] == 1 and half_in_void.iou[0] == 1
    in_void = score(truth, [[5, 5, 5, 0, 0, 0]], [segment(7, area=3)], [segment(5)])
    assert in_void.fp[0] == 0 and in_void.fn[0] == 1
    exactly_half = score(truth, [[0, 0, 5, 5, 0, 0]], [segment(7, area=3)], [segment(5)])
    assert exactly_half.fp[0] == 1  # 1 of 2 pixels is not more than half


def test_crowd_excuses_its_own_category_only():
    truth, prediction = [[7, 7, 8, 8]], [[5, 5, 6, 6]]
    truths = [segment(7, area=2, iscrowd=1), segment(8, area=2)]
    same = score(truth, prediction, truths, [segment(5), segment(6)])
    assert (same.tp[0], same.fp[0], same.fn[0]) == (1, 0, 0)
    other = score(truth, prediction, truths, [segment(5, 2), segment(6)])
    assert other.fp.tolist() == [0, 1]


def test_no_segment_at_all_is_nan():
    quality = panoptic_quality(score([[0]], [[0]], [], []), CATEGORIES)
    assert math.isnan(quality["All"]["pq"]) and quality["Things"]["n"] == 0


def test_wrong_input_names_the_image():
    with pytest.raises(ValueError, match="A: the prediction map holds the id 5"):
        score([[7]], [[5]], [segment(7, area=1)], [])
    with pytest.raises(ValueError, match="A: the segments_info of the prediction lists the id 6"):
        score([[7]], [[5]], [segment(7, area=1)], [segment(5), segment(6)])
    with pytest.raises(ValueError, match="A, prediction, segment 5: the category 9"):
        score([[7]], [[5]], [segment(7, area=1)], [segment(5, 9)])
    with pytest.raises(ValueError, match=r"A: the truth has the size \[1, 1\]"):
        score([[7]], [[5, 5]], [segment(7, area=1)], [segment(5)])
    with pytest.raises(ValueError, match="occur twice"):
        PanopticCategories.from_json([{"id": 1, "isthing": 1}] * 2)
