"""The evaluator of per-pixel classes of images against Detectron2's definitions."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from univs.evaluation.image_semantic import ImageSemanticEvaluator

NAMES = ["road", "sky", "never"]


def sample_of(image_id, labels) -> dict:
    maps = SimpleNamespace(decode=lambda frame: labels)
    record = SimpleNamespace(label_maps=maps)
    return {"image_id": image_id, "file_name": f"{image_id}.jpg", "record": record}


def scores_of(labels) -> dict:
    return {
        "sem_seg": torch.nn.functional.one_hot(torch.tensor(labels), 3).permute(2, 0, 1).float()
    }


TRUTH = {"a": np.array([[0, 0, 1], [1, 255, 255]], np.int32), "b": np.array([[0, 0, 0]], np.int32)}
PREDICTED = {"a": np.array([[0, 1, 1], [1, 2, 0]]), "b": np.array([[0, 0, 2]])}


def test_rows_and_file(tmp_path):
    evaluator = ImageSemanticEvaluator(
        NAMES, tmp_path, class_ids=[10, 20, 30], image_ids=["a", "b"]
    )
    for image_id in TRUTH:
        sample = sample_of(image_id, TRUTH[image_id])
        evaluator.process([sample], [scores_of(PREDICTED[image_id])])
    numbers = evaluator.evaluate()["sem_seg"]
    # By hand: road has 5 pixels, 3 of them found; sky has 2, both found, and one too many.
    road, sky = 3 / 5, 2 / 3
    assert numbers["mIoU"] == pytest.approx(100 * (road + sky) / 2)
    assert numbers["fwIoU"] == pytest.approx(100 * (5 * road + 2 * sky) / 7)
    assert numbers["mACC"] == pytest.approx(100 * (3 / 5 + 1) / 2)
    assert numbers["pACC"] == pytest.approx(100 * 5 / 7)
    assert numbers["IoU-sky"] == pytest.approx(100 * sky) and np.isnan(numbers["IoU-never"])
    assert list(numbers) == [
        "mIoU", "fwIoU", *(f"IoU-{n}" for n in NAMES), "mACC", *(f"ACC-{n}" for n in NAMES), "pACC"
    ]  # fmt: skip
    written = json.loads((tmp_path / "sem_seg_predictions.json").read_text())
    of_a = {r["category_id"]: r["segmentation"] for r in written if r["file_name"] == "a.jpg"}
    assert sorted(of_a) == [10, 20, 30]
    np.testing.assert_array_equal(coco_mask.decode(of_a[20]), PREDICTED["a"] == 1)


def test_missing_images_and_wrong_channels_are_errors():
    evaluator = ImageSemanticEvaluator(NAMES, image_ids=["a", "b"])
    with pytest.raises(ValueError, match="Image 'a': the model scores 2 classes, but the data set"):
        evaluator.process([sample_of("a", TRUTH["a"])], [{"sem_seg": torch.zeros(2, 2, 3)}])
    with pytest.raises(ValueError, match="Image 'a': the truth has the size"):
        evaluator.process([sample_of("a", TRUTH["a"])], [scores_of(PREDICTED["b"])])
    evaluator.reset()
    evaluator.process([sample_of("a", TRUTH["a"])], [scores_of(PREDICTED["a"])])
    with pytest.raises(ValueError, match="1 images of the data set have no prediction: 'b'"):
        evaluator.evaluate()
