from __future__ import annotations

import math

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics import youtube_vos


@pytest.mark.golden("metrics", "ytvos")
@pytest.mark.parametrize("rule", ["after_first", "after_first_before_last"])
def test_videos_equal_the_expected_numbers(case, rule: str) -> None:
    expected = case.meta["expected"]
    if rule not in expected:
        pytest.skip(f"the case has no numbers for {rule}")
    videos = {
        video["name"]: youtube_vos.score_video(
            case.arrays[f"gt_{video['name']}"],
            case.arrays[f"pred_{video['name']}"],
            video=video["name"],
            frame_names=video["frames"],
            objects=video["objects"],
            rule=rule,
        )
        for video in case.meta["parameters"]["videos"]
    }
    seen = case.meta["parameters"]["seen_categories"]
    assert_numbers(youtube_vos.summarize_youtube_vos(videos, seen), expected[rule])


FRAMES = ["00000", "00005", "00010"]
TRUTH = np.zeros((3, 12, 12), dtype=np.uint8)
TRUTH[:, 2:8, 2:8] = 1


def score(prediction=TRUTH, first: int = 0, **options) -> dict:
    objects = {"1": {"category": "dog", "frames": FRAMES[first:]}}
    return youtube_vos.score_video(
        TRUTH, prediction, video="v", frame_names=FRAMES, objects=objects, **options
    )


def test_the_given_frame_needs_no_prediction() -> None:
    assert score([None, TRUTH[1], TRUTH[2]])["1"].j == 1.0
    assert score([None, None, TRUTH[2]], first=1)["1"].j == 1.0
    with pytest.raises(ValueError, match="Video 'v', frame 00005: no prediction"):
        score([None, None, TRUTH[2]])
    assert score([None, None, TRUTH[2]], allow_missing=True)["1"].j == 0.5


def test_object_without_scored_frame_is_left_out_and_empty_groups_are_nan() -> None:
    scores = score(first=2)
    assert math.isnan(scores["1"].j)
    numbers = youtube_vos.summarize_youtube_vos({"v": scores, "w": score()}, ["dog"])["global"]
    assert numbers["J_seen"] == numbers["F_seen"] == 1.0
    assert math.isnan(numbers["J_unseen"]) and math.isnan(numbers["G"])


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="use 'after_first'"):
        score(rule="all")
    with pytest.raises(ValueError, match="object 3: none of its frames"):
        objects = {"3": {"category": "dog", "frames": ["00003"]}}
        youtube_vos.score_video(TRUTH, TRUTH, video="v", frame_names=FRAMES, objects=objects)
    with pytest.raises(ValueError, match="2 frame names, 3 truths"):
        youtube_vos.score_video(TRUTH, TRUTH, video="v", frame_names=FRAMES[1:], objects={})
    with pytest.raises(ValueError, match="frame 00005: the prediction has size 12 x 11"):
        score(TRUTH[:, :, 1:])
