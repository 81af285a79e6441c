from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from univs.data.frames import ImageFrames
from univs.data.record import (
    ExpressionRecord,
    ObjectRecord,
    PromptKind,
    PromptRecord,
    VideoRecord,
)


def _object(number, **changes):
    given = {"id": number, "official_id": 7, "category": 0, "masks": None, "frames": (0, 1)}
    return ObjectRecord(**{**given, **changes})


RECORD = VideoRecord(
    dataset="d",
    domain="ytvis19",
    video_id="9",
    official_id=9,
    frames=ImageFrames("root", ["a.jpg", "b.jpg", "c.jpg"]),
    size=(4, 6),
    objects=(_object(0), _object(1, frames=(2,)), _object(2, frames=(2,), is_crowd=True)),
)


def test_objects_in_frames_leave_out_crowds_and_absent_ones():
    assert [item.id for item in RECORD.objects_in([1])] == [0]
    assert [item.id for item in RECORD.objects_in([0, 2])] == [0, 1]
    assert RECORD.objects_in([]) == []


def test_dataset_dict_keeps_the_official_id_and_file_names():
    entry = RECORD.as_dataset_dict()
    assert entry["record"] is RECORD
    assert entry["video_id"] == 9
    assert entry["file_names"] == ["root/a.jpg", "root/b.jpg", "root/c.jpg"]
    assert (entry["height"], entry["width"], entry["length"]) == (4, 6, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (0, 6)}, "not positive"),
        ({"frames": ImageFrames("root", [])}, "has no frames"),
        ({"objects": (_object(1),)}, "position 0 has id 1"),
        ({"objects": (_object(0, frames=(3,)),)}, "lies outside its 3 frames"),
        ({"prompts": (PromptRecord(3, 0, PromptKind.MASK),)}, "object or frame that is not there"),
        ({"prompts": (PromptRecord(0, 3, PromptKind.MASK),)}, "object or frame that is not there"),
        ({"expressions": (ExpressionRecord(0, "a cat", 5),)}, "names an object that is not there"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(RECORD, **changes)


def test_boxes_must_fit_the_frames():
    with pytest.raises(ValueError, match="boxes of shape"):
        _object(0, boxes=np.zeros((3, 4)))


def test_a_point_prompt_needs_its_point():
    with pytest.raises(ValueError, match="A point prompt needs its point"):
        PromptRecord(0, 0, PromptKind.POINT)


def test_tasks_follow_from_what_is_known():
    assert RECORD.tasks == {"vis"}
    agnostic = replace(RECORD, objects=(_object(0, category=None),))
    assert agnostic.tasks == frozenset()
    assert replace(agnostic, prompts=(PromptRecord(0, 0, PromptKind.MASK),)).tasks == {"vos"}
    assert replace(agnostic, expressions=(ExpressionRecord(0, "a cat"),)).tasks == {"refvos"}
    stuff = replace(RECORD, objects=(_object(0), _object(1, is_thing=False)))
    assert stuff.tasks == {"vis", "vps", "vss"}
