from __future__ import annotations

import numpy as np

from univs.evaluation.metrics.track_ap import average_precision, match_tracks


def test_best_score_takes_the_truth() -> None:
    matches = match_tracks(np.array([[0.9], [0.96]]), np.array([0.2, 0.7]), ignore_unmatched=False)
    np.testing.assert_array_equal(matches.scores, [0.7, 0.2])
    assert matches.matched[0, :, 0].all() and not matches.matched[0, :, 1].any()


def test_average_precision_of_one_hit_and_one_miss() -> None:
    matches = match_tracks(
        np.array([[0.72, 0.0], [0.0, 0.1]]), np.array([0.9, 0.8]), ignore_unmatched=False
    )
    precision, recall = average_precision([matches])
    # Thresholds 0.50 to 0.70 are met by one of two truths: precision 1 at recalls 0 to 0.5.
    np.testing.assert_allclose(precision, [51 / 101] * 5 + [0] * 5)
    np.testing.assert_allclose(recall, [0.5] * 5 + [0] * 5)


def test_unmatched_tracks_can_be_ignored() -> None:
    iou, scores = np.array([[0.0], [1.0]]), np.array([0.9, 0.5])
    counted, _ = average_precision([match_tracks(iou, scores, ignore_unmatched=False)])
    ignored, _ = average_precision([match_tracks(iou, scores, ignore_unmatched=True)])
    np.testing.assert_allclose(counted, 0.5)
    np.testing.assert_allclose(ignored, 1.0)


def test_no_truth_and_no_prediction() -> None:
    nothing = match_tracks(np.zeros((0, 0)), np.zeros(0), ignore_unmatched=False)
    assert np.isnan(average_precision([nothing])).all()
    missed = match_tracks(np.zeros((0, 2)), np.zeros(0), ignore_unmatched=False)
    np.testing.assert_array_equal(average_precision([missed]), np.zeros((2, 10)))
