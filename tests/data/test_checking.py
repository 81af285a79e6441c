"""Datasets that are broken on purpose: what is wrong is named by file, video and frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.readers.miniatures import SIZE, box_mask, rle, write_frame, write_ids, write_json
from PIL import Image

from univs.data.catalog import DatasetEntry, Location, find_entry
from univs.data.checking import check_dataset
from univs.data.miniatures import write_miniatures


def _entry(layout: str, **places) -> DatasetEntry:
    return DatasetEntry(name="mini", layout=layout, locations=(Location(**places),), remedy="-")


class Mini:
    """A whole YouTube-VIS dataset of two videos, to be broken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.json = root / "train.json"
        self.content = {
            "videos": [
                {
                    "id": number,
                    "height": SIZE[0],
                    "width": SIZE[1],
                    "length": 2,
                    "file_names": [f"v{number}/0.jpg", f"v{number}/1.jpg"],
                }
                for number in (1, 2)
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {
                    "id": 10 + number,
                    "video_id": number,
                    "category_id": number,
                    "segmentations": [rle(box_mask(0, 0, 3, 3)), rle(box_mask(1, 1, 4, 4))],
                }
                for number in (1, 2)
            ],
        }
        for video in self.content["videos"]:
            for name in video["file_names"]:
                write_frame(root / "frames" / name)

    def check(self, **options):
        if not self.json.exists():
            write_json(self.json, self.content)
        entry = _entry("ytvis", image_root="frames", annotations="train.json")
        return check_dataset(entry, self.root, **options)

    def only_problem(self, **options):
        report, _ = self.check(**options)
        (problem,) = report.problems
        return problem


@pytest.fixture
def mini(tmp_path):
    return Mini(tmp_path)


def test_a_whole_dataset_has_no_problems(mini):
    steps = []
    report, records = mini.check(on_progress=lambda done, total: steps.append((done, total)))
    assert report.problems == []
    assert report.counts["videos"] == 2
    assert report.counts["frames"] == 4
    assert report.counts["annotations"] == 2
    assert len(records) == 2
    assert steps == [(0, 4), (4, 4)]


def test_truncated_json(mini):
    write_json(mini.json, mini.content)
    mini.json.write_text(mini.json.read_text()[:-200])
    problem = mini.only_problem()
    assert problem.kind == "damaged json"
    assert problem.file == str(mini.json)
    assert "probably truncated" in problem.message


def test_missing_and_unreadable_frames(mini):
    (mini.root / "frames" / "v2" / "1.jpg").unlink()
    path = mini.root / "frames" / "v1" / "0.jpg"
    path.write_bytes(path.read_bytes()[:-2])
    report, records = mini.check()
    assert report.kinds == {"unreadable frame": 1, "missing frame": 1}
    unreadable, missing = report.problems
    assert (missing.file, missing.video, missing.frame) == (
        f"{mini.root}/frames/v2/1.jpg",
        "2",
        1,
    )
    assert (unreadable.file, unreadable.video, unreadable.frame) == (str(path), "1", 0)
    assert len(records) == 2
    assert mini.check(decode_frames=False)[0].kinds == {"missing frame": 1}
    path.write_text("no image")
    assert mini.check(decode_frames=False)[0].kinds == {"missing frame": 1, "unreadable frame": 1}


def test_frames_and_masks_of_another_size(mini):
    write_frame(mini.root / "frames" / "v1" / "1.jpg", (5, 9))
    problem = mini.only_problem()
    assert (problem.kind, problem.video, problem.frame) == ("size mismatch", "1", 1)
    assert "the image is 5x9 (height x width), the annotations say 6x8" in problem.message
    write_frame(mini.root / "frames" / "v1" / "1.jpg")
    mini.content["annotations"][1]["segmentations"][1] = {"size": [2, 2], "counts": [0, 4]}
    mini.json.unlink()
    problem = mini.only_problem()
    assert (problem.kind, problem.video, problem.frame) == ("size mismatch", "2", 1)
    assert "annotation 12: its mask is 2x2" in problem.message


