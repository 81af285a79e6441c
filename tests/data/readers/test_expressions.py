"""RefCOCO, MeViS, and expressions in the json of YouTube-VIS."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
from data.readers.miniatures import SIZE, box_mask, rle, write_frame, write_json

from univs.data.readers.json_file import AnnotationError
from univs.data.readers.mevis import read_mevis
from univs.data.readers.refcoco import read_mixed_refcoco, read_refcoco
from univs.data.readers.youtube_vis import read_youtube_vis


def _references() -> list[dict]:
    return [
        {
            "ref_id": 1,
            "ann_id": 11,
            "image_id": 4,
            "split": "testA",
            "sentences": [{"sent_id": 7, "sent": "left man"}, {"sent_id": 8, "sent": "him"}],
        },
        {
            "ref_id": 2,
            "ann_id": 12,
            "image_id": 4,
            "split": "testA",
            "sentences": [{"sent_id": 9, "sent": "dog"}],
        },
        {
            "ref_id": 3,
            "ann_id": 13,
            "image_id": 5,
            "split": "train",
            "sentences": [{"sent_id": 10, "sent": "cat"}],
        },
    ]


@pytest.fixture
def refcoco(tmp_path):
    folder = tmp_path / "refcoco"
    names = {4: "COCO_train2014_000000000004.jpg", 5: "COCO_train2014_000000000005.jpg"}
    masks = {
        11: (4, box_mask(0, 0, 2, 2)),
        12: (4, box_mask(3, 3, 5, 5)),
        13: (5, box_mask(1, 1, 4, 4)),
        14: (4, box_mask(0, 5, 2, 7)),
    }
    write_json(
        folder / "instances.json",
        {
            "images": [
                {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
                for number, name in names.items()
            ],
            "annotations": [
                {
                    "id": number,
                    "image_id": image,
                    "category_id": 1,
                    "segmentation": rle(mask),
                    "bbox": [0, 0, 1, 1],
                }
                for number, (image, mask) in masks.items()
            ],
            "categories": [{"id": 1, "name": "thing"}],
        },
    )
    for name in names.values():
        write_frame(tmp_path / "train2017" / name.removeprefix("COCO_train2014_"))
    with open(folder / "refs(unc).p", "wb") as file:
        pickle.dump(_references(), file, protocol=2)
    return tmp_path


@pytest.mark.parametrize("suffix", ["p", "json"])
def test_refcoco(refcoco, suffix):
    folder = refcoco / "refcoco"
    write_json(folder / "refs(unc).json", _references())
    (record,) = read_refcoco(
        folder / f"refs(unc).{suffix}",
        folder / "instances.json",
        refcoco / "train2017",
        dataset="d",
        split="testA",
    )
    assert record.official_id == 4
    assert record.frames[0].shape == (*SIZE, 3)
    assert [o.official_id for o in record.objects] == [11, 12]  # 14 is not referred to
    assert [(e.id, e.text, e.object_id) for e in record.expressions] == [
        (7, "left man", 0),
        (8, "him", 0),
        (9, "dog", 1),
    ]
    np.testing.assert_array_equal(record.objects[1].masks.decode(0), box_mask(3, 3, 5, 5))
    assert record.tasks == {"refvos"}


def test_mixtures_leave_small_images_out(refcoco):
    folder = refcoco / "refcoco"
    sources = [(folder / "refs(unc).p", folder / "instances.json")]
    options = {"image_root": refcoco / "train2017", "dataset": "d"}
    (record,) = read_mixed_refcoco(sources, smallest=8, **options)
    assert record.video_id == "refcoco/5"
    assert read_mixed_refcoco(sources, **options) == []


class _Harmful:
    def __reduce__(self):
        return os.getenv, ("HOME",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([_Harmful()]), "refers to .*getenv, which plain data does not"),
        (pickle.dumps(_references())[:40], "cannot be read as a file of references"),
        (pickle.dumps({}), "must hold a list of references"),
        (pickle.dumps([{"ref_id": 1}]), "reference 0 has no key 'ann_id'"),
        (pickle.dumps([{**_references()[0], "ann_id": 99}]), "reference 1 names annotation 99"),
        (pickle.dumps([{**_references()[0], "image_id": 99}]), "reference 1 is of image 99"),
        (pickle.dumps([]), "has no references of the split 'testA'"),
    ],
)
def test_wrong_files_of_references_are_refused(refcoco, content, message):
    path = refcoco / "refcoco" / "refs(unc).p"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message):
        read_refcoco(path, path.parent / "instances.json", refcoco, dataset="d", split="testA")


@pytest.fixture
def mevis(tmp_path):
    for frame in range(2):
        write_frame(tmp_path / "JPEGImages" / "v" / f"{frame:05d}.jpg")
    expressions = {
        "0": {"exp": "two birds flying", "obj_id": [0, 1], "anno_id": [5, 6]},
        "1": {"exp": "the one that lands", "obj_id": [1], "anno_id": [6]},
        "2": {"exp": "both", "obj_id": [1, 0], "anno_id": [6, 5]},
    }
    video = {"expressions": expressions, "frames": ["00000", "00001"]}
    write_json(tmp_path / "meta_expressions.json", {"videos": {"v": video}})
    masks = {
        "5": [rle(box_mask(0, 0, 2, 2)), None],
        "6": [rle(box_mask(3, 3, 5, 5)), rle(box_mask(4, 4, 6, 6))],
    }
    write_json(tmp_path / "mask_dict.json", masks)
    return tmp_path


def _read_mevis(folder, mask_file="mask_dict.json"):
    return read_mevis(
        folder / "meta_expressions.json", folder / "JPEGImages", folder / mask_file, dataset="d"
    )


def test_expressions_of_mevis_name_several_objects(mevis):
    (record,) = _read_mevis(mevis)
    assert [e.object_id for e in record.expressions] == [0, 1, 0]
    both, one = record.objects
    assert (both.frames, one.frames) == ((0, 1), (0, 1))
    np.testing.assert_array_equal(both.masks.decode(0), box_mask(0, 0, 2, 2) | box_mask(3, 3, 5, 5))
    np.testing.assert_array_equal(both.masks.decode(1), one.masks.decode(1))


def test_mevis_without_masks_has_expressions_only(mevis):
    (record,) = _read_mevis(mevis, "nowhere.json")
    assert record.objects == ()
    assert [e.object_id for e in record.expressions] == [None] * 3


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"5": [None, None]}, "has no key '6'"),
        ({"5": [None], "6": [None, None]}, "mask 5 has 1 entries, its video has 2 frames"),
        (
            {"5": [{"size": [2, 2], "counts": [4]}, None], "6": [None, None]},
            "mask 5, frame 0: the mask has size 2x2",
        ),
    ],
)
def test_contradictions_in_mevis_are_named(mevis, masks, message):
    write_json(mevis / "mask_dict.json", masks)
    with pytest.raises(AnnotationError, match=message):
        _read_mevis(mevis)


def test_annotations_of_youtube_vis_may_have_expressions(tmp_path):
    video = {"id": 1, "file_names": ["0.jpg"], "height": SIZE[0], "width": SIZE[1]}
    annotation = {
        "id": 3,
        "video_id": 1,
        "category_id": 1,
        "bboxes": [[0, 0, 2, 2]],
        "segmentations": [rle(box_mask(0, 0, 2, 2))],
        "exp_id": 17,
    }
    content = {"videos": [video], "categories": [{"id": 1, "name": "object"}]}
    for given, texts in (
        (["a dog"], ["a dog"]),
        ("a cat", ["a cat"]),
        ([["a", "b"], ["c"]], ["a", "b", "c"]),
    ):
        content["annotations"] = [{**annotation, "expressions": given}]
        path = tmp_path / "ref.json"
        path.write_text(json.dumps(content))
        (record,) = read_youtube_vis(path, tmp_path, dataset="d", domain=None)
        assert [(e.id, e.text, e.object_id) for e in record.expressions] == [
            (17, text, 0) for text in texts
        ]
