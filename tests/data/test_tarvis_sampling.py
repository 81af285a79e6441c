from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from univs.data.tarvis_sampling import interleaved_frames, sample_counts

# Data sets of both published stages, in the order of the cases: share, iterations.
STAGES = {
    "pretrain": ({"COCO": 0.55, "ADE20K": 0.2, "CITYSCAPES": 0.05, "MAPILLARY": 0.2}, 500_000),
    "finetune": (
        {
            "YOUTUBE_VIS": 0.225,
            "OVIS": 0.225,
            "KITTI_STEP": 0.075,
            "CITYSCAPES_VPS": 0.075,
            "VIPSEG": 0.15,
            "BURST": 0.2,
            "DAVIS": 0.05,
        },
        90_000,
    ),
}


@pytest.mark.golden("tarvis", "rules")
def test_numbers_of_samples_equal_the_original(case):
    for stage, expected in case.json("rules.json")["dataset_sample_counts"].items():
        if stage == "meaning":
            continue
        weights, iterations = STAGES[stage]
        shares = [weights[name] for name in expected]
        assert sample_counts(shares, iterations * 32) == list(expected.values())


@pytest.mark.golden("tarvis", "rules")
def test_frames_of_burst_equal_the_original(case):
    for example in case.json("rules.json")["burst_frame_sampling"]["cases"]:
        sampled = interleaved_frames(example["num_frames"], example["fps"], example["interleaved"])
        assert sampled == example["sampled"]


@given(st.integers(1, 200), st.integers(2, 30), st.integers(0, 20))
def test_all_annotated_frames_are_sampled(num_frames, fps, num_between):
    frames = interleaved_frames(num_frames, fps, num_between)
    assert set(range(0, num_frames, fps)) <= set(frames)
    assert frames == sorted(set(frames)) and frames[-1] < num_frames


def test_wrong_weights_and_rates_are_refused():
    with pytest.raises(ValueError, match="sum up to 1"):
        sample_counts([0.5, 0.4], 10)
    with pytest.raises(ValueError, match="2 per second"):
        interleaved_frames(10, 1, 3)
