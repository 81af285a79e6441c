"""The evaluator of tracks: same numbers as the offline metric, and the file it writes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from detectron2.data import MetadataCatalog
from univs.evaluation.metrics.youtube_vis import youtube_vis_ap
from univs.evaluation.video_instance import YoutubeVISEvaluator, score_result_file
from univs.structures import Track, VideoResult, encode_mask

SIZE = (20, 30)
CATEGORY_IDS = [3, 7]  # of the data set; contiguous 0 and 1
NUM_FRAMES = {1: 4, 2: 3, 5: 4}  # indexed by video id


def mask(left: int, width: int = 8) -> dict:
    pixels = np.zeros(SIZE, dtype=bool)
    pixels[4:14, left : left + width] = True
    return encode_mask(pixels)


def truth_file(folder, annotations=True):
    tracks = []
    if annotations:
        for index, (video_id, category_id) in enumerate([(1, 3), (1, 7), (2, 3), (5, 7)]):
            frames = NUM_FRAMES[video_id]
            masks = [mask(2 * t + 3 * index) for t in range(frames)]
            masks[0] = None if index == 2 else masks[0]
            tracks.append(
                {
                    "id": index + 1,
                    "video_id": video_id,
                    "category_id": category_id,
                    "segmentations": masks,
                    "areas": [None if m is None else 80 for m in masks],
                    "iscrowd": 0,
                }
            )
    data = {
        "videos": [
            {"id": i, "height": SIZE[0], "width": SIZE[1], "length": n, "file_names": []}
            for i, n in NUM_FRAMES.items()
        ],
        "categories": [{"id": i, "name": f"class {i}"} for i in CATEGORY_IDS],
        "annotations": tracks if annotations else None,
    }
    path = folder / "truth.json"
    path.write_text(json.dumps(data))
    return path


def prediction(video_id: int, seed: int = 0) -> VideoResult:
    rng = np.random.default_rng([video_id, seed])
    tracks = [
        Track(
            id=index + 1,
            size=SIZE,
            category=int(rng.integers(2)),
            score=float(rng.random()),
            segmentations=[
                mask(2 * t + 3 * index, int(rng.integers(5, 9))) if rng.random() < 0.9 else None
                for t in range(NUM_FRAMES[video_id])
            ],
        )
        for index in range(5)
    ]
    return VideoResult(num_frames=NUM_FRAMES[video_id], size=SIZE, tracks=tracks)


@pytest.fixture
def make_evaluator(tmp_path):
    names = []

    def make(annotations=True, **arguments):
        name = f"tracks_{tmp_path.name}_{len(names)}"
        names.append(name)
        MetadataCatalog.get(name).set(
            json_file=str(truth_file(tmp_path, annotations)),
            thing_dataset_id_to_contiguous_id={3: 0, 7: 1},
        )
        evaluator = YoutubeVISEvaluator(name, tmp_path / "inference", **arguments)
        evaluator.reset()
        return evaluator

    yield make
    for name in names:
        MetadataCatalog.remove(name)


def test_equals_the_metric_on_the_written_file(make_evaluator, tmp_path):
    evaluator = make_evaluator()
    for video_id in (5, 1, 2):  # any order
        evaluator.process([{"video_id": video_id}], prediction(video_id))
    results = evaluator.evaluate()["segm"]

    records = json.loads((tmp_path / "inference" / "results.json").read_text())
    assert [r["video_id"] for r in records] == [1] * 5 + [2] * 5 + [5] * 5
    assert {r["category_id"] for r in records} <= set(CATEGORY_IDS)
    assert all(len(r["segmentations"]) == NUM_FRAMES[r["video_id"]] for r in records)
    offline = youtube_vis_ap(json.loads((tmp_path / "truth.json").read_text()), records)
    assert 0 < offline.stats["AP"] < 1
    for name, value in offline.stats.items():
        expected = 100 * value if value >= 0 else math.nan
        np.testing.assert_equal(results[name], expected)
    assert results["AP-class 7"] == 100 * offline.per_category[7]
    again = score_result_file(tmp_path / "truth.json", tmp_path / "inference" / "results.json")
    np.testing.assert_equal(dict(again["segm"]), dict(results))


def test_perfect_and_empty_predictions(make_evaluator, tmp_path):
    evaluator = make_evaluator()
    for video_id, frames in NUM_FRAMES.items():
        evaluator.process(
            [{"video_id": video_id}], [VideoResult(num_frames=frames, size=SIZE, tracks=[])]
        )
    assert evaluator.evaluate()["segm"]["AP"] == 0

    evaluator.reset()
    truth = json.loads((tmp_path / "truth.json").read_text())
    for video_id, frames in NUM_FRAMES.items():
        tracks = [
            Track(
                id=a["id"],
                size=SIZE,
                category=CATEGORY_IDS.index(a["category_id"]),
                segmentations=a["segmentations"],
            )
            for a in truth["annotations"]
            if a["video_id"] == video_id
        ]
        evaluator.process(
            [{"video_id": video_id}], VideoResult(num_frames=frames, size=SIZE, tracks=tracks)
        )
    assert evaluator.evaluate()["segm"]["AP"] == pytest.approx(100, abs=1e-9)


def test_test_split_writes_results_only(make_evaluator, tmp_path):
    evaluator = make_evaluator(annotations=False)
    evaluator.process([{"video_id": 1}], prediction(1))
    assert evaluator.evaluate() == {}
    assert len(json.loads((tmp_path / "inference" / "results.json").read_text())) == 5


def test_missing_videos(make_evaluator):
    evaluator = make_evaluator()
    evaluator.process([{"video_id": 2}], prediction(2))
    with pytest.raises(ValueError, match="2 videos .* no prediction: 1, 5"):
        evaluator.evaluate()
    evaluator = make_evaluator(allow_missing=True)
    evaluator.process([{"video_id": 2}], prediction(2))
    assert evaluator.evaluate()["segm"]["AP"] >= 0


def test_stability_counts_confident_tracks_only(make_evaluator):
    evaluator = make_evaluator()
    for video_id, num_frames in NUM_FRAMES.items():
        truths = {1: [0, 3], 2: [6], 5: [9]}[video_id]  # where the objects of the truth begin
        tracks = [
            Track(
                id=2 * index + part + 1,
                size=SIZE,
                category=0,  # of some objects the wrong one, which does not matter
                score=0.5 - 0.3 * part,
                segmentations=[
                    None if t == 1 and video_id == 5 else mask(2 * t + left)
                    for t in range(num_frames)
                ],
            )
            for index, left in enumerate(truths)
            for part in (0, 1)  # the second one is a guess
        ]
        result = VideoResult(num_frames=num_frames, size=SIZE, tracks=tracks)
        evaluator.process([{"video_id": video_id}], result)
    numbers = evaluator.evaluate()["track_stability"]
    # 14 visible frames, one of them missed; one mask where the truth has none.
    assert (numbers["IDSw"], numbers["Frag"]) == (0, 1)
    assert numbers["MOTA"] == pytest.approx(100 * (1 - 2 / 14))
    assert (numbers["MT"], numbers["ML"]) == (75, 0)


def test_wrong_input_names_the_video(make_evaluator):
    evaluator = make_evaluator()
    with pytest.raises(ValueError, match="Video 9 is not in the annotation file"):
        evaluator.process([{"video_id": 9}], prediction(1))
    with pytest.raises(ValueError, match="Video 2 has 3 frames, but the prediction has 4"):
        evaluator.process([{"video_id": 2}], prediction(1))
    result = prediction(1)
    result.tracks[0].category = 2
    with pytest.raises(ValueError, match="Video 1: Track 1 has the category 2"):
        evaluator.process([{"video_id": 1}], result)
    evaluator.process([{"video_id": 1}], prediction(1))
    with pytest.raises(ValueError, match="Video 1 was processed twice"):
        evaluator.process([{"video_id": 1}], prediction(1))
