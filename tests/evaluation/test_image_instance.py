"""The evaluator of instances on images: numbers of pycocotools, rows of Detectron2."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from detectron2.data import MetadataCatalog
from detectron2.structures import Instances
from univs.evaluation.image_instance import ROWS, ImageInstanceEvaluator, score_result_file
from univs.evaluation.metrics.coco import coco_ap

SIZE = (30, 40)
NAME = "handmade_instances"


def rectangle(left: int, width: int = 10) -> np.ndarray:
    mask = np.zeros(SIZE, dtype=np.uint8)
    mask[5:25, left : left + width] = 1
    return mask


@pytest.fixture
def truth(tmp_path):
    annotations = []
    for index, (image_id, category_id, left) in enumerate([(7, 3, 0), (7, 9, 15), (8, 3, 20)]):
        rle = coco_mask.encode(np.asfortranarray(rectangle(left)))
        annotations.append(
            {
                "id": index + 1,
                "image_id": image_id,
                "category_id": category_id,
                "iscrowd": 0,
                "area": 200,
                "bbox": [left, 5, 10, 20],
                "segmentation": {"size": list(SIZE), "counts": rle["counts"].decode()},
            }
        )
    content = {
        "images": [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in (7, 8)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": annotations,
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    MetadataCatalog.get(NAME).set(
        json_file=str(path), thing_dataset_id_to_contiguous_id={3: 0, 9: 1}
    )
    yield path
    MetadataCatalog.remove(NAME)


def output_of(lefts, classes, dtype=torch.float32) -> dict:
    instances = Instances(SIZE)
    masks = np.array([rectangle(left) for left in lefts]).reshape(-1, *SIZE)
    instances.pred_masks = torch.tensor(masks).to(dtype)
    instances.scores = torch.linspace(0.9, 0.3, len(lefts))
    instances.pred_classes = torch.tensor(classes, dtype=torch.int64)
    return {"instances": instances}


OUTPUTS = {7: ([2, 15, 26], [0, 1, 1]), 8: ([50, 24, 19], [0, 0, 0])}  # at 50 nothing is left


def test_equals_the_offline_metric_and_its_file(truth, tmp_path):
    evaluator = ImageInstanceEvaluator(NAME, tmp_path / "out")
    for dtype, (image_id, result) in zip((torch.bool, torch.float32), OUTPUTS.items(), strict=True):
        evaluator.process([{"image_id": image_id}], [output_of(*result, dtype=dtype)])
    results = evaluator.evaluate()
    assert list(results) == ["bbox", "segm"]
    assert list(results["segm"]) == [*ROWS, "AP-cat", "AP-dog"]
    path = tmp_path / "out" / "coco_instances_results.json"
    written = json.loads(path.read_text())
    assert len(written) == 5  # the empty one is left out
    assert written[0]["bbox"] == [2, 5, 10, 20] and written[0]["category_id"] == 3
    for kind in ("bbox", "segm"):
        expected = coco_ap(json.loads(truth.read_text()), written, kind)
        assert results[kind]["AP"] == 100 * expected.stats["AP"]
        assert results[kind]["AP-dog"] == 100 * expected.per_category[9]
        assert np.isnan(results[kind]["APl"])
    assert 0 < results["segm"]["AP"] < 100
    np.testing.assert_equal(score_result_file(truth, path), results)


def test_missing_unknown_and_repeated_images_are_errors(truth):
    evaluator = ImageInstanceEvaluator(NAME)
    evaluator.process([{"image_id": 7}], [output_of([], [])])
    with pytest.raises(ValueError, match="1 images of the data set have no prediction: 8"):
        evaluator.evaluate()
    with pytest.raises(ValueError, match="Image 7 was processed twice"):
        evaluator.process([{"image_id": 7}], [output_of([], [])])
    with pytest.raises(ValueError, match="Image 9 is not in the annotation file"):
        evaluator.process([{"image_id": 9}], [output_of([], [])])
    with pytest.raises(ValueError, match="Image 8: instance 0 has the class 5"):
        evaluator.process([{"image_id": 8}], [output_of([0], [5])])
    evaluator = ImageInstanceEvaluator(NAME, allow_missing=True)
    assert evaluator.evaluate()["segm"]["AP"] == 0


def test_metadata_is_checked():
    try:
        with pytest.raises(ValueError, match="'bare' has no 'json_file'"):
            ImageInstanceEvaluator("bare")
    finally:
        MetadataCatalog.remove("bare")