def test_polygons_with_two_points(mini):
    triangle = [0, 0, 4, 0, 4, 4]
    mini.content["annotations"][0]["segmentations"] = [[[0, 0, 4, 4]], [triangle, [1, 1, 2, 2]]]
    report, _ = mini.check()
    assert [(p.kind, p.video, p.frame) for p in report.problems] == [
        ("bad polygon", "1", 0),
        ("bad polygon", "1", 1),
    ]
    assert "1 of 2 polygons have fewer than three points" in report.problems[1].message
    assert not report.errors  # they are ignored in training


def _last(mini):
    return mini.content["annotations"][1]


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda m: _last(m).update(category_id=9), "unknown category", "category 9 is not among"),
        (lambda m: _last(m).update(video_id=9), "unknown video", "annotation 12: its video"),
        (lambda m: _last(m).update(id=11, video_id=1), "duplicate id", "annotation 11 occurs"),
        (lambda m: _last(m)["segmentations"].pop(), "wrong length", "has 1 entries"),
        (lambda m: m.content["videos"][1].update(length=3), "wrong length", "length is 3, but"),
        (lambda m: m.content["categories"].append({"id": 2, "name": "x"}), "duplicate id", "2 oc"),
        (
            lambda m: _last(m)["segmentations"].__setitem__(0, {"size": [*SIZE], "counts": [3]}),
            "invalid mask",
            "the run lengths cover 3 pixels, a mask of 6x8 has 48",
        ),
        (
            lambda m: _last(m)["segmentations"][0].update(counts="oz"),
            "invalid mask",
            "",
        ),
    ],
)
def test_contradictions_are_errors(mini, damage, kind, message):
    damage(mini)
    report, records = mini.check()
    (problem,) = report.errors
    assert (problem.kind, problem.file) == (kind, str(mini.json))
    assert message in problem.message
    # A mask of wrong length is decoded by nobody until it is used.
    assert records == [] or kind == "invalid mask"


def test_a_video_that_is_listed_twice(mini):
    mini.content["videos"].append(mini.content["videos"][0])
    (problem,) = mini.check()[0].errors
    assert (problem.kind, problem.video) == ("duplicate id", "1")


def test_empty_tracks_masks_and_categories_are_warnings(mini):
    mini.content["categories"] += [{"id": 5, "name": "cow"}]
    _last(mini)["segmentations"] = [None, None]
    mini.content["annotations"][0]["segmentations"][0] = rle(box_mask(0, 0, 0, 0))
    report, _ = mini.check()
    assert report.kinds == {
        "category gap": 1,
        "unused category": 1,
        "empty mask": 1,
        "empty track": 1,
    }
    assert report.errors == []
    assert "2 ids between 1 and 5 have no category: 3, 4" in report.problems[0].message


def test_every_problem_is_counted_not_just_the_first(mini):
    for annotation in mini.content["annotations"]:
        annotation["category_id"] = 7
    (mini.root / "frames" / "v1" / "0.jpg").unlink()
    report, _ = mini.check()
    assert report.kinds["unknown category"] == 2
    assert report.kinds["missing frame"] == 1


