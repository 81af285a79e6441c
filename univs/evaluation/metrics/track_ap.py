"""Average precision of tracks as in TAO and BURST, where annotation is not exhaustive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from univs.evaluation.metrics.average_precision import (
    UNDEFINED,
    MatchRecord,
    precision_and_recall,
)

IOU_THRESHOLDS = np.arange(0.5, 0.96, 0.05)  # 10 values, some an ulp away from COCO's
_EPSILON = np.finfo(np.float64).eps


def match_tracks(iou: np.ndarray, scores: np.ndarray, *, ignore_unmatched: bool) -> MatchRecord:
    """Give every predicted track, best score first, the free truth with the highest IoU.

    Args:
        iou: [P, G], intersection over union of tubes.
        scores: [P].
        ignore_unmatched: the class is not annotated exhaustively in this video.

    Returns:
        A record of one setting.
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
    return MatchRecord(scores, matched[None], ignored[None], np.array([iou.shape[1]]))


def average_precision(videos: Sequence[MatchRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and largest recall of one class over videos.

    Args:
        videos: in the order in which tracks of equal score are ranked.

    Returns:
        Average precision over 101 recalls and recall, float64 [10] each, one value per IoU
        threshold; NaN if there is no truth track.
    """
    precision, recall = precision_and_recall(videos, setting=0)
    is_defined = recall != UNDEFINED
    return (
        np.where(is_defined, precision.mean(axis=1), np.nan),
        np.where(is_defined, recall, np.nan),
    )
