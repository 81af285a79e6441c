"""Image AP: the wrapper around pycocotools."""

from __future__ import annotations

import copy

import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics.coco import coco_ap


@pytest.mark.golden("metrics", "coco_ap")
@pytest.mark.parametrize("iou_type", ["segm", "bbox"])
def test_golden(case, iou_type):
    truth, results = case.json("gt.json"), case.json("results.json")
    before = copy.deepcopy((truth, results))
    actual = coco_ap(truth, results, iou_type)
    assert_numbers(actual.stats, case.meta["expected"][iou_type])
    assert (truth, results) == before
    assert actual.summary[0].startswith(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all")


TRUTH = {
    "images": [{"id": 1, "height": 4, "width": 4}],
    "categories": [{"id": 5, "name": "a"}, {"id": 6, "name": "b"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 5,
            "bbox": [0, 0, 2, 2],
            "area": 4,
            "iscrowd": 0,
            "segmentation": {"size": [4, 4], "counts": [0, 2, 2, 2, 10]},
        }
    ],
}


def test_no_result_scores_zero():
    result = coco_ap(TRUTH, [])
    assert result.stats["AP"] == 0 and result.per_category[5] == 0
    assert str(result.per_category[6]) == "nan"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 2}, "image 2: the truth has no such image"),
        ({"score": float("nan")}, "image 1: the score must be a finite number"),
        ({"score": None}, "keys .*score.* are missing"),
        ({"segmentation": None}, "image 1: there is no segmentation"),
    ],
)
def test_wrong_results_are_errors(change, message):
    result = {"image_id": 1, "category_id": 5, "score": 0.5, "segmentation": {"x": 1}, **change}
    result = {key: value for key, value in result.items() if value is not None}
    with pytest.raises(ValueError, match=f"Result 0.*{message}"):
        coco_ap(TRUTH, [result])
