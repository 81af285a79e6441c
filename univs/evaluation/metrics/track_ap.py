"""Average precision of tracks as in TAO and BURST, where annotation is not exhaustive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

IOU_THRESHOLDS = np.arange(0.5, 0.96, 0.05)  # 10 values
RECALLS = np.linspace(0.0, 1.0, 101)
_EPSILON = np.finfo(np.float64).eps


@dataclass(frozen=True)
class TrackMatches:
    """Predicted tracks of one class in one video, by descending score.

    Attributes:
        scores: float64 [P].
        matched: boolean [10, P], matched to a truth at each IoU threshold.
        ignored: boolean [10, P], neither right nor wrong.
        num_truths: truth tracks of the class.
    """

    scores: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    num_truths: int


def match_tracks(iou: np.ndarray, scores: np.ndarray, *, ignore_unmatched: bool) -> TrackMatches:
    """Give every predicted track, best score first, the free truth with the highest IoU.

    Args:
        iou: [P, G], intersection over union of tubes.
        scores: [P].
        ignore_unmatched: the class is not annotated exhaustively in this video.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    scores, iou = np.asarray(scores, dtype=np.float64)[order], np.asarray(iou)[order]
    matched = np.zeros((len(IOU_THRESHOLDS), len(scores)), dtype=bool)
    for row, threshold in enumerate(IOU_THRESHOLDS if iou.size else ()):
        free = iou.copy()
        for track, candidates in enumerate(free):
            best = candidates.max()
            if best >= min(threshold, 1 - 1e-10) - _EPSILON:
                matched[row, track] = True
                # Among equal truths the last one is taken.
                free[:, np.flatnonzero(candidates >= best - _EPSILON)[-1]] = -1
    ignored = ~matched if ignore_unmatched else np.zeros_like(matched)
    return TrackMatches(scores, matched, ignored, iou.shape[1])


def average_precision(videos: Sequence[TrackMatches]) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and largest recall of one class over videos.

    Args:
        videos: in the order in which tracks of equal score are ranked.

    Returns:
        Average precision over 101 recalls and recall, float64 [10] each, one value per IoU
        threshold; NaN if there is no truth track.
    """
    num_truths = sum(video.num_truths for video in videos)
    if not num_truths:
        return np.full((2, len(IOU_THRESHOLDS)), np.nan)
    order = np.argsort(-np.concatenate([video.scores for video in videos]), kind="stable")
    matched = np.concatenate([video.matched for video in videos], axis=1)[:, order]
    ignored = np.concatenate([video.ignored for video in videos], axis=1)[:, order]
    true_positives = np.cumsum(matched & ~ignored, axis=1)  # [10, P]
    false_positives = np.cumsum(~matched & ~ignored, axis=1)
    recall = true_positives / num_truths
    precision = true_positives / (true_positives + false_positives + _EPSILON)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    sampled = np.zeros((len(IOU_THRESHOLDS), len(RECALLS)))
    for row in range(len(IOU_THRESHOLDS)):
        first = np.searchsorted(recall[row], RECALLS, side="left")
        reached = first < len(order)
        sampled[row, reached] = precision[row, first[reached]]
    last_recall = recall[:, -1] if len(order) else np.zeros(len(IOU_THRESHOLDS))
    return sampled.mean(axis=1), last_recall
