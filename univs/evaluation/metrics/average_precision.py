"""Greedy matching of scored predictions to truths, and average precision, as COCO defines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
UNDEFINED = -1.0  # a precision or recall without any truth


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """How the predictions of one category did in one video, under S settings and T thresholds.

    A setting is a range of truths that count, such as "small".

    Attributes:
        scores: [D] float64, descending.
        matched: [S, T, D] bool, the prediction found a truth.
        ignored: [S, T, D] bool, the prediction counts neither as right nor as wrong.
        num_truths: [S] int64, truths that count.
    """

    scores: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    num_truths: np.ndarray


def match_predictions(
    scores: np.ndarray,
    ious: np.ndarray,
    prediction_outside: np.ndarray,
    truth_ignored: np.ndarray,
    truth_crowd: np.ndarray,
    truth_never_matches: np.ndarray | None = None,
) -> MatchRecord:
    """Match the predictions of one category in one video, best score first.

    Each prediction takes the truth of highest IoU, at least the threshold, that is still free; of
    equal ones the last. A truth that counts is preferred to any that is ignored. A crowd can be
    taken any number of times. A prediction is ignored if its truth is, or if it found none and
    lies outside the range itself.

    Args:
        scores: [D] in descending order.
        ious: [D, G].
        prediction_outside: [S, D] bool, the prediction lies outside the range of the setting.
        truth_ignored: [S, G] bool.
        truth_crowd: [G] bool; crowds must be ignored in every setting.
        truth_never_matches: [G] bool, truths that can be taken, but leave the prediction unmatched.
    """
    num_settings, num_truths = truth_ignored.shape
    shape = (num_settings, len(IOU_THRESHOLDS), len(scores))
    matched = np.zeros(shape, dtype=bool)
    ignored = np.zeros(shape, dtype=bool)
    bounds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]  # [T, 1]
    free = np.ones((num_settings, len(IOU_THRESHOLDS), num_truths), dtype=bool)
    counts = ~truth_ignored[:, None]  # [S, 1, G]
    settings, thresholds = np.indices(shape[:2])
    candidates = np.flatnonzero((ious >= bounds[0]).any(axis=1)) if num_truths else []
    for index in candidates:
        eligible = (ious[index] >= bounds) & free  # [S, T, G]
        preferred = eligible & counts
        eligible = np.where(preferred.any(axis=2, keepdims=True), preferred, eligible)
        value = np.where(eligible, ious[index], -1.0)
        best = num_truths - 1 - value[..., ::-1].argmax(axis=2)  # [S, T]
        found = eligible.any(axis=2)
        matched[..., index] = found
        ignored[..., index] = found & truth_ignored[settings, best]
        free[settings, thresholds, best] &= ~found | truth_crowd[best]
        if truth_never_matches is not None:
            matched[..., index] &= ~truth_never_matches[best]
    ignored |= ~matched & prediction_outside[:, None]
    return MatchRecord(scores, matched, ignored, (~truth_ignored).sum(axis=1))


def precision_and_recall(
    records: Sequence[MatchRecord], setting: int, max_detections: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pool one category over videos.

    Args:
        records: one per video, in the order of the videos; may be empty.
        setting: index of the setting.
        max_detections: best-scored predictions that count per video; all by default.

    Returns:
        Interpolated precision at `RECALL_LEVELS`, [T, 101], and highest recall, [T]; all
        `UNDEFINED` if there is no truth that counts.
    """
    num_thresholds = len(IOU_THRESHOLDS)
    precision = np.full((num_thresholds, len(RECALL_LEVELS)), UNDEFINED)
    recall = np.full(num_thresholds, UNDEFINED)
    num_truths = sum(int(record.num_truths[setting]) for record in records)
    if num_truths == 0:
        return precision, recall
    scores = np.concatenate([record.scores[:max_detections] for record in records])
    order = np.argsort(-scores, kind="stable")
    matched = np.concatenate(
        [record.matched[setting, :, :max_detections] for record in records], axis=1
    )[:, order]
    counts = ~np.concatenate(
        [record.ignored[setting, :, :max_detections] for record in records], axis=1
    )[:, order]
    right = np.cumsum(matched & counts, axis=1).astype(np.float64)  # [T, N]
    wrong = np.cumsum(~matched & counts, axis=1).astype(np.float64)
    recalls = right / num_truths
    precisions = right / (wrong + right + np.spacing(1))
    precisions = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    precision[:] = 0.0
    recall[:] = recalls[:, -1] if len(scores) else 0.0
    for threshold in range(num_thresholds):
        places = np.searchsorted(recalls[threshold], RECALL_LEVELS, side="left")
        reached = places < len(scores)
        precision[threshold, reached] = precisions[threshold, places[reached]]
    return precision, recall


def mean_of_defined(values: np.ndarray) -> float:
    """Mean of the entries that are defined; `UNDEFINED` if none is."""
    defined = values[values > UNDEFINED]
    return float(defined.mean()) if defined.size else UNDEFINED


def outside_ranges(values: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """[S, N] bool: value n lies outside range s, whose limits [S, 2] belong to it."""
    return (values < ranges[:, :1]) | (values > ranges[:, 1:])
