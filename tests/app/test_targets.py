from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from univs.app.targets import parse_box, parse_point, targets_from_file
from univs.structures import BoxTarget, MaskTarget, PointTarget, TextTarget
from univs.tracking.session import task_of_targets


@pytest.fixture
def id_map(tmp_path):
    """A palette PNG with the objects 1 and 7, background and void."""
    values = np.zeros((6, 8), np.uint8)
    values[1:3, 1:4], values[4, 5:], values[0] = 1, 7, 255
    image = Image.fromarray(values, mode="P")
    image.putpalette(list(range(256)) * 3)
    image.save(tmp_path / "first.png")
    return tmp_path / "first.png"


def written(folder, content) -> str:
    path = folder / "targets.json"
    path.write_text(json.dumps(content))
    return path


def test_each_value_of_a_png_is_an_object(id_map):
    targets = targets_from_file(id_map)
    assert [(type(target), target.id, target.mask.sum()) for target in targets] == [
        (MaskTarget, 1, 6),
        (MaskTarget, 7, 3),
    ]


def test_json_gives_every_kind(id_map, tmp_path):
    content = [
        {"box": [1, 2, 5, 6]},
        {"id": 5, "frame": 3, "points": [[1, 2], [3, 4]], "inside": [True, False]},
        {"text": "the dog"},
        {"id": 9, "mask": "first.png"},
    ]
    box, point, text, mask = targets_from_file(written(tmp_path, content))
    assert isinstance(box, BoxTarget) and (box.id, box.frame_index) == (1, 0)
    assert isinstance(point, PointTarget) and (point.id, point.frame_index) == (5, 3)
    assert point.is_inside.tolist() == [True, False]
    assert isinstance(text, TextTarget) and (text.id, text.text) == (3, "the dog")
    assert isinstance(mask, MaskTarget) and mask.mask.sum() == 6 + 3 + 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"box": [1, 2, 3, 4]}, "must hold a list"),
        ([{"box": [1, 2, 5, 6]}, {"id": 2}], "target 1: give exactly one of"),
        ([{"box": [1, 2, 5, 6], "text": "a"}], "target 0: give exactly one of"),
        ([{"text": "a", "colour": 1}], "the keys 'colour' are not understood"),
        ([{"mask": "gone.png"}], "target 0: .*gone.png: there is no such file"),
        ([{"box": [5, 5, 1, 1]}], "target 0: The box of target 1"),
        ([{"points": [[1, "x"]]}], "target 0"),
        ([{"text": " "}], "is blank"),
    ],
)
def test_what_is_wrong_is_named(content, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        targets_from_file(written(tmp_path, content))


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.json"):
        targets_from_file(tmp_path / "gone.json")
    (tmp_path / "text.json").write_text("[{")
    with pytest.raises(ValueError, match="text.json is not a JSON file"):
        targets_from_file(tmp_path / "text.json")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match="text.png is not an image"):
        targets_from_file(tmp_path / "text.png")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match="3 channels"):
        targets_from_file(tmp_path / "colour.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match="shows no object"):
        targets_from_file(tmp_path / "empty.png")


def test_numbers_of_points_and_boxes():
    assert parse_point("12,3.5") == (12, 3.5)
    assert parse_box("1,2,3,4") == (1, 2, 3, 4)
    for text in ("12", "1,2,3", "a,b", ""):
        with pytest.raises(ValueError, match="is not x,y"):
            parse_point(text)


def test_targets_say_the_task():
    point, text = PointTarget(id=1, points=[[1, 1]]), TextTarget(id=2, text="a")
    box = BoxTarget(id=3, box=[0, 0, 1, 1])
    assert task_of_targets([]) is None
    assert task_of_targets([text]) == "refvos"
    assert task_of_targets([point]) == "pet"
    assert task_of_targets([box]) == task_of_targets([box, point]) == "vos"
