from __future__ import annotations

import math

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics import viposeg


@pytest.mark.golden("metrics", "viposeg")
def test_videos_equal_the_official_tool(case) -> None:
    videos = {}
    for video in case.meta["parameters"]["videos"]:
        name = video["name"]
        references = {i: case.arrays[f"ref_{name}_{i}"] for i in video["reference_frames"]}
        videos[name] = viposeg.score_video(
            case.arrays[f"gt_{name}"],
            case.arrays[f"pred_{name}"],
            references,
            video["obj_class"],
            video=name,
        )
    assert_numbers(viposeg.summarize_viposeg(videos), case.meta["expected"])


def test_groups_cover_the_classes_of_vipseg() -> None:
    groups = [viposeg.group_of(c, "0_x") for c in range(viposeg.NUM_CLASSES)]
    counts = {group: groups.count(group) for group in viposeg.GROUPS}
    # Class 98 is among the seen stuff here.
    assert counts == {"thing_seen": 41, "thing_unseen": 17, "stuff_seen": 49, "stuff_unseen": 17}
    assert viposeg.group_of(98, "0_x") == "stuff_seen"
    assert viposeg.group_of(98, "1067_fk3jhxBi1pA") == "stuff_unseen"
    with pytest.raises(ValueError, match="class 124"):
        viposeg.group_of(124, "0_x")


VIDEO = np.ones((3, 10, 10), dtype=np.uint8)


def score(prediction=VIDEO, references=None, classes=None, **options) -> viposeg.VideoScores:
    references = {0: VIDEO[0]} if references is None else references
    classes = {"1": 2} if classes is None else classes
    return viposeg.score_video(VIDEO, prediction, references, classes, video="v", **options)


def test_the_first_reference_frame_needs_no_prediction() -> None:
    scores = score([None, VIDEO[1], VIDEO[2]])
    assert scores.groups["thing_seen"] == [(1.0, 1.0)] * 2
    assert scores.by_count == {1: [1.0, 1.0]}


def test_empty_masks() -> None:
    empty = np.zeros_like(VIDEO)
    assert score(empty).groups["thing_seen"] == [(0.0, 0.0)] * 2
    absent = viposeg.score_video(empty, empty, {0: VIDEO[0]}, {1: 2}, video="v")
    assert absent.groups["thing_seen"] == [(1.0, 1.0)] * 2


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="Video 'v', frame 00001: no prediction"):
        score(VIDEO[:1], frame_names=["00000", "00001", "00002"])
    with pytest.raises(ValueError, match=r"objects \[1\] have no class"):
        score(classes={})
    with pytest.raises(ValueError, match=r"reference maps for the frames \[5\]"):
        score(references={5: VIDEO[0]})
    with pytest.raises(ValueError, match=r"reference maps for the frames \[\]"):
        score(references={})
    crowd = np.arange(100, dtype=np.uint8).reshape(10, 10)
    with pytest.raises(ValueError, match="99 objects, the metric is defined for up to 79"):
        score(references={0: crowd}, classes=dict.fromkeys(range(1, 100), 2))


def test_nothing_to_score() -> None:
    numbers = viposeg.summarize_viposeg({})
    assert all(math.isnan(value) for value in numbers.values())
