"""The evaluator of panoptic images: rows by hand, and the files it writes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from univs.evaluation.image_panoptic import ImagePanopticEvaluator, score_result_folder
from univs.evaluation.panoptic_files import read_id_map, write_id_map

CATEGORIES = [{"id": 4, "isthing": 1, "name": "cat"}, {"id": 90, "isthing": 0, "name": "sky"}]


@pytest.fixture
def files(tmp_path):
    """Truth of two images: a thing in the left half, stuff in the right one."""
    annotations = []
    for image_id in (1, 2):
        ids = np.full((4, 6), 300)
        ids[:, 3:] = 70000
        write_id_map(tmp_path / "truth" / f"{image_id}.png", ids)
        segments = [
            {"id": 300, "category_id": 4, "iscrowd": 0, "area": 12},
            {"id": 70000, "category_id": 90, "iscrowd": 0, "area": 12},
        ]
        annotations.append(
            {"image_id": image_id, "file_name": f"{image_id}.png", "segments_info": segments}
        )
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"annotations": annotations, "categories": CATEGORIES}))
    return path, tmp_path / "truth"


def output_of(boundary: int, category: int = 0) -> dict:
    ids = torch.ones((4, 6), dtype=torch.int32)
    ids[:, boundary:] = 2
    return {
        "panoptic_seg": (ids, [{"id": 1, "category_id": category}, {"id": 2, "category_id": 1}])
    }


def test_rows_and_files(files, tmp_path):
    evaluator = ImagePanopticEvaluator(*files, {0: 4, 1: 90}, tmp_path / "out")
    evaluator.process([{"image_id": 1}], [output_of(3)])
    evaluator.process([{"image_id": 2}], [output_of(4)])
    numbers = evaluator.evaluate()["panoptic_seg"]
    thing, stuff = (1 + 12 / 16) / 2, (1 + 8 / 12) / 2
    assert numbers["PQ_th"] == numbers["SQ_th"] == pytest.approx(100 * thing)
    assert numbers["PQ_st"] == pytest.approx(100 * stuff) and numbers["RQ_st"] == 100
    assert numbers["PQ"] == pytest.approx(50 * (thing + stuff))
    groups = ("", "_th", "_st")
    assert list(numbers) == [f"{n}{group}" for group in groups for n in ("PQ", "SQ", "RQ")]
    assert read_id_map(tmp_path / "out" / "panoptic" / "2.png")[0].tolist() == [1, 1, 1, 1, 2, 2]
    assert score_result_folder(*files, tmp_path / "out") == numbers


def test_missing_images_score_as_void(files):
    for allow_missing in (False, True):
        evaluator = ImagePanopticEvaluator(*files, {0: 4, 1: 90}, allow_missing=allow_missing)
        evaluator.process([{"image_id": 1}], [output_of(3)])
        if allow_missing:
            numbers = evaluator.evaluate()["panoptic_seg"]
            assert numbers["RQ"] == pytest.approx(100 * 1 / 1.5)
        else:
            with pytest.raises(ValueError, match="1 images of the data set have no prediction: 2"):
                evaluator.evaluate()


def test_bad_results_name_the_image(files, tmp_path):
    evaluator = ImagePanopticEvaluator(*files, {0: 4, 1: 90}, tmp_path / "out")
    with pytest.raises(ValueError, match="Image 1: segment 1 has the category 7"):
        evaluator.process([{"image_id": 1}], [output_of(3, category=7)])
    with pytest.raises(ValueError, match="Image 5 is not in the annotation file"):
        evaluator.process([{"image_id": 5}], [output_of(3)])
    unlisted = (output_of(3)["panoptic_seg"][0], [])
    with pytest.raises(ValueError, match="Image 1: the prediction map holds the id 1"):
        evaluator.process([{"image_id": 1}], [{"panoptic_seg": unlisted}])
    evaluator.process([{"image_id": 1}], [output_of(3)])
    evaluator.reset()
    with pytest.raises(ValueError, match="2 images"):
        evaluator.evaluate()
    with pytest.raises(ValueError, match=r"2 images of the data set have no prediction"):
        score_result_folder(*files, tmp_path / "out")
