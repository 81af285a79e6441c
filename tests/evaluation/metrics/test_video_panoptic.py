"""Video panoptic quality against the official tool and against a slow transcription."""

from __future__ import annotations

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics.panoptic import PanopticCategories, image_statistics
from univs.evaluation.metrics.video_panoptic import (
    PanopticFrame,
    video_panoptic_quality,
    video_statistics,
)

CATEGORIES = PanopticCategories.from_json(
    [{"id": 3, "isthing": 1}, {"id": 5, "isthing": 1}, {"id": 8, "isthing": 0}]
)


def frames_of(case, video):
    return [
        PanopticFrame.from_maps(*frame, video["name"])
        for frame in zip(
            case.arrays[f"gt_{video['name']}"],
            case.arrays[f"pred_{video['name']}"],
            video["gt_segments"],
            video["pred_segments"],
            strict=True,
        )
    ]


def with_text_keys(quality):
    return {**quality, "per_class": {str(key): row for key, row in quality["per_class"].items()}}


@pytest.mark.golden("metrics", "vpq")
def test_golden(case):
    segments = case.json("segments.json")
    categories = PanopticCategories.from_json(segments["categories"])
    windows = case.meta["parameters"]["windows"]

    def score():
        videos = [
            video_statistics(frames_of(case, video), windows, categories, video["name"])
            for video in segments["videos"]
        ]
        return video_panoptic_quality(videos, windows, categories)

    expected = case.meta["expected"]
    if "error" in expected:
        with pytest.raises(ValueError):
            score()
        return
    actual = score()
    actual["per_window"] = {
        str(length): with_text_keys(quality) for length, quality in actual["per_window"].items()
    }
    assert_numbers(actual, expected)
    for length, quality in expected["per_window"].items():
        counted = {
            key
            for key, row in actual["per_window"][length]["per_class"].items()
            if row["tp"] + row["fp"] + row["fn"]
        }
        assert counted == set(quality["per_class"])


def random_frame(rng):
    """Maps and lists of blocks of ids, some of them void, unlisted in the truth, or crowd."""

    blocks = rng.integers(0, 6, (4, 3))
    right = np.array([0, 11, 13, 12, 13, 0])[blocks]
    predicted_blocks = np.where(rng.random((4, 3)) < 0.7, right, rng.choice([0, 11, 12], (4, 3)))
    truth, prediction = (
        np.kron(ids, np.ones((4, 6), dtype=int)) for ids in (blocks, predicted_blocks)
    )
    category_of = {1: 3, 2: 8, 3: 5, 4: 8, 11: 3, 12: 5, 13: 8}
    truth_segments = [
        {
            "id": i,
            "category_id": category_of[i],
            "iscrowd": int(i == 3),
            "area": int((truth == i).sum()),
        }
        for i in (1, 2, 3, 4)  # 5 is not listed
        if (truth == i).any()
    ]
    predicted = [
        {"id": i, "category_id": category_of[i]} for i in (11, 12, 13) if (prediction == i).any()
    ]
    return truth, prediction, truth_segments, predicted


@pytest.mark.parametrize("seed", range(5))
def test_a_window_is_an_image_of_all_its_frames(seed):
    """With constant categories, tubes of a window are the segments of its frames side by side."""
    rng = np.random.default_rng(seed)
    frames = [random_frame(rng) for _ in range(6)]
    statistics = video_statistics(
        [PanopticFrame.from_maps(*frame, "frame") for frame in frames], (1, 3), CATEGORIES, "video"
    )
    for length in (1, 3):
        total = None
        for start in range(len(frames) - length + 1):
            window = frames[start : start + length]
            truths: dict[int, dict] = {}
            for frame in window:
                for segment in frame[2]:
                    tube = truths.setdefault(segment["id"], {**segment, "area": 0})
                    tube["area"] += segment["area"]
            image = image_statistics(
                np.concatenate([frame[0] for frame in window]),
                np.concatenate([frame[1] for frame in window]),
                list(truths.values()),
                list({s["id"]: s for frame in window for s in frame[3]}.values()),
                CATEGORIES,
                "window",
            )
            total = image if total is None else total + image
        for name in ("iou", "tp", "fp", "fn"):
            np.testing.assert_allclose(
                getattr(statistics[length], name), getattr(total, name), rtol=1e-12
            )
        assert statistics[length].tp.sum() and statistics[length].fp.sum()


def test_short_and_empty_videos_add_nothing():
    frame = PanopticFrame.from_maps(*random_frame(np.random.default_rng(0)), "frame")
    for frames in ([], [frame]):
        statistics = video_statistics(frames, (2, 4), CATEGORIES, "video")
        assert not any(statistics[k].tp.any() or statistics[k].fn.any() for k in (2, 4))
    quality = video_panoptic_quality([statistics], (2, 4), CATEGORIES)
    assert np.isnan(quality["VPQ"]) and quality["per_window"][2]["All"]["n"] == 0


def test_wrong_input_names_video_and_frame():
    truth, prediction, listed, predicted = random_frame(np.random.default_rng(0))
    good = PanopticFrame.from_maps(truth, prediction, listed, predicted, "frame 0")
    with pytest.raises(ValueError, match="Video 'a', frame 1: the truth has the size"):
        PanopticFrame.from_maps(truth, prediction[:-1], listed, predicted, "Video 'a', frame 1")
    unknown = [{**predicted[0], "category_id": 4}, *predicted[1:]]
    for changes, message in [
        ({"predicted_segments": []}, "frame 1: the prediction map holds the id"),
        (
            {"predicted_segments": [*predicted, {"id": 99, "category_id": 3}]},
            "frame 1: .* lists the id 99, which its map",
        ),
        ({"predicted_segments": unknown}, "frame 1, prediction, segment 1.: the category 4"),
        (
            {"truth_segments": [{**segment, "category_id": 4} for segment in listed]},
            "frame 1, truth, segment .: the category 4",
        ),
        (
            {"truth_segments": [{**segment, "area": 1} for segment in listed]},
            "frames 1 to 1: the listed area of the truth segment",
        ),
    ]:
        with pytest.raises(ValueError, match=f"Video 'a', {message}"):
            video_statistics([good, good._replace(**changes)], (1,), CATEGORIES, "a")
