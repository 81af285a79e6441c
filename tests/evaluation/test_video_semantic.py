"""The evaluator of per-pixel categories, and its offline counterpart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from univs.evaluation.video_semantic import VideoSemanticEvaluator, score_result_folder
from univs.structures import VOID_LABEL, VideoResult

CLASSES = ["sky", "road", "car"]
SIZE = (12, 16)
LENGTHS = {"a": 10, "b": 18, "c": 3}  # indexed by video


@pytest.fixture
def data(tmp_path):
    """Raw masks on disk: 0 others, 1..3 the classes, 255 void."""
    rng = np.random.default_rng(0)
    for video, length in LENGTHS.items():
        folder = tmp_path / "data" / video / "mask"
        folder.mkdir(parents=True)
        raw = rng.choice([0, 1, 2, 3, 255], SIZE).astype(np.uint8)
        for frame in range(length):
            changed = rng.random(SIZE) < 0.05
            raw = np.where(changed, rng.choice([1, 2, 3], SIZE), raw).astype(np.uint8)
            Image.fromarray(raw).save(folder / f"{frame:05d}.png")
    return tmp_path / "data"


def sample(data, video):
    names = [str(data / video / "origin" / f"{i:05d}.jpg") for i in range(LENGTHS[video])]
    return {"video_id": video, "file_names": names}


def result(video, seed=0):
    rng = np.random.default_rng(seed)
    label_maps = rng.integers(-1, 3, (1, *SIZE)).repeat(LENGTHS[video], axis=0)
    label_maps[-1, 0, 0] = VOID_LABEL
    return VideoResult(num_frames=LENGTHS[video], size=SIZE, label_maps=list(label_maps))


def test_equals_offline_scoring_of_the_written_files(data, tmp_path):
    evaluator = VideoSemanticEvaluator(CLASSES, tmp_path / "results", video_ids=list(LENGTHS))
    evaluator.reset()
    for video in ("c", "a", "b"):
        evaluator.process([sample(data, video)], [result(video)])
    values = evaluator.evaluate()["sem_seg"]
    assert list(values)[:6] == ["mIoU", "fwIoU", "Acc", "Acc_class", "VC8", "VC16"]
    assert 0 < values["mIoU"] < 100 and 0 < values["VC8"] <= 100 and 0 < values["VC16"] <= 100
    offline = score_result_folder(data, tmp_path / "results", list(LENGTHS), CLASSES)
    assert offline == values
    written = np.asarray(Image.open(tmp_path / "results" / "c" / "00002.png"))
    expected = result("c").label_maps[2]
    np.testing.assert_array_equal(written, np.where(expected == VOID_LABEL, 255, expected))


def test_split_without_masks_is_written_only(tmp_path):
    evaluator = VideoSemanticEvaluator(CLASSES, tmp_path / "results")
    evaluator.process([sample(tmp_path / "nowhere", "c")], result("c"))
    assert evaluator.evaluate() == {}
    assert len(list((tmp_path / "results" / "c").iterdir())) == 3


def test_wrong_input_names_video_and_frame(data, tmp_path):
    evaluator = VideoSemanticEvaluator(CLASSES, video_ids=list(LENGTHS))
    with pytest.raises(ValueError, match="Video 'a' has 10 frames, but the prediction has 3"):
        evaluator.process([sample(data, "a")], [result("c")])
    with pytest.raises(ValueError, match="Video 'c': the result has no label maps"):
        evaluator.process([sample(data, "c")], VideoResult(num_frames=3, size=SIZE))
    unknown = result("c")
    unknown.label_maps[1][0, 0] = 300
    with pytest.raises(ValueError, match="Video 'c', frame 00001: the labels -1 to 300"):
        evaluator.process([sample(data, "c")], [unknown])
    evaluator.reset()
    evaluator.process([sample(data, "c")], [result("c")])
    with pytest.raises(ValueError, match="2 videos .* 'a', 'b'"):
        evaluator.evaluate()
    evaluator = VideoSemanticEvaluator(CLASSES, tmp_path / "results")
    evaluator.process([sample(data, "c")], [result("c")])
    (tmp_path / "results" / "c" / "00001.png").unlink()
    with pytest.raises(FileNotFoundError, match="00001.png"):
        score_result_folder(data, tmp_path / "results", ["c"], CLASSES)
    (data / "c" / "mask" / "00001.png").unlink()
    with pytest.raises(FileNotFoundError, match="00001.png"):
        evaluator.reset()
        evaluator.process([sample(data, "c")], [result("c")])