def test_images_of_coco(tmp_path):
    write_frame(tmp_path / "images" / "a.jpg")
    instance = {"image_id": 1, "bbox": [0, 0, 1, 1]}
    write_json(
        tmp_path / "instances.json",
        {
            "images": [{"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}],
            "categories": [{"id": 3, "name": "cat"}],
            "annotations": [
                {**instance, "id": 1, "category_id": 3, "segmentation": rle(box_mask(0, 0, 2, 2))},
                {**instance, "id": 1, "category_id": 3, "segmentation": [[0, 0, 5, 5]]},
                {**instance, "id": 2, "category_id": 4, "segmentation": None},
            ],
        },
    )
    entry = _entry("coco_instance", image_root="images", annotations="instances.json")
    report, _ = check_dataset(entry, tmp_path)
    assert report.kinds == {
        "duplicate id": 1,
        "bad polygon": 1,
        "empty track": 1,
        "unknown category": 1,
    }
    assert all(problem.video == "1" and problem.frame is None for problem in report.problems)


@pytest.fixture
def davis(tmp_path):
    """A palette dataset; the entry and the path of a mask."""
    for frame in range(2):
        write_frame(tmp_path / "JPEGImages" / "v" / f"{frame}.jpg")
        write_ids(tmp_path / "Annotations" / "v" / f"{frame}.png", 2 * box_mask(0, 0, 3, 3))
    entry = _entry("mose", image_root="JPEGImages", masks="Annotations")
    return entry, tmp_path, tmp_path / "Annotations" / "v" / "1.png"


def test_masks_of_object_numbers(davis):
    entry, root, _ = davis
    report, records = check_dataset(entry, root)
    assert report.problems == []
    assert report.counts["masks"] == 2
    assert [o.official_id for o in records[0].objects] == [2]


def test_masks_that_lost_their_palette(davis):
    entry, root, path = davis
    Image.open(path).convert("RGB").save(path)
    report, records = check_dataset(entry, root)
    (problem,) = report.problems
    assert (problem.kind, problem.file, problem.video) == ("wrong palette", str(path), "v")
    assert records == []


def test_grey_pictures_in_place_of_masks(tmp_path):
    size = (16, 16)
    write_frame(tmp_path / "JPEGImages" / "v" / "0.jpg", size)
    write_ids(tmp_path / "Annotations" / "v" / "0.png", np.arange(256).reshape(size))
    entry = _entry("mose", image_root="JPEGImages", masks="Annotations")
    (problem,) = check_dataset(entry, tmp_path)[0].errors
    assert problem.kind == "wrong palette"
    assert "254 different numbers" in problem.message


def test_masks_of_another_size_and_damaged_ones(davis):
    entry, root, path = davis
    write_ids(path, np.zeros((3, 3)))
    (problem,) = check_dataset(entry, root)[0].errors
    assert (problem.kind, problem.file, problem.frame) == ("size mismatch", str(path), 1)
    path.write_bytes(b"no image")
    (problem,) = check_dataset(entry, root)[0].errors
    assert (problem.kind, problem.file) == ("unreadable mask", str(path))


def test_wrong_masks_hide_no_other_fault(tmp_path):
    """Readers of these layouts look into the masks, and stop at the first that is wrong."""
    root = tmp_path / "datasets"
    write_miniatures(root, ["vipseg", "kitti_step"])
    masks, images = root / "VIPSeg" / "panomasks", root / "VIPSeg" / "imgs"
    pictured = masks / "train_0001" / "00001.png"
    with Image.open(pictured) as mask:
        colored = mask.convert("RGB")
    colored.save(pictured)
    cut = [masks / "train_0000" / "00003.png", images / "train_0001" / "00002.jpg"]
    for path in cut:
        path.write_bytes(path.read_bytes()[:-100])
    report, records = check_dataset(find_entry("vipseg_train", root), root)
    assert not records
    assert [(problem.kind, problem.file, problem.video) for problem in report.errors] == [
        ("unreadable mask", str(cut[0]), "train_0000"),
        ("wrong palette", str(pictured), "train_0001"),
        ("unreadable frame", str(cut[1]), "train_0001"),
    ]

    grey = root / "kitti_step" / "panoptic_maps" / "train" / "0000" / "000001.png"
    Image.new("L", (96, 64)).save(grey)
    (problem,) = check_dataset(find_entry("kitti_step_train", root), root)[0].errors
    assert (problem.kind, problem.file, problem.video) == ("wrong palette", str(grey), "0000")


def test_missing_files_are_named(tmp_path):
    entry = _entry("mose", image_root="JPEGImages", masks="Annotations")
    report, records = check_dataset(entry, tmp_path)
    assert report.kinds == {"missing files": 1}
    assert f"{tmp_path}/JPEGImages" in report.problems[0].message
    assert records == []
