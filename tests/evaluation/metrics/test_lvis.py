"""LVIS: equal to pycocotools on images that are annotated completely, and its own rules."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from univs.evaluation.metrics.lvis import MAX_DETECTIONS, ROWS, lvis_ap

HEIGHT, WIDTH = 120, 160
CATEGORIES = [{"id": i, "name": str(i), "frequency": f} for i, f in ((2, "r"), (5, "c"), (9, "f"))]


def rectangle(box: tuple[int, int, int, int]) -> dict:
    x, y, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    rle = coco_mask.encode(mask)
    return {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode()}


def random_data(rng: np.random.Generator, num_images: int = 12) -> tuple[dict, list[dict]]:
    """Truth of complete images, and displaced results with many equal scores."""
    images, annotations, results = [], [], []
    for image_id in range(1, num_images + 1):
        images.append({"id": image_id, "height": HEIGHT, "width": WIDTH})
        images[-1] |= {"neg_category_ids": [2, 5, 9], "not_exhaustive_category_ids": []}
        for _ in range(rng.integers(0, 6)):
            side = rng.integers(4, 110, 2)
            box = (*rng.integers(0, 40, 2).tolist(), *side.tolist())
            category_id = int(rng.choice([2, 5, 9]))
            x, y, width, height = box
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            shape = {"bbox": list(box), "area": float(width * height), "iscrowd": 0}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "segmentation": [corners],
                    **shape,
                }
            )
            for _ in range(rng.integers(0, 4)):
                moved = np.array(box) + rng.integers(-3, 4, 4)
                moved = np.maximum(moved, [0, 0, 1, 1]).tolist()
                results.append(
                    {
                        "image_id": image_id,
                        "category_id": int(rng.choice([category_id, category_id, 5])),
                        "score": float(rng.integers(1, 9)) / 10,
                        "bbox": moved,
                        "segmentation": rectangle(moved),
                    }
                )
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}, results


def coco_precision(truth: dict, results: list[dict], iou_type: str) -> np.ndarray:
    """[T, R, K, A] with as many detections per image as LVIS takes."""
    results = copy.deepcopy(results)
    if iou_type == "segm":
        for result in results:
            del result["bbox"]  # else its area would be taken
    with contextlib.redirect_stdout(io.StringIO()):
        api = COCO()
        api.dataset = {"info": {}, **copy.deepcopy(truth)}
        api.createIndex()
        evaluation = COCOeval(api, api.loadRes(results), iouType=iou_type)
        evaluation.params.maxDets = [1, 10, MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., -1]


def defined_mean(values: np.ndarray) -> float:
    return float(values[values > -1].mean()) if (values > -1).any() else -1.0


@pytest.mark.parametrize("iou_type", ["segm", "bbox"])
@pytest.mark.parametrize("seed", range(4))
def test_equals_pycocotools_on_complete_images(seed, iou_type):
    truth, results = random_data(np.random.default_rng(seed))
    actual = lvis_ap(truth, results, iou_type)
    precision = coco_precision(truth, results, iou_type)
    expected = {
        "AP": precision[..., 0],
        "AP50": precision[0, ..., 0],
        "AP75": precision[5, ..., 0],
        "APs": precision[..., 1],
        "APm": precision[..., 2],
        "APl": precision[..., 3],
        "APr": precision[:, :, 0, 0],
        "APc": precision[:, :, 1, 0],
        "APf": precision[:, :, 2, 0],
    }
    assert list(expected) == list(ROWS)
    assert 0 < actual.stats["AP"] < 1
    for name, values in expected.items():
        assert actual.stats[name] == pytest.approx(defined_mean(values), abs=1e-12), name


def one_image(**lists) -> dict:
    """An object of category 2 in the only image."""
    image = {"id": 1, "height": HEIGHT, "width": WIDTH}
    image |= {"neg_category_ids": [], "not_exhaustive_category_ids": [], **lists}
    box = [10, 10, 20, 20]
    annotation = {"id": 1, "image_id": 1, "category_id": 2, "bbox": box, "area": 400.0}
    annotation["segmentation"] = rectangle(box)
    return {"images": [image], "annotations": [annotation], "categories": CATEGORIES}


def result(left: int, score: float, category_id: int = 2) -> dict:
    mask = rectangle((left, 10, 20, 20))
    return {"image_id": 1, "category_id": category_id, "score": score, "segmentation": mask}


def test_unmatched_predictions_count_only_where_annotation_is_complete():
    results = [result(100, 0.9), result(10, 0.5)]
    assert lvis_ap(one_image(), results).stats["AP"] == pytest.approx(0.5)
    incomplete = one_image(not_exhaustive_category_ids=[2])
    assert lvis_ap(incomplete, results).stats["AP"] == pytest.approx(1)


def test_predictions_count_only_for_verified_categories():
    truth = one_image(neg_category_ids=[])
    other = one_image()["annotations"][0] | {"id": 2, "image_id": 2, "category_id": 5}
    for negative, expected in (([], 1.0), ([5], 0.5)):
        truth["images"] = [
            {**truth["images"][0], "neg_category_ids": negative},
            {**truth["images"][0], "id": 2, "neg_category_ids": []},
        ]
        truth["annotations"] = [one_image()["annotations"][0], other]
        results = [result(10, 0.9), result(60, 0.9, 5), {**result(10, 0.5, 5), "image_id": 2}]
        actual = lvis_ap(truth, results)
        assert actual.per_category[2] == pytest.approx(1)
        assert actual.per_category[5] == pytest.approx(expected)
        assert np.isnan(actual.per_category[9])


def test_best_predictions_of_an_image_are_taken_over_all_categories():
    many = [result(100, 0.9, 5) for _ in range(MAX_DETECTIONS)]
    assert lvis_ap(one_image(), [*many[1:], result(10, 0.5)]).stats["AP"] == pytest.approx(1)
    assert lvis_ap(one_image(), [*many, result(10, 0.5)]).stats["AP"] == 0


def test_wrong_results_are_errors():
    with pytest.raises(ValueError, match="Result 0, image 7: the truth has no such image"):
        lvis_ap(one_image(), [result(10, 0.5) | {"image_id": 7}])
    with pytest.raises(ValueError, match="Result 0, image 1: there is no segmentation"):
        lvis_ap(one_image(), [result(10, 0.5) | {"segmentation": None}])
