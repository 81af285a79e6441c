"""STQ against the official implementation, and VIPSeg's variant against its script."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference.numbers import assert_numbers
from univs.evaluation.metrics.segmentation_tracking import (
    KITTI_STEP,
    SequenceCounts,
    StqProtocol,
    segmentation_tracking_quality,
    sequence_quality,
    vipseg_counts,
    vipseg_protocol,
)
from univs.evaluation.metrics.video_panoptic import PanopticFrame


def step_sequences(case):
    parameters = case.meta["parameters"]
    protocol = StqProtocol(
        num_classes=parameters["num_classes"],
        things=tuple(parameters["things_list"]),
        ignore_label=parameters["ignore_label"],
        label_bit_shift=parameters["label_bit_shift"],
    )
    counts = {}
    for sequence, frame in parameters["update_order"]:
        truth, prediction = (case.arrays[f"{side}_{sequence}"][frame] for side in ("gt", "pred"))
        counts.setdefault(sequence, SequenceCounts()).add(truth, prediction, f"{sequence} {frame}")
    return counts, protocol


def vipseg_sequences(case):
    segments = case.json("segments.json")
    things = [category["id"] for category in segments["categories"] if category["isthing"]]
    counts = {
        video["name"]: vipseg_counts(
            PanopticFrame.from_maps(*frame, video["name"])
            for frame in zip(
                case.arrays[f"gt_{video['name']}"],
                case.arrays[f"pred_{video['name']}"],
                video["gt_segments"],
                video["pred_segments"],
                strict=True,
            )
        )
        for video in segments["videos"]
    }
    return counts, vipseg_protocol(case.meta["parameters"]["num_classes"], things)


@pytest.mark.golden("metrics", "stq")  # and stq_vipseg, whose kind begins with it
def test_golden(case):
    read = {"stq": step_sequences, "stq_vipseg": vipseg_sequences}[case.kind]

    def score():
        counts, protocol = read(case)
        return segmentation_tracking_quality(
            {name: sequence_quality(value, protocol, name) for name, value in counts.items()}
        )

    expected = case.meta["expected"]
    if "error" in expected:
        with pytest.raises(ValueError):
            score()
        return
    assert_numbers(score(), expected)


def label(class_id, instance=0):
    return (class_id << 16) + instance


def quality(truth, prediction, protocol=KITTI_STEP):
    counts = SequenceCounts()
    counts.add(np.array([truth]), np.array([prediction]), "frame 0")
    return segmentation_tracking_quality({"a": sequence_quality(counts, protocol, "a")})


def test_perfect_and_swapped_tracks():
    tracks = [label(11, 1)] * 4 + [label(13, 2)] * 6 + [label(0)] * 5
    assert quality(tracks, tracks)["STQ"] == 1
    merged = [label(11, 1)] * 10 + [label(0)] * 5
    both = [label(11, 1)] * 4 + [label(11, 2)] * 6 + [label(0)] * 5
    result = quality(both, merged)
    assert result["IoU"] == 1
    # Each truth tube t of size n shares n pixels with a prediction of 10: association n / 10.
    assert result["AQ"] == pytest.approx((0.4 + 0.6) / 2)


def test_crowd_has_no_tube_and_does_not_punish_predictions():
    truth = [label(11, 0)] * 3 + [label(11, 1)] * 3
    assert quality(truth, [label(11, 5)] * 6)["AQ"] == 1


def test_nothing_valid_is_nan():
    result = quality([label(255)] * 3, [label(0)] * 3)
    assert math.isnan(result["IoU"]) and result["AQ"] == 0


def test_order_of_frames_and_sequences_does_not_matter():
    rng = np.random.default_rng(0)
    labels = label(np.array([0, 11, 13])) + np.array([0, 1, 2])
    truth, prediction = rng.choice(labels, (2, 4, 6, 6))
    forward, backward = SequenceCounts(), SequenceCounts()
    for frame in range(4):
        forward.add(truth[frame], prediction[frame], "frame")
        backward.add(truth[3 - frame], prediction[3 - frame], "frame")
    for ours, theirs in zip(forward.pairs, backward.pairs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert forward.pairs.counts.sum() == truth.size


def test_wrong_input_names_sequence_and_frame():
    with pytest.raises(ValueError, match="Sequence 'a': the prediction holds the class 30"):
        quality([label(0)], [label(30)])
    counts = SequenceCounts()
    with pytest.raises(ValueError, match="frame 7: the truth has the size"):
        counts.add(np.zeros((2, 2), int), np.zeros((2, 3), int), "frame 7")
    with pytest.raises(ValueError, match="frame 7: Label maps must not hold negative"):
        counts.add(np.full((2, 2), -1), np.zeros((2, 2), int), "frame 7")
