"""BURST: exemplar-guided, class-guided and open-world tracking (Athar et al., WACV 2023).

Truth and predictions come in the JSON layout of the benchmark. Detections are matched per class
with HOTA on boxes (as published; the masks only define the boxes) and tracks with average precision
on masks. A class that is neither present nor verified absent in a video is not held against a
tracker, nor are unmatched tracks of a class that is not annotated exhaustively.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from univs.evaluation.metrics.average_precision import MatchRecord
from univs.evaluation.metrics.burst_sequence import (
    ANY_CLASS,
    Detections,
    mask_intersections,
    read_sequence,
    sequence_name,
    similarities,
    tube_iou,
)
from univs.evaluation.metrics.hota import combine_hota, hota_sequence
from univs.evaluation.metrics.track_ap import average_precision, match_tracks

Task = Literal["exemplar_guided", "class_guided", "open_world"]

DISTRACTOR_CATEGORIES = frozenset(
    (20, 63, 108, 180, 188, 204, 212, 247, 303, 403, 407, 415, 490, 504, 507, 513, 529, 567)
    + (569, 588, 672, 691, 702, 708, 711, 720, 736, 737, 798, 813, 815, 827, 831, 851, 877, 883)
    + (912, 971, 976, 1130, 1133, 1134, 1169, 1184, 1220)
)
"""Truth tracks of these classes are left out."""

COMMON_CATEGORIES = frozenset(
    (4, 13, 34, 35, 36, 41, 45, 58, 60, 78, 79, 81, 91, 95, 99, 118, 126, 133, 139, 154, 174, 185)
    + (211, 221, 229, 235, 237, 276, 299, 347, 371, 382, 392, 428, 429, 452, 475, 480, 502, 544)
    + (579, 621, 625, 642, 699, 714, 717, 729, 747, 779, 805, 829, 852, 896, 926, 937, 961, 979)
    + (980, 982, 993, 1001, 1018, 1038, 1057, 1091, 1097, 1099, 1115, 1117, 1122, 1132, 1135)
    + (1144, 1155, 1162, 1215, 1229)
)
"""Classes that COCO has as well; all others are uncommon."""

_EPSILON = np.finfo(np.float64).eps


@dataclass(frozen=True)
class ClassScores:
    """One class in one sequence.

    Attributes:
        hota: fields of :func:`hota_sequence`.
        tracks: matched tracks; None in the open-world task, which has no average precision.
        num_truths: truth tracks of the class in the sequence.
    """

    hota: dict[str, np.ndarray | float]
    tracks: MatchRecord | None
    num_truths: int


@dataclass(frozen=True)
class SequenceScores:
    """Scores of one sequence, indexed by category id."""

    name: str
    classes: dict[int, ClassScores]


def score_sequence(
    truth: Mapping,
    prediction: Mapping | None,
    *,
    task: Task,
    distractors: Collection[int] = DISTRACTOR_CATEGORIES,
    classes_from_truth: bool = True,
    similarity: Literal["box", "mask"] = "box",
) -> SequenceScores:
    """Score one sequence.

    Args:
        truth, prediction: items of ``sequences`` of the two files; no prediction counts as empty.
            Predicted frames that the truth does not list are ignored.
        task: ``open_world`` treats all truths and predictions as one class.
        distractors: categories whose truth tracks are left out.
        classes_from_truth: in the exemplar-guided task, a predicted track has the class of the
            truth track with its id, and tracks with other ids are dropped. Else, and in the
            class-guided task, it has the class that the prediction states.
        similarity: ``box`` as published, or ``mask``, for HOTA.

    Raises:
        ValueError: see :func:`read_sequence`; or an unknown task or similarity.
    """
    if task not in ("exemplar_guided", "class_guided", "open_world"):
        raise ValueError(f"task={task!r}: use 'exemplar_guided', 'class_guided' or 'open_world'.")
    if similarity not in ("box", "mask"):
        raise ValueError(f"similarity={similarity!r}: use 'box' or 'mask'.")
    source = "prediction"
    if task == "open_world":
        source = "none"
    elif task == "exemplar_guided" and classes_from_truth:
        source = "truth"
    truths, predictions = read_sequence(truth, prediction, distractors, classes=source)
    intersections = None
    if task != "open_world" or similarity == "mask":
        intersections = mask_intersections(truths, predictions)
    per_frame = similarities(truths, predictions, intersections if similarity == "mask" else None)

    negative = set(truth.get("neg_category_ids", ()))
    not_exhaustive = set(truth.get("not_exhaustive_category_ids", ()))
    ious = None if task == "open_world" else tube_iou(truths, predictions, intersections)
    result = {}
    for category in sorted(set(truths.categories.tolist()) | set(predictions.categories.tolist())):
        hota = _class_hota(
            truths,
            predictions,
            per_frame,
            category,
            keep_unmatched_in_empty_frames=task == "exemplar_guided" or category in negative,
            keep_unmatched=task == "exemplar_guided" or category not in not_exhaustive,
            name=sequence_name(truth),
        )
        own_truths = np.flatnonzero(truths.track_categories == category)
        tracks = None
        if ious is not None:
            own = np.flatnonzero(predictions.track_categories == category)
            if not len(own_truths) and category not in negative:
                own = own[:0]
            tracks = match_tracks(
                ious[np.ix_(own, own_truths)],
                predictions.track_scores[own],
                ignore_unmatched=category in not_exhaustive,
            )
        result[category] = ClassScores(hota, tracks, len(own_truths))
    return SequenceScores(sequence_name(truth), result)


def _class_hota(
    truths: Detections,
    predictions: Detections,
    per_frame: Sequence[np.ndarray],
    category: int,
    *,
    keep_unmatched_in_empty_frames: bool,
    keep_unmatched: bool,
    name: str,
) -> dict[str, np.ndarray | float]:
    """HOTA of one class; only frames in which the truth has an object of any class count."""
    truth_ids, tracker_ids, scores = [], [], []
    for frame, similarity in enumerate(per_frame):
        all_truths, all_predictions = truths.in_frame(frame), predictions.in_frame(frame)
        if all_truths.start == all_truths.stop:
            continue
        rows = np.flatnonzero(truths.categories[all_truths] == category)
        columns = np.flatnonzero(predictions.categories[all_predictions] == category)
        if not rows.size and not keep_unmatched_in_empty_frames:
            columns = columns[:0]
        elif not keep_unmatched:
            columns = columns[_matched_columns(similarity[np.ix_(rows, columns)])]
        if rows.size or columns.size:
            truth_ids.append(truths.tracks[all_truths][rows])
            tracker_ids.append(predictions.tracks[all_predictions][columns])
            scores.append(similarity[np.ix_(rows, columns)])
    return hota_sequence(_contiguous(truth_ids), _contiguous(tracker_ids), scores, name=name)


def _matched_columns(similarity: np.ndarray) -> np.ndarray:
    """Predictions matched to a truth with a similarity of at least one half, in order."""
    if not similarity.size:
        return np.zeros(0, dtype=np.int64)
    similarity = np.where(similarity < 0.5 - _EPSILON, 0, similarity)
    rows, columns = linear_sum_assignment(-similarity)
    return np.sort(columns[similarity[rows, columns] > _EPSILON])


def _contiguous(ids: list[np.ndarray]) -> list[np.ndarray]:
    if not ids:
        return []
    _, inverse = np.unique(np.concatenate(ids), return_inverse=True)
    return np.split(inverse, np.cumsum([len(frame) for frame in ids])[:-1])


def summarize_burst(
    sequences: Sequence[SequenceScores],
    category_names: Mapping[int, str],
    *,
    common: Collection[int] = COMMON_CATEGORIES,
    uncommon: Collection[int] | None = None,
) -> dict[str, dict]:
    """Numbers of the exemplar-guided and the class-guided task.

    Args:
        sequences: one per video; their order does not matter.
        category_names: by category id.
        common: category ids of the common classes.
        uncommon: category ids of the uncommon classes; all but the common ones by default.

    Returns:
        ``HOTA``, ``DetA``, ``AssA``, ``AP``: {"all", "common", "uncommon"} in per cent, means over
        the classes that occur in the truth, NaN if there is none; and ``per_class``: by name of
        the class, ``HOTA`` (fields of :func:`hota_sequence`), ``AP_all`` and ``AR_all`` [10].
    """
    sequences = sorted(sequences, key=lambda sequence: sequence.name)
    ids = {c for s in sequences for c, scores in s.classes.items() if scores.num_truths}
    per_class, numbers = {}, {}
    for category in sorted(ids):
        scores = [s.classes[category] for s in sequences if category in s.classes]
        hota = combine_hota([s.hota for s in scores])
        precision, recall = average_precision([s.tracks for s in scores])
        name = category_names.get(category, str(category))
        per_class[name] = {"HOTA": hota, "AP_all": precision, "AR_all": recall}
        numbers[category] = {key: float(np.mean(hota[key])) for key in ("HOTA", "DetA", "AssA")}
        numbers[category]["AP"] = float(precision.mean())
    groups = {
        "all": ids,
        "common": ids & set(common),
        "uncommon": ids - set(common) if uncommon is None else ids & set(uncommon),
    }
    result = {
        key: {
            group: 100 * float(np.mean([numbers[c][key] for c in sorted(members)]))
            if members
            else float("nan")
            for group, members in groups.items()
        }
        for key in ("HOTA", "DetA", "AssA", "AP")
    }
    return {**result, "per_class": per_class}


def summarize_open_world(truths: Mapping[str, Sequence[SequenceScores]]) -> dict[str, dict]:
    """Numbers of the open-world task.

    Args:
        truths: scores of all sequences for every truth file: ``all``, ``common``, ``uncommon``.

    Returns:
        ``OWTA``, ``DetRe``, ``AssA``: {name of the truth file: per cent}; NaN for a file without
        truth and predictions.
    """
    result: dict[str, dict] = {"OWTA": {}, "DetRe": {}, "AssA": {}}
    for group, sequences in truths.items():
        scores = [s.classes[ANY_CLASS].hota for s in sequences if ANY_CLASS in s.classes]
        hota = combine_hota(scores) if scores else None
        for key, values in result.items():
            values[group] = 100 * float(np.mean(hota[key])) if hota else float("nan")
    return result


def evaluate_burst(
    truth: Mapping | Mapping[str, Mapping],
    prediction: Mapping,
    *,
    task: Task,
    common: Collection[int] = COMMON_CATEGORIES,
    uncommon: Collection[int] | None = None,
    distractors: Collection[int] = DISTRACTOR_CATEGORIES,
    classes_from_truth: bool = True,
    similarity: Literal["box", "mask"] = "box",
) -> dict[str, dict]:
    """Score a prediction file against the truth.

    Args:
        truth: content of the truth file; for the open-world task, of the three truth files by the
            names ``all``, ``common`` and ``uncommon``.
        prediction: content of the prediction file; missing sequences count as empty, sequences
            that the truth does not list are ignored.
        task, distractors, classes_from_truth, similarity: see :func:`score_sequence`.
        common, uncommon: see :func:`summarize_burst`.

    Returns:
        See :func:`summarize_burst` and :func:`summarize_open_world`.

    Raises:
        ValueError: the files are of different splits, a sequence is listed twice, or a sequence is
            malformed; the message names it.
    """
    options = {
        "task": task,
        "distractors": distractors,
        "classes_from_truth": classes_from_truth,
        "similarity": similarity,
    }
    files = truth if task == "open_world" else {"all": truth}
    scores = {name: score_file(file, prediction, options) for name, file in files.items()}
    if task == "open_world":
        return summarize_open_world(scores)
    names = {category["id"]: category["name"] for category in truth["categories"]}
    return summarize_burst(scores["all"], names, common=common, uncommon=uncommon)


def score_file(truth: Mapping, prediction: Mapping, options: Mapping) -> list[SequenceScores]:
    """Score all sequences of a truth file; see :func:`evaluate_burst`.

    Args:
        truth, prediction: contents of files.
        options: arguments of :func:`score_sequence`.
    """
    if "split" in truth and prediction.get("split", truth["split"]) != truth["split"]:
        raise ValueError(
            f"The prediction is for the split {prediction['split']!r}, the truth is "
            f"{truth['split']!r}."
        )
    expected, actual = _by_name(truth, "truth"), _by_name(prediction, "prediction")
    return [
        score_sequence(expected[name], actual.get(name), **options) for name in sorted(expected)
    ]


def _by_name(file: Mapping, what: str) -> dict[str, Mapping]:
    by_name: dict[str, Mapping] = {}
    for sequence in file["sequences"]:
        name = sequence_name(sequence)
        if name in by_name:
            raise ValueError(f"Sequence {name!r} is listed twice in the {what} file.")
        by_name[name] = sequence
    return by_name
