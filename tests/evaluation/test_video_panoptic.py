"""The evaluator of panoptic videos, and its offline counterpart."""

from __future__ import annotations

import json

import numpy as np
import pytest

from univs.evaluation.panoptic_files import read_id_map, write_id_map
from univs.evaluation.panoptic_video_truth import PanopticVideoTruth
from univs.evaluation.video_panoptic import (
    VideoPanopticEvaluator,
    panoptic_percentages,
    score_videos,
)
from univs.structures import Track, VideoResult, encode_mask

SIZE = (12, 20)
CATEGORIES = [{"id": 4, "isthing": 1}, {"id": 0, "isthing": 0, "name": "sky"}]
LENGTHS = {"a": 5, "b": 2}  # indexed by video


def mask(frame, left):
    pixels = np.zeros(SIZE, dtype=bool)
    pixels[4:9, left + frame : left + frame + 6] = True
    return pixels


@pytest.fixture
def data(tmp_path):
    """Sky (70001) above, two things (300 and 301) that move to the right, void elsewhere."""
    annotations = []
    for video, length in LENGTHS.items():
        frames = []
        for frame in range(length):
            ids = np.zeros(SIZE, dtype=np.int64)
            ids[:4] = 70001
            ids[mask(frame, 0)], ids[mask(frame, 8)] = 300, 301
            write_id_map(tmp_path / "truth" / video / f"{frame}.png", ids)
            segments = [
                {"id": i, "category_id": c, "iscrowd": 0, "area": int((ids == i).sum())}
                for i, c in ((70001, 0), (300, 4), (301, 4))
            ]
            frames.append({"file_name": f"{frame}.jpg", "segments_info": segments})
        annotations.append({"video_id": video, "annotations": frames})
    content = {"annotations": annotations, "categories": CATEGORIES}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path


def result(video, shift=0):
    """Categories are positions: 0 is the stuff with the id 0, 1 is the thing with the id 4."""
    sky = np.zeros(SIZE, dtype=bool)
    sky[:4] = True
    frames = range(LENGTHS[video])
    masks = [[sky for _ in frames], *[[mask(t, at + shift) for t in frames] for at in (0, 8)]]
    tracks = [
        Track(
            id=index + 1,
            size=SIZE,
            category=min(index, 1),
            score=1 - 0.1 * index,
            segmentations=[encode_mask(m) for m in track],
        )
        for index, track in enumerate(masks)
    ]
    return VideoResult(num_frames=LENGTHS[video], size=SIZE, tracks=tracks)


def make(data, **arguments):
    truth = PanopticVideoTruth(data / "truth.json", data / "truth")
    evaluator = VideoPanopticEvaluator(truth, data / "results", **arguments)
    evaluator.reset()
    return evaluator


def score(data, shift=0):
    evaluator = make(data, windows=(1, 2, 4))
    for video in ("b", "a"):
        evaluator.process([{"video_id": video}], [result(video, shift)])
    return evaluator.evaluate()["panoptic_seg"]


def test_perfect_prediction(data):
    values = score(data)
    assert list(values) == [
        "VPQ",
        "VPQ_thing",
        "VPQ_stuff",
        "VPQ1",
        "VPQ2",
        "VPQ4",
        "STQ",
        "AQ",
        "IoU",
    ]
    # STQ counts nothing else here: the void around is not a class of the truth.
    assert all(value == pytest.approx(100) for value in values.values())


def test_equals_offline_scoring_of_the_written_files(data):
    values = score(data, shift=1)
    assert 50 < values["VPQ"] < 100 and values["VPQ_stuff"] == 100 > values["VPQ_thing"]
    truth = PanopticVideoTruth(data / "truth.json", data / "truth")
    offline = score_videos(truth, data / "results", (1, 2, 4))
    assert panoptic_percentages(offline, (1, 2, 4), truth.categories) == values
    written = json.loads((data / "results" / "pred.json").read_text())["annotations"]
    assert [video["video_id"] for video in written] == ["a", "b"]
    segments = written[0]["annotations"][0]["segments_info"]
    ids = read_id_map(data / "results" / "pan_pred" / "a" / "0.png")
    assert {s["id"]: s["area"] for s in segments} == {i: int((ids == i).sum()) for i in (1, 2, 3)}


def test_missing_videos(data):
    evaluator = make(data)
    evaluator.process([{"video_id": "a"}], result("a"))
    with pytest.raises(ValueError, match="1 videos .* 'b'"):
        evaluator.evaluate()
    evaluator = make(data, allow_missing=True)
    evaluator.process([{"video_id": "a"}], result("a"))
    assert 0 < evaluator.evaluate()["panoptic_seg"]["VPQ1"] < 100


def test_wrong_input_names_video_and_frame(data):
    evaluator = make(data)
    with pytest.raises(ValueError, match="Video 'z' is not in the annotation file"):
        evaluator.process([{"video_id": "z"}], result("a"))
    with pytest.raises(ValueError, match="Video 'a' has 5 frames, but the prediction has 2"):
        evaluator.process([{"video_id": "a"}], result("b"))
    unknown = result("a")
    unknown.tracks[0].category = 2
    with pytest.raises(ValueError, match="Video 'a': Track 1 has the category 2"):
        evaluator.process([{"video_id": "a"}], unknown)

    score(data)
    arguments = PanopticVideoTruth(data / "truth.json", data / "truth"), data / "results"
    path = data / "results" / "pan_pred" / "a" / "3.png"
    ids = read_id_map(path)
    write_id_map(path, np.where(ids == 2, 9, ids))
    with pytest.raises(ValueError, match="Video 'a', frame 3: the prediction map holds the id 9"):
        score_videos(*arguments)
    write_id_map(path, ids[:, 1:])
    with pytest.raises(ValueError, match="Video 'a', frame 3: the truth has the size"):
        score_videos(*arguments)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="3.png"):
        score_videos(*arguments)
    predicted = json.loads((data / "results" / "pred.json").read_text())
    predicted["annotations"][0]["annotations"].pop()
    (data / "results" / "pred.json").write_text(json.dumps(predicted))
    with pytest.raises(ValueError, match="video 'a': frame 4 is missing"):
        score_videos(*arguments)
    (data / "results" / "pred.json").write_text('{"annotations": [')
    with pytest.raises(ValueError, match="pred.json is not a JSON file"):
        score_videos(*arguments)
