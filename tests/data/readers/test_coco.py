from __future__ import annotations

import json

import numpy as np
import pytest

from univs.data.readers.coco import read_coco_instances, read_coco_panoptic
from univs.data.readers.json_file import AnnotationError

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def _content(**changes):
    annotation = {"image_id": 5, "category_id": 18, "bbox": [1, 1, 2, 2], "segmentation": SQUARE}
    return {
        "images": [{"id": 5, "height": 4, "width": 6, "file_name": "5.jpg"}],
        "annotations": [
            {"id": 1, **annotation},
            {"id": 2, **annotation, "category_id": 3},
            {"id": 3, **annotation, "segmentation": [], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "car"}, {"id": 18, "name": "dog"}],
        **changes,
    }


@pytest.fixture
def read(tmp_path):
    def read(content, categories):
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(content))
        return read_coco_instances(
            path, "images", dataset="d", domain="coco", categories=categories
        )

    return read


def test_images_are_videos_of_one_frame(read):
    (record,) = read(_content(), {3: 0, 18: 1})
    assert len(record) == 1
    assert record.frames.names == ["images/5.jpg"]
    assert [item.category for item in record.objects] == [1, 0, 1]
    assert record.objects[0].masks.decode(0).sum() == 4
    assert record.objects[2].masks is None
    assert record.objects[2].is_crowd
    np.testing.assert_array_equal(record.objects[0].boxes, [[1, 1, 3, 3]])


def test_categories_without_counterpart_are_left_out(read):
    (record,) = read(_content(), {18: 7})
    assert [(item.official_id, item.category) for item in record.objects] == [(1, 7), (3, 7)]


def test_lvis_names_files_in_the_address(read):
    image = {"id": 5, "height": 4, "width": 6, "coco_url": "http://host/train2017/0005.jpg"}
    (record,) = read(_content(images=[image]), {3: 0, 18: 1})
    assert record.frames.names == ["images/train2017/0005.jpg"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": 2}, "annotation id 2 occurs more than once"),
        ({"image_id": 6}, "annotation 1 belongs to image 6, which is not listed"),
        ({"category_id": 4}, "annotation 1 has category 4"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, "annotation 1 has a mask of size 9x9"),
    ],
)
def test_contradictions_are_named(read, changes, message):
    content = _content()
    content["annotations"][0].update(changes)
    with pytest.raises(AnnotationError, match=message):
        read(content, {3: 0, 18: 1})


def test_a_segment_of_an_unknown_category_is_named(tmp_path):
    content = _content()
    content["annotations"] = [
        {"image_id": 5, "file_name": "5.png", "segments_info": [{"id": 8, "category_id": 77}]}
    ]
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match="segment 8 has category 77, which d does not have"):
        read_coco_panoptic(
            tmp_path / "panoptic.json",
            "images",
            "masks",
            dataset="d",
            domain="coco_panoptic",
            categories={3: 0, 18: 1},
            things=[0],
        )
