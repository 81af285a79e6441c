"""Data sets in COCO's formats."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pycocotools.mask as mask_util
import pytest
from PIL import Image

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import (
    load_coco_json,
    load_sem_seg,
    register_coco_instances,
    register_coco_panoptic,
)
from detectron2.structures import BoxMode

POLYGON = [1.0, 1.0, 5.0, 1.0, 5.0, 4.0]


def _annotation(id_: int, **more) -> dict:
    defaults = {
        "id": id_,
        "image_id": 7,
        "category_id": 20,
        "bbox": [1, 1, 4, 3],
        "iscrowd": 0,
        "area": 6,
        "segmentation": [POLYGON],
    }
    return {**defaults, **more}


@pytest.fixture
def json_file(tmp_path):
    def write(annotations: list[dict]) -> str:
        content = {
            "images": [
                {"id": 9, "file_name": "b.jpg", "height": 8, "width": 6},
                {"id": 7, "file_name": "a.jpg", "height": 6, "width": 8},
            ],
            "categories": [{"id": 20, "name": "dog"}, {"id": 4, "name": "cat"}],
            "annotations": annotations,
        }
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(content))
        return str(path)

    return write


@pytest.fixture
def forget():
    names = ["contract_instances", "contract_panoptic"]
    yield
    for name in names:
        for catalog in (DatasetCatalog, MetadataCatalog):
            if name in catalog:
                catalog.remove(name)


def test_instances(json_file, forget):
    path = json_file([_annotation(1), _annotation(2, category_id=4, iscrowd=1, score=0.5)])
    register_coco_instances("contract_instances", {"extra": 3}, path, "images")
    first, second = DatasetCatalog.get("contract_instances")  # ordered by id
    assert (first["file_name"], first["image_id"]) == ("images/a.jpg", 7)
    assert (first["height"], first["width"]) == (6, 8)
    assert second["annotations"] == []
    assert first["annotations"] == [
        {
            "iscrowd": 0,
            "bbox": [1, 1, 4, 3],
            "category_id": 1,
            "segmentation": [POLYGON],
            "bbox_mode": BoxMode.XYWH_ABS,
        },
        {
            "iscrowd": 1,
            "bbox": [1, 1, 4, 3],
            "category_id": 0,
            "segmentation": [POLYGON],
            "bbox_mode": BoxMode.XYWH_ABS,
        },
    ]
    metadata = MetadataCatalog.get("contract_instances")
    assert metadata.thing_classes == ["cat", "dog"]
    assert metadata.thing_dataset_id_to_contiguous_id == {4: 0, 20: 1}
    assert (metadata.evaluator_type, metadata.json_file, metadata.extra) == ("coco", path, 3)


def test_instances_without_a_name_keep_their_ids(json_file):
    records = load_coco_json(json_file([_annotation(1, score=0.5)]), "", None, ["score"])
    assert records[0]["annotations"][0]["category_id"] == 20
    assert records[0]["annotations"][0]["score"] == 0.5


def test_run_lengths_are_compressed_and_bad_polygons_left_out(json_file):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:3, 2:4] = 1
    plain = {"size": [6, 8], "counts": [13, 2, 4, 2, 27]}
    path = json_file(
        [
            _annotation(1, segmentation=plain),
            _annotation(2, segmentation=[[1.0, 1.0, 2.0, 2.0]]),
            _annotation(3, segmentation=[[1.0, 1.0, 2.0, 2.0], POLYGON]),
        ]
    )
    annotations = load_coco_json(path, "")[0]["annotations"]
    assert len(annotations) == 2
    np.testing.assert_array_equal(mask_util.decode(annotations[0]["segmentation"]), mask)
    assert annotations[1]["segmentation"] == [POLYGON]


def test_unknown_category_is_explained(json_file, forget):
    path = json_file([_annotation(1, category_id=5)])
    with pytest.raises(KeyError, match="category_id=5"):
        load_coco_json(path, "", "contract_instances")


def test_label_maps(tmp_path):
    for folder, extension, names in (
        ("labels", "png", ["a", "b", "c"]),
        ("images", "jpg", ["b", "a", "d"]),
    ):
        for name in names:
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.{extension}").touch()
    records = load_sem_seg(str(tmp_path / "labels"), str(tmp_path / "images"))
    pairs = {(r["file_name"], r["sem_seg_file_name"]) for r in records}
    assert pairs == {
        (str(tmp_path / "images" / f"{name}.jpg"), str(tmp_path / "labels" / f"{name}.png"))
        for name in ("b", "a")
    }


def test_panoptic(tmp_path, forget):
    for folder in ("images", "panoptic"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "000001.jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / "panoptic" / "000001.png")
    segments = [
        {"id": 10, "category_id": 20, "iscrowd": 0, "area": 9, "bbox": [0, 0, 3, 3]},
        {"id": 11, "category_id": 90, "iscrowd": 0, "area": 7, "bbox": [0, 0, 4, 4]},
    ]
    content = {
        "annotations": [{"image_id": 1, "file_name": "000001.png", "segments_info": segments}]
    }
    path = tmp_path / "panoptic.json"
    path.write_text(json.dumps(content))
    metadata = {
        "thing_dataset_id_to_contiguous_id": {20: 0},
        "stuff_dataset_id_to_contiguous_id": {90: 1},
    }
    register_coco_panoptic(
        "contract_panoptic",
        metadata,
        str(tmp_path / "images"),
        str(tmp_path / "panoptic"),
        str(path),
    )
    (record,) = DatasetCatalog.get("contract_panoptic")
    assert record["file_name"] == str(tmp_path / "images" / "000001.jpg")
    assert record["pan_seg_file_name"] == str(tmp_path / "panoptic" / "000001.png")
    assert record["image_id"] == 1
    kinds = [(s["id"], s["category_id"], s["isthing"]) for s in record["segments_info"]]
    assert kinds == [(10, 0, True), (11, 1, False)]
    catalog = MetadataCatalog.get("contract_panoptic")
    assert catalog.evaluator_type == "coco_panoptic_seg"
    assert (catalog.label_divisor, catalog.ignore_label) == (1000, 255)


def test_nothing_is_registered_by_importing(only_standin):
    code = (
        "import univs, detectron2.data as d; print(len(d.DatasetCatalog), len(d.MetadataCatalog))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["0", "0"]
