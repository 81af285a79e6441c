"""HOTA: higher order tracking accuracy and its parts (Luiten et al., IJCV 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

ALPHAS = np.arange(0.05, 0.99, 0.05)  # 19 localisation thresholds
_EPSILON = np.finfo(np.float64).eps
_COUNTS = ("HOTA_TP", "HOTA_FN", "HOTA_FP")
_WEIGHTED = ("AssRe", "AssPr", "AssA")


def hota_sequence(
    truth_ids: Sequence[np.ndarray],
    tracker_ids: Sequence[np.ndarray],
    similarities: Sequence[np.ndarray],
    *,
    name: str = "",
) -> dict[str, np.ndarray | float]:
    """HOTA of one sequence.

    Args:
        truth_ids: per time step the ids of its truths, integers [G_t]; contiguous from 0.
        tracker_ids: per time step the ids of its predictions, integers [P_t]; contiguous from 0.
        similarities: per time step [G_t, P_t], in [0, 1].
        name: name of the sequence, for messages.

    Returns:
        ``HOTA_TP``, ``HOTA_FN``, ``HOTA_FP``, ``HOTA``, ``DetA``, ``AssA``, ``DetRe``, ``DetPr``,
        ``AssRe``, ``AssPr``, ``LocA``, ``OWTA``: float64 [19], one value per threshold; and the
        values at the first threshold, ``HOTA(0)``, ``LocA(0)``, ``HOTALocA(0)``.

    Raises:
        ValueError: an id occurs twice in a time step, or shapes do not agree.
    """
    truth_ids = [np.asarray(ids, dtype=np.int64) for ids in truth_ids]
    tracker_ids = [np.asarray(ids, dtype=np.int64) for ids in tracker_ids]
    _check(truth_ids, tracker_ids, similarities, name)
    num_truths = sum(len(ids) for ids in truth_ids)
    num_predictions = sum(len(ids) for ids in tracker_ids)
    result: dict[str, np.ndarray | float] = {
        key: np.zeros(len(ALPHAS)) for key in (*_COUNTS, *_WEIGHTED)
    }
    if not num_truths or not num_predictions:
        result["HOTA_FN"] += num_truths
        result["HOTA_FP"] += num_predictions
        result["LocA"] = np.ones(len(ALPHAS))
        return _finish(result)

    truth_count = np.bincount(np.concatenate(truth_ids))[:, None].astype(np.float64)  # [G, 1]
    tracker_count = np.bincount(np.concatenate(tracker_ids))[None].astype(np.float64)  # [1, P]
    alignment = _alignment(truth_ids, tracker_ids, similarities, truth_count, tracker_count)
    matches, location = _match(truth_ids, tracker_ids, similarities, alignment)

    true_positives = matches.sum(axis=(1, 2))
    result["HOTA_TP"] = true_positives
    result["HOTA_FN"] = num_truths - true_positives
    result["HOTA_FP"] = num_predictions - true_positives
    divisor = np.maximum(1, true_positives)
    for key, size in (
        ("AssA", np.maximum(1, truth_count + tracker_count - matches)),
        ("AssRe", np.maximum(1, truth_count)),
        ("AssPr", np.maximum(1, tracker_count)),
    ):
        result[key] = (matches * (matches / size)).sum(axis=(1, 2)) / divisor
    result["LocA"] = np.maximum(1e-10, location) / np.maximum(1e-10, true_positives)
    return _finish(result)


def combine_hota(
    sequences: Iterable[Mapping[str, np.ndarray | float]],
) -> dict[str, np.ndarray | float]:
    """HOTA of several sequences: counts are added, the rest is weighted by true positives.

    Args:
        sequences: results of :func:`hota_sequence`, one at least.
    """
    sequences = list(sequences)
    if not sequences:
        raise ValueError("There is no sequence to combine.")
    result: dict[str, np.ndarray | float] = {
        key: np.sum([sequence[key] for sequence in sequences], axis=0) for key in _COUNTS
    }
    true_positives = result["HOTA_TP"]
    sums = {
        key: np.sum([sequence[key] * sequence["HOTA_TP"] for sequence in sequences], axis=0)
        for key in (*_WEIGHTED, "LocA")
    }
    for key in _WEIGHTED:
        result[key] = sums[key] / np.maximum(1, true_positives)
    result["LocA"] = np.maximum(1e-10, sums["LocA"]) / np.maximum(1e-10, true_positives)
    return _finish(result)


def _check(
    truth_ids: list[np.ndarray],
    tracker_ids: list[np.ndarray],
    similarities: Sequence[np.ndarray],
    name: str,
) -> None:
    if not len(truth_ids) == len(tracker_ids) == len(similarities):
        raise ValueError(
            f"Sequence {name!r}: {len(truth_ids)} time steps of truth, {len(tracker_ids)} of "
            f"predictions, {len(similarities)} of similarities."
        )
    for t, (truths, predictions, similarity) in enumerate(
        zip(truth_ids, tracker_ids, similarities, strict=True)
    ):
        for what, ids in (("truth", truths), ("prediction", predictions)):
            if len(np.unique(ids)) != len(ids):
                raise ValueError(f"Sequence {name!r}, time step {t}: a {what} id occurs twice.")
            if ids.size and ids.min() < 0:
                raise ValueError(f"Sequence {name!r}, time step {t}: a {what} id is negative.")
        expected = (len(truths), len(predictions))
        if all(expected) and np.shape(similarity) != expected:
            raise ValueError(
                f"Sequence {name!r}, time step {t}: similarities of shape {np.shape(similarity)} "
                f"for {len(truths)} truths and {len(predictions)} predictions."
            )


def _alignment(
    truth_ids: list[np.ndarray],
    tracker_ids: list[np.ndarray],
    similarities: Sequence[np.ndarray],
    truth_count: np.ndarray,
    tracker_count: np.ndarray,
) -> np.ndarray:
    """How well truth g and track p go together over the whole sequence, [G, P]."""
    potential = np.zeros((len(truth_count), tracker_count.shape[1]))
    for truths, predictions, similarity in zip(truth_ids, tracker_ids, similarities, strict=True):
        if len(truths) and len(predictions):
            rest = similarity.sum(axis=1, keepdims=True) + similarity.sum(axis=0) - similarity
            share = np.divide(similarity, rest, out=np.zeros_like(rest), where=rest > _EPSILON)
            potential[truths[:, None], predictions] += share
    return potential / (truth_count + tracker_count - potential)


def _match(
    truth_ids: list[np.ndarray],
    tracker_ids: list[np.ndarray],
    similarities: Sequence[np.ndarray],
    alignment: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Matches per threshold and pair, [19, G, P], and summed similarity of the matches, [19]."""
    matches = np.zeros((len(ALPHAS), *alignment.shape))
    location = np.zeros(len(ALPHAS))
    for truths, predictions, similarity in zip(truth_ids, tracker_ids, similarities, strict=True):
        if not len(truths) or not len(predictions):
            continue
        rows, columns = linear_sum_assignment(-alignment[truths[:, None], predictions] * similarity)
        matched = similarity[rows, columns]  # [M]
        is_match = matched >= ALPHAS[:, None] - _EPSILON  # [19, M]
        matches[:, truths[rows], predictions[columns]] += is_match
        location += is_match @ matched
    return matches, location


def _finish(result: dict[str, np.ndarray | float]) -> dict[str, np.ndarray | float]:
    """Add the fields that follow from counts and association."""
    true_positives, misses, false_alarms = (result[key] for key in _COUNTS)
    result["DetRe"] = true_positives / np.maximum(1, true_positives + misses)
    result["DetPr"] = true_positives / np.maximum(1, true_positives + false_alarms)
    result["DetA"] = true_positives / np.maximum(1, true_positives + misses + false_alarms)
    result["HOTA"] = np.sqrt(result["DetA"] * result["AssA"])
    result["OWTA"] = np.sqrt(result["DetRe"] * result["AssA"])
    result["HOTA(0)"] = float(result["HOTA"][0])
    result["LocA(0)"] = float(result["LocA"][0])
    result["HOTALocA(0)"] = result["HOTA(0)"] * result["LocA(0)"]
    return result
