"""DAVIS: J and F with mean, recall and decay; semi-supervised and unsupervised protocol.

As published with the DAVIS 2017 and 2019 challenges. Ref-DAVIS17 and MOSE v1 use the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from univs.evaluation.metrics.boundary import (
    PackedBoundary,
    boundary_radius,
    bounding_window,
    disk,
    packed_boundary_f,
    region_and_boundary,
)
from univs.evaluation.metrics.frame_pairs import Frames, frame_pairs

VOID = 255
MAX_PROPOSALS = 20
GLOBAL_NAMES = (
    "J&F-Mean",
    "J-Mean",
    "J-Recall",
    "J-Decay",
    "F-Mean",
    "F-Recall",
    "F-Decay",
)


@dataclass(frozen=True)
class SequenceScores:
    """J and F of the objects of one video.

    Attributes:
        j, f: float64 [objects, evaluated frames].
        object_ids: truth id of every row. The unsupervised protocol orders the rows by the id of
            the matched proposal, as the official toolkit does.
    """

    j: np.ndarray
    f: np.ndarray
    object_ids: tuple[int, ...]


def object_count(first_frame: np.ndarray) -> int:
    """Number of objects of a video: the largest id of its first frame, void left out."""
    return int(np.max(first_frame, where=first_frame != VOID, initial=0))


def score_semi_supervised(
    truth: Frames,
    prediction: Frames,
    *,
    video: str,
    frame_names: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> SequenceScores:
    """Score the objects of the first frame in all frames but the first and the last.

    Void counts as background. Ids above the largest of the first frame are not evaluated.

    Args:
        truth: T label maps [H, W], 0 background, 255 void.
        prediction: T label maps; entries of the first and the last frame are not looked at.
        video, frame_names, allow_missing: see :func:`frame_pairs`.

    Raises:
        ValueError: fewer than three frames, a missing or wrongly sized prediction, or a predicted
            id above the number of objects.
    """
    length = len(truth)
    if length < 3:
        raise ValueError(
            f"Video {video!r} has {length} frames; the semi-supervised protocol leaves out the "
            "first and the last, so it needs at least three."
        )
    count = object_count(np.asarray(truth[0]))
    j, f = np.empty((2, count, length - 2))
    pairs = frame_pairs(
        truth,
        prediction,
        range(1, length - 1),
        video=video,
        frame_names=frame_names,
        allow_missing=allow_missing,
    )
    for index, expected, actual in pairs:
        if actual.max(initial=0) > count or actual.min(initial=0) < 0:
            frame = frame_names[index] if frame_names is not None else index
            raise ValueError(
                f"Video {video!r}, frame {frame}: predicted ids {actual.min()}..{actual.max()}, "
                f"but the first frame has the objects 1..{count}."
            )
        for row in range(count):
            j[row, index - 1], f[row, index - 1] = region_and_boundary(
                expected == row + 1, actual == row + 1
            )
    return SequenceScores(j, f, tuple(range(1, count + 1)))


def score_unsupervised(
    truth: Frames,
    prediction: Frames,
    *,
    video: str,
    frame_names: Sequence[str] | None = None,
    allow_missing: bool = False,
    max_proposals: int = MAX_PROPOSALS,
) -> SequenceScores:
    """Match proposals to the objects of the first frame and score the matched pairs.

    All frames count, void pixels are removed from truth and prediction. One assignment for the
    whole video maximises the sum over pairs of (mean J + mean F) / 2.

    Args:
        truth: T label maps [H, W], 0 background, 255 void.
        prediction: T label maps; ids 1..K are the proposals. With fewer proposals than objects, the
            remaining objects are matched to empty ones.
        video, frame_names, allow_missing: see :func:`frame_pairs`.
        max_proposals: largest K.

    Raises:
        ValueError: no frame, too many proposals, a missing or wrongly sized prediction.
    """
    if not len(truth):
        raise ValueError(f"Video {video!r} has no frames.")
    count = object_count(np.asarray(truth[0]))
    j_frames, f_frames = [], []  # per frame [1 + proposals, objects]
    pairs = frame_pairs(
        truth, prediction, video=video, frame_names=frame_names, allow_missing=allow_missing
    )
    for index, expected, actual in pairs:
        if actual.max(initial=0) > max_proposals or actual.min(initial=0) < 0:
            frame = frame_names[index] if frame_names is not None else index
            raise ValueError(
                f"Video {video!r}, frame {frame}: predicted ids {actual.min()}..{actual.max()}, "
                f"but proposals are 1..{max_proposals}."
            )
        frame_j, frame_f = _score_all_pairs(expected, actual, count)
        j_frames.append(frame_j)
        f_frames.append(frame_f)
    j = _stack_proposals(j_frames, count)  # [K, objects, T]
    f = _stack_proposals(f_frames, count)
    scores = (np.mean(j, axis=2) + np.mean(f, axis=2)) / 2
    rows, columns = linear_sum_assignment(-scores)
    return SequenceScores(j[rows, columns], f[rows, columns], tuple(int(c) + 1 for c in columns))


def _score_all_pairs(
    truth: np.ndarray, prediction: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """J and F of every proposal with every object in one frame.

    Returns:
        J and F, [1 + K, count] with K the largest predicted id; row 0 is an empty proposal.
    """
    prediction = np.where(truth == VOID, 0, prediction)
    truth = np.where(truth > count, 0, truth)
    proposals = int(prediction.max(initial=0))
    window = bounding_window(truth != 0, prediction != 0)
    if window is None:
        return np.ones((proposals + 1, count)), np.ones((proposals + 1, count))
    element = disk(boundary_radius(*truth.shape))
    truth, prediction = truth[window], prediction[window]

    joint = prediction.astype(np.intp) * (count + 1) + truth
    shape = (proposals + 1, count + 1)
    pixels = np.bincount(joint.ravel(), minlength=shape[0] * shape[1]).reshape(shape)
    truth_area = pixels.sum(axis=0)[1:]
    proposal_area = pixels.sum(axis=1)
    proposal_area[0] = 0
    intersection = pixels[:, 1:].copy()
    intersection[0] = 0
    union = proposal_area[:, None] + truth_area - intersection
    j = np.where(union > 0, intersection / np.maximum(union, 1), 1.0)

    def pack(label_map: np.ndarray, label: int) -> PackedBoundary:
        return PackedBoundary(label_map == label, element.reach)

    empty = PackedBoundary(np.zeros(truth.shape, dtype=bool), element.reach)
    objects = [pack(truth, i + 1) if truth_area[i] else empty for i in range(count)]
    candidates = [pack(prediction, k) if area else empty for k, area in enumerate(proposal_area)]
    f = np.array(
        [[packed_boundary_f(o, candidate, element) for o in objects] for candidate in candidates]
    )
    return j, f.reshape(j.shape)


def _stack_proposals(frames: list[np.ndarray], count: int) -> np.ndarray:
    """Stack [1 + K_t, objects] of T frames to [max(K, objects), objects, T]."""
    proposals = max(count, max(len(frame) - 1 for frame in frames))
    stacked = np.empty((proposals, count, len(frames)))
    for t, frame in enumerate(frames):
        stacked[:, :, t] = frame[0]  # a proposal without pixels in this frame
        stacked[: len(frame) - 1, :, t] = frame[1:]
    return stacked


def sequence_statistics(values: np.ndarray) -> tuple[float, float, float]:
    """Mean, recall and decay of the per-frame values of one object.

    Recall is the fraction of frames above 0.5; decay is the mean of the first quarter of the frames
    minus the mean of the last one, both quarters with their end frames.

    Args:
        values: float [T], T >= 1.
    """
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(np.int64) - 1
    first = values[edges[0] : edges[1] + 1]
    last = values[edges[3] : edges[4] + 1]
    return float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean())


def summarize_davis(sequences: Mapping[str, SequenceScores]) -> dict[str, dict]:
    """The numbers of the benchmark; every object of every sequence has the same weight.

    Args:
        sequences: scores by name of the sequence, in the order of the report.

    Returns:
        ``global``: the seven numbers of :data:`GLOBAL_NAMES` (fractions); ``J`` and ``F``: lists
        ``M``, ``R``, ``D`` over objects; ``per_object``: mean ``J`` and ``F`` by
        ``<sequence>_<row>``, rows from 1.

    Raises:
        ValueError: there is no object to score.
    """
    statistics: dict[str, dict[str, list]] = {
        "J": {"M": [], "R": [], "D": []},
        "F": {"M": [], "R": [], "D": []},
    }
    per_object = {}
    for name, scores in sequences.items():
        for row in range(len(scores.object_ids)):
            for measure, values in (("J", scores.j[row]), ("F", scores.f[row])):
                for key, value in zip("MRD", sequence_statistics(values), strict=True):
                    statistics[measure][key].append(value)
            per_object[f"{name}_{row + 1}"] = {m: statistics[m]["M"][-1] for m in ("J", "F")}
    if not per_object:
        raise ValueError("There is no object to score: no sequence, or only empty first frames.")
    means = [float(np.mean(statistics[m][key])) for m in ("J", "F") for key in "MRD"]
    numbers = [(means[0] + means[3]) / 2, *means]
    return {
        "global": dict(zip(GLOBAL_NAMES, numbers, strict=True)),
        **statistics,
        "per_object": per_object,
    }
