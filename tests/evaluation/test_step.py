"""The evaluator of KITTI-STEP."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation.miniatures import NUM_FRAMES, SIZE, box, kitti_step

from univs.evaluation.metrics.panoptic_ids import join_class_and_instance
from univs.evaluation.metrics.segmentation_tracking import KITTI_STEP
from univs.evaluation.panoptic_files import read_step_map
from univs.evaluation.step import StepEvaluator, StepTruth
from univs.structures import Track, VideoResult, encode_mask

NAMES = [f"{frame:06d}.png" for frame in range(NUM_FRAMES)]


def sample(sequence: str) -> dict:
    return {"video_id": sequence, "file_names": NAMES}


def result(swap_at: int | None = None) -> VideoResult:
    """Road everywhere, two cars above it; from ``swap_at`` on they exchange their tracks."""
    tracks = [Track(id=9, size=SIZE, category=0, score=0.1)]
    tracks += [Track(id=i, size=SIZE, category=13, score=0.9) for i in (1, 2)]
    for frame in range(NUM_FRAMES):
        places = [frame, 20 + frame]
        if swap_at is not None and frame >= swap_at:
            places.reverse()
        for track, mask in zip(tracks, [np.ones(SIZE, bool), *map(box, places)], strict=True):
            track.append(encode_mask(mask))
    return VideoResult(num_frames=NUM_FRAMES, size=SIZE, tracks=tracks)


@pytest.fixture
def truth(tmp_path) -> StepTruth:
    kitti_step(tmp_path)
    return StepTruth(tmp_path / "kitti_step/panoptic_maps/val", KITTI_STEP)


def evaluate(truth: StepTruth, **results: VideoResult) -> dict:
    evaluator = StepEvaluator(truth, KITTI_STEP.things)
    for sequence, prediction in results.items():
        evaluator.process([sample(sequence.lstrip("s"))], [prediction])
    return evaluator.evaluate()


def test_exchanged_tracks_cost_association_only(truth):
    good = evaluate(truth, s0002=result(), s0006=result())
    bad = evaluate(truth, s0002=result(), s0006=result(swap_at=2))
    # Half of 20 pixels wide upper part are persons in a crowd, which are predicted as road.
    assert good["panoptic_seg"]["AQ"] == pytest.approx(100)
    assert bad["panoptic_seg"]["IoU"] == good["panoptic_seg"]["IoU"] < 100
    # A car that changes after 2 of 5 frames: 2 * 2/8 + 3 * 3/7 of its 5 frames.
    expected = (2 + 2 * (2 * 2 / 8 + 3 * 3 / 7) / 5) / 4
    assert bad["panoptic_seg"]["AQ"] == pytest.approx(100 * expected)
    assert (good["track_stability"]["IDSw"], bad["track_stability"]["IDSw"]) == (0, 2)


def test_written_maps_hold_class_and_instance(truth, tmp_path):
    evaluator = StepEvaluator(None, KITTI_STEP.things, tmp_path / "out")
    evaluator.process([sample("0010")], [result()])
    assert evaluator.evaluate() == {}
    labels = read_step_map(tmp_path / "out" / "0010" / "000003.png")
    assert labels[10, 5] == join_class_and_instance(13, 1)
    assert labels[0, 0] == 0  # stuff has the instance 0


def test_missing_sequences(truth):
    with pytest.raises(ValueError, match="1 sequences of the data set have no prediction: '0006'"):
        evaluate(truth, s0002=result())
    evaluator = StepEvaluator(truth, KITTI_STEP.things, allow_missing=True)
    evaluator.process([sample("0002")], [result()])
    assert evaluator.evaluate()["panoptic_seg"]["AQ"] == pytest.approx(50)


def test_wrong_input_names_the_sequence(truth):
    with pytest.raises(ValueError, match="give an output_dir"):
        StepEvaluator(None, KITTI_STEP.things)
    evaluator = StepEvaluator(truth, KITTI_STEP.things)
    with pytest.raises(ValueError, match="Sequence '0099' has no annotations"):
        evaluator.process([sample("0099")], [result()])
    with pytest.raises(ValueError, match="Sequence '0002' has 1 frames, but the prediction has 5"):
        evaluator.process([{"video_id": "0002", "file_names": NAMES[:1]}], [result()])
    with pytest.raises(ValueError, match="Sequence '0002': its frames are not the annotated ones"):
        evaluator.process([{"video_id": "0002", "file_names": NAMES[::-1]}], [result()])
    unknown = result()
    unknown.tracks[0].category = None
    with pytest.raises(ValueError, match="Sequence '0002': track 9 has the category None"):
        evaluator.process([sample("0002")], [unknown])
    unknown.tracks[0].category = 19
    with pytest.raises(ValueError, match="Sequence '0002': track 9 has the category 19"):
        evaluator.process([sample("0002")], [unknown])
