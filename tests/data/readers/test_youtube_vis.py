from __future__ import annotations

import copy
import json
import tracemalloc

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from univs.data.readers.json_file import AnnotationError
from univs.data.readers.youtube_vis import read_youtube_vis


def _rle(seed, size=(6, 8)):
    mask = np.random.default_rng(seed).random(size) < 0.5
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(size), "counts": rle["counts"].decode()}, mask


def _content():
    return {
        "videos": [
            {"id": 7, "height": 6, "width": 8, "length": 2, "file_names": ["b/0.jpg", "b/1.jpg"]},
            {"id": 3, "height": 6, "width": 8, "length": 2, "file_names": ["a/0.jpg", "a/1.jpg"]},
        ],
        "annotations": [
            {
                "id": 50,
                "video_id": 7,
                "category_id": 4,
                "iscrowd": 0,
                "segmentations": [None, _rle(1)[0]],
                "bboxes": [None, [1, 2, 3, 4]],
            },
            {
                "id": 51,
                "video_id": 7,
                "category_id": 9,
                "iscrowd": 1,
                "segmentations": [_rle(2)[0], None],
                "bboxes": [[0.5, 0, 2, 2], None],
            },
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
    }


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "train.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_youtube_vis(path, "images", dataset="d", domain="x", **options)

    return read


def test_videos_come_in_order_of_ids_with_their_objects(read):
    first, second = read(_content())
    assert (first.official_id, second.official_id) == (3, 7)
    assert first.objects == ()
    assert second.video_id == "7"
    assert second.frames.names == ["images/b/0.jpg", "images/b/1.jpg"]
    cat, dog = second.objects
    assert (cat.id, cat.official_id, cat.category, cat.frames) == (0, 50, 0, (1,))
    assert (dog.id, dog.official_id, dog.category, dog.frames) == (1, 51, 1, (0,))
    assert dog.is_crowd
    assert not cat.is_crowd
    np.testing.assert_array_equal(cat.masks.decode(1), _rle(1)[1])
    assert not cat.masks.decode(0).any()
    assert cat.boxes.tolist() == [[1, 2, 4, 6]]
    assert dog.boxes.tolist() == [[0.5, 0, 2.5, 2]]


@pytest.mark.parametrize("annotations", ["absent", None, []])
def test_test_files_have_no_annotations(read, annotations):
    content = _content()
    content["annotations"] = annotations
    if annotations == "absent":
        del content["annotations"]
    assert [record.objects for record in read(content)] == [(), ()]


def test_a_single_file_name_is_a_video_of_one_frame(read):
    content = _content()
    del content["annotations"]
    content["videos"] = [{"id": "x", "height": 6, "width": 8, "file_names": "one.jpg"}]
    (record,) = read(content)
    assert len(record) == 1
    assert record.official_id == "x"


def test_objects_without_masks_have_boxes(read):
    content = _content()
    for annotation in content["annotations"]:
        del annotation["segmentations"]
    cat = read(content)[1].objects[0]
    assert cat.masks is None
    assert cat.frames == (1,)


def _broken(change):
    content = copy.deepcopy(_content())
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["videos"].append(c["videos"][0]),
            "train.json: video id 7 occurs more than once",
        ),
        (
            lambda c: c["annotations"].append(c["annotations"][0]),
            "annotation 50 occurs more than once in video 7",
        ),
        (
            lambda c: c["categories"].append(c["categories"][0]),
            "category id 9 occurs more than once",
        ),
        (
            lambda c: c["annotations"][0].update(category_id=5),
            "annotation 50 has category 5, which is not among the 2 categories",
        ),
        (
            lambda c: c["annotations"][0].update(video_id=8),
            "annotation 50 belongs to video 8, which is not listed",
        ),
        (
            lambda c: c["annotations"][1]["segmentations"].pop(),
            "annotation 51 has 1 segmentations, its video 7 has 2 frames",
        ),
        (
            lambda c: c["annotations"][0]["segmentations"].__setitem__(1, _rle(0, (5, 8))[0]),
            "annotation 50 has masks of size 5x8 .* its video 7 is 6x8",
        ),
        (
            lambda c: c["annotations"][0]["segmentations"].__setitem__(
                1, {"size": [6, 8], "counts": [1, 2]}
            ),
            "annotation 50, frame 1: the run lengths cover 3 pixels",
        ),
        (lambda c: c["annotations"][0].pop("video_id"), "annotation 50 has no key 'video_id'"),
        (lambda c: c["videos"][1].pop("width"), "video 3 has no key 'width'"),
        (lambda c: c["videos"][0].update(length=3), "video 7 has length 3 but 2 file names"),
        (lambda c: c.pop("categories"), "has no key 'categories'"),
    ],
)
def test_contradictions_are_named(read, change, message):
    with pytest.raises(AnnotationError, match=message):
        read(_broken(change))


def test_a_truncated_file_is_named(read):
    with pytest.raises(AnnotationError, match="train.json is not valid json .* truncated"):
        read(json.dumps(_content())[:-20])


def test_category_ids_must_be_those_of_the_dataset(read):
    assert read(_content(), category_ids=(4, 9))
    with pytest.raises(AnnotationError, match=r"category ids \[4, 9\], but d has \[1, 2\]"):
        read(_content(), category_ids=(1, 2))


def test_memory_stays_near_the_size_of_the_file(read):
    """As parsed json the file would take several times its size."""
    length = 30
    counts = "a" * 80
    segmentation = {"size": [6, 8], "counts": counts}
    content = _content()
    content["videos"] = [
        {"id": v, "height": 6, "width": 8, "file_names": [f"{t}.jpg" for t in range(length)]}
        for v in range(500)
    ]
    content["annotations"] = [
        {"id": a, "video_id": a // 4, "category_id": 4, "segmentations": [segmentation] * length}
        for a in range(2000)
    ]
    text = json.dumps(content)
    tracemalloc.start()
    records = read(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(len(record.objects) for record in records) == 2000
    assert peak < 4 * len(text)


@pytest.mark.golden("vita", "mapper_ytvis")
def test_objects_by_frame_are_those_of_the_original(case):
    (record,) = read_youtube_vis(
        case.folder / "annotations.json", case.folder, dataset="d", domain="ytvis19"
    )
    for frame, expected in enumerate(case.meta["loader_frame_objects"]):
        found = [item for item in record.objects if frame in item.frames]
        assert [item.official_id for item in found] == [item["id"] for item in expected]
        assert [item.is_crowd for item in found] == [bool(item["iscrowd"]) for item in expected]
