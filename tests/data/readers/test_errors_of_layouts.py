"""Damaged downloads: each reader names what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from univs.data.readers.burst import read_burst
from univs.data.readers.json_file import AnnotationError
from univs.data.readers.referring import read_ref_davis, read_ref_youtube_vos
from univs.data.readers.semantic_images import read_semantic_images
from univs.data.readers.video_objects import read_palette_videos, read_youtube_vos
from univs.data.readers.vipseg import category_of, read_vipseg


@pytest.fixture
def video(tmp_path):
    """One video ``v`` of two frames with masks of object 1 and, from frame 1, object 2."""
    for folder in ("images/v", "masks/v"):
        (tmp_path / folder).mkdir(parents=True)
    for frame, ids in enumerate(([[0, 1]], [[2, 1]])):
        Image.new("RGB", (2, 1)).save(tmp_path / "images" / "v" / f"{frame}.jpg")
        Image.fromarray(np.array(ids, np.uint8)).save(tmp_path / "masks" / "v" / f"{frame}.png")
    (tmp_path / "list.txt").write_text("v\n")
    return tmp_path


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_vipseg_values():
    assert [category_of(value) for value in (1, 124, 12500, 6103)] == [0, 123, 124, 60]


def test_a_class_that_vipseg_does_not_have(video):
    with pytest.raises(
        AnnotationError, match=r"hold the value 2, which is of class 1 \(from 0\); d has 1"
    ):
        read_vipseg(
            video / "list.txt",
            video / "images",
            video / "masks",
            dataset="d",
            domain="vipseg",
            things=[],
            num_classes=1,
        )


def test_davis_2016_is_one_object(video):
    (record,) = read_palette_videos(
        ["v"], video / "images", video / "masks", dataset="d", is_binary=True
    )
    (item,) = record.objects
    assert item.frames == (0, 1)
    assert item.masks.decode(0).tolist() == [[False, True]]
    assert item.masks.decode(1).tolist() == [[True, True]]


def test_a_frame_that_youtube_vos_names_and_does_not_have(video):
    meta = _write(video / "meta.json", {"videos": {"v": {"objects": {"1": {"frames": ["9"]}}}}})
    with pytest.raises(AnnotationError, match=r"video 'v', object 1 names frame '9'"):
        read_youtube_vos(meta, video / "images", video / "masks", dataset="d")


def _expressions(video, split, **expression):
    content = {"videos": {"v": {"expressions": {"0": expression}, "frames": ["0", "1"]}}}
    return _write(video / "texts" / split / "meta_expressions.json", content)


def test_an_expression_for_an_object_that_is_not_there(video):
    path = _expressions(video, "train", exp="a cat", obj_id="3")
    with pytest.raises(AnnotationError, match="expression '0' names object 3"):
        read_ref_youtube_vos(path, video / "images", video / "masks", dataset="d")


def test_expressions_of_the_download_do_not_say_the_object(video):
    path = _expressions(video, "valid", exp="a cat")
    (record,) = read_ref_youtube_vos(path, video / "images", video / "masks", dataset="d")
    assert record.expressions[0].object_id is None
    assert record.objects == ()
    assert record.size == (1, 2)


def test_videos_of_the_test_split_are_left_out_of_validation(video):
    path = _expressions(video, "valid", exp="a cat")
    _expressions(video, "test", exp="a cat")
    assert read_ref_youtube_vos(path, video / "images", None, dataset="d") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense\n", "line 1: expected a video, an object number and an expression"),
        (b'w 1 "a cat"\n', "no expression for video 'v'"),
        (b'v 7 "a cat"\n', "expression for object 7, which the masks"),
    ],
)
def test_damaged_text_files_of_ref_davis(video, content, message):
    path = video / "Davis17_annot1.txt"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message):
        read_ref_davis(path, video / "list.txt", video / "images", video / "masks", dataset="d")


def test_text_files_of_ref_davis_may_be_latin_1(video):
    path = video / "Davis17_annot2.txt"
    path.write_bytes(b'v 1 "a caf\xe9"\nv 2 "a cat"\n')
    (record,) = read_ref_davis(
        path, video / "list.txt", video / "images", video / "masks", dataset="d"
    )
    assert [text.text for text in record.expressions] == ["a caf\u00e9", "a cat"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotated_image_paths": ["9.jpg"]}, "annotated frame '9.jpg' is not in its frames"),
        ({"segmentations": []}, "has 0 segmentations for 1 annotated frames"),
        ({"track_category_ids": {}}, "track 4 has no category"),
    ],
)
def test_contradictions_in_burst(tmp_path, changes, message):
    sequence = {
        "dataset": "s",
        "seq_name": "q",
        "height": 1,
        "width": 2,
        "all_image_paths": ["0.jpg", "1.jpg"],
        "annotated_image_paths": ["1.jpg"],
        "segmentations": [{"4": {"rle": "02"}}],
        "track_category_ids": {"4": 1},
    }
    path = _write(tmp_path / "burst.json", {"sequences": [sequence]})
    (record,) = read_burst(path, "frames", dataset="d", domain=None)
    assert record.objects[0].frames == (1,)
    path = _write(tmp_path / "burst.json", {"sequences": [{**sequence, **changes}]})
    with pytest.raises(AnnotationError, match=f"sequence 'q'.*{message}"):
        read_burst(path, "frames", dataset="d", domain=None)


def test_semantic_images(video):
    (zero, one) = read_semantic_images(
        video / "images", video / "masks", dataset="d", domain="ade20k", offset=-1
    )
    assert zero.video_id == "v/0"
    assert zero.label_maps.decode(0).tolist() == [[255, 0]]
    assert one.label_maps.decode(0).tolist() == [[1, 0]]
    (video / "masks" / "v" / "1.png").unlink()
    with pytest.raises(AnnotationError, match=r"images/v/1.jpg has no mask .*masks/v/1.png"):
        read_semantic_images(video / "images", video / "masks", dataset="d", domain="ade20k")
