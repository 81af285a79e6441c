from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from univs.evaluation.label_map_files import frame_names, read_label_map, write_video
from univs.evaluation.video_object import VideoObjectEvaluator
from univs.evaluation.video_object_protocols import DavisProtocol, score_result_folder
from univs.structures import Track, VideoResult, encode_mask

NAMES = [f"{t:05d}" for t in range(4)]


def moving_squares() -> np.ndarray:
    maps = np.zeros((4, 24, 32), dtype=np.uint8)
    for t in range(4):
        maps[t, 2:9, 3 + t : 12 + t] = 1
        maps[t, 12:20, 3 + 2 * t : 12 + 2 * t] = 2
    return maps


def result_of(maps: np.ndarray, ids: tuple[int, ...] = (1, 2)) -> VideoResult:
    size = maps.shape[1:]
    tracks = [
        Track(
            id=i + 10,
            size=size,
            target_id=i,
            segmentations=[encode_mask(label_map == i) for label_map in maps],
        )
        for i in ids
    ]
    return VideoResult(num_frames=len(maps), size=size, tracks=tracks)


def sample(video: str) -> dict:
    return {"video_id": video, "file_names": [f"images/{video}/{name}.jpg" for name in NAMES]}


@pytest.fixture
def truth(tmp_path) -> Path:
    for video in ("bear", "camel"):
        write_video(tmp_path / "truth" / video, list(zip(NAMES, moving_squares(), strict=True)))
    return tmp_path / "truth"


@pytest.mark.parametrize("task", ["semi-supervised", "unsupervised"])
def test_streaming_equals_scoring_the_written_files(truth, tmp_path, task: str) -> None:
    protocol = DavisProtocol(truth, task=task)
    evaluator = VideoObjectEvaluator(protocol, output_dir=tmp_path / "results")
    shifted = np.roll(moving_squares(), 2, axis=2)
    evaluator.process([sample("bear")], [result_of(moving_squares())])
    evaluator.process([sample("camel")], [result_of(shifted)])
    numbers = evaluator.evaluate()[f"davis_{task.replace('-', '_')}"]
    files = score_result_folder(protocol, tmp_path / "results")
    assert numbers == {name: files[name] for name in numbers}
    assert 0.5 < numbers["J-Mean"] < 1
    assert frame_names(tmp_path / "results" / "camel") == NAMES
    np.testing.assert_array_equal(
        read_label_map(tmp_path / "results" / "camel" / "00001.png"), shifted[1]
    )
    table = (tmp_path / "results" / "per-sequence_results-val.csv").read_text().splitlines()
    assert table[0] == "Sequence,J-Mean,F-Mean" and table[1] == "bear_1,1.000,1.000"
    assert len(table) == 5
    assert (tmp_path / "results" / "global_results-val.csv").exists()


def test_results_without_public_truth_are_only_written(tmp_path) -> None:
    evaluator = VideoObjectEvaluator(None, output_dir=tmp_path)
    evaluator.process([sample("bear")], [result_of(moving_squares())])
    assert evaluator.evaluate() == {}
    np.testing.assert_array_equal(read_label_map(tmp_path / "bear/00003.png"), moving_squares()[3])


def test_objects_without_target_are_numbered_by_score(tmp_path) -> None:
    maps = moving_squares()
    tracks = [
        Track(id=9, size=(24, 32), score=0.2, segmentations=[encode_mask(m == 1) for m in maps]),
        Track(id=5, size=(24, 32), score=0.9, segmentations=[encode_mask(m == 2) for m in maps]),
        Track(id=7, size=(24, 32), score=0.1, segmentations=[encode_mask(m >= 0) for m in maps]),
    ]
    result = VideoResult(num_frames=4, size=(24, 32), tracks=tracks)
    evaluator = VideoObjectEvaluator(None, output_dir=tmp_path, max_objects=2)
    evaluator.process([sample("bear")], [result])
    expected = np.choose(maps[0], [0, 2, 1])
    np.testing.assert_array_equal(read_label_map(tmp_path / "bear/00000.png"), expected)
    with pytest.raises(ValueError, match="Video 'bear': No track belongs to a target"):
        VideoObjectEvaluator(None, output_dir=tmp_path).process([sample("bear")], [result])


def test_missing_videos_are_named_or_scored_empty(truth) -> None:
    for allow_missing in (False, True):
        evaluator = VideoObjectEvaluator(DavisProtocol(truth, allow_missing=allow_missing))
        evaluator.process([sample("bear")], [result_of(moving_squares())])
        if allow_missing:
            assert evaluator.evaluate()["davis_semi_supervised"]["J-Mean"] == 0.5
        else:
            with pytest.raises(
                ValueError, match="1 videos of the data set have no prediction: 'camel'"
            ):
                evaluator.evaluate()


def test_empty_result_and_reset(truth) -> None:
    evaluator = VideoObjectEvaluator(DavisProtocol(truth, videos=["bear"]))
    evaluator.process([sample("bear")], [result_of(moving_squares(), ids=())])
    assert evaluator.evaluate()["davis_semi_supervised"]["J&F-Mean"] == 0
    evaluator.reset()
    evaluator.process([sample("bear")], [result_of(moving_squares())])
    assert evaluator.evaluate()["davis_semi_supervised"]["J&F-Mean"] == 1


def test_bad_input(truth, tmp_path) -> None:
    with pytest.raises(ValueError, match="Give a protocol"):
        VideoObjectEvaluator(None)
    evaluator = VideoObjectEvaluator(DavisProtocol(truth), output_dir=tmp_path / "results")
    good = result_of(moving_squares())
    with pytest.raises(ValueError, match="Video 'dog' has no truth"):
        evaluator.process([sample("dog")], [good])
    with pytest.raises(ValueError, match="Video 'bear': 3 frame names for a result of 4"):
        evaluator.process([{"video_id": "bear", "file_names": NAMES[:3]}], [good])
    with pytest.raises(ValueError, match="two frames have the same name"):
        evaluator.process([{"video_id": "bear", "file_names": NAMES[:3] + NAMES[:1]}], [good])
    with pytest.raises(ValueError, match="cannot be the name of a folder"):
        evaluator.process([sample("../bear")], [good])
    doubled = VideoResult(
        num_frames=4,
        size=good.size,
        tracks=[Track(id=k, size=good.size, target_id=1, segmentations=[None] * 4) for k in (1, 2)],
    )
    with pytest.raises(ValueError, match="Video 'bear': Two tracks belong to one target"):
        evaluator.process([sample("bear")], [doubled])
    with pytest.raises(ValueError, match="Video 'bear', frame 00001: predicted ids"):
        evaluator.process([sample("bear")], [result_of(moving_squares() * 2, ids=(4,))])
    evaluator.process([sample("bear")], [good])
    with pytest.raises(ValueError, match="'bear' was processed twice"):
        evaluator.process([sample("bear")], [good])
