"""Referring video object segmentation: Ref-YouTube-VOS and Ref-DAVIS17."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from univs.evaluation.metrics.boundary import region_and_boundary
from univs.evaluation.metrics.frame_pairs import Frames, frame_pairs

NUM_ANNOTATORS = 4  # of Ref-DAVIS17: one expression per object each


def union_of_annotations(
    masks: np.ndarray, mask_ids: Sequence[int], annotation_ids: Sequence[int], *, video: str
) -> np.ndarray:
    """Truth of an expression: the union of the masks of its annotations.

    Args:
        masks: [annotations, T, H, W], non-zero is the object; masks may overlap.
        mask_ids: annotation id of every mask.
        annotation_ids: annotations that the expression refers to.
        video: name of the video, for messages.

    Returns:
        Boolean [T, H, W].

    Raises:
        ValueError: an annotation is unknown, ids are repeated, or the expression has none.
    """
    rows = {mask_id: row for row, mask_id in enumerate(mask_ids)}
    if len(rows) != len(masks):
        raise ValueError(f"Video {video!r}: {len(masks)} masks for the ids {list(mask_ids)}.")
    unknown = [i for i in annotation_ids if i not in rows]
    if unknown or not annotation_ids:
        raise ValueError(
            f"Video {video!r}: an expression refers to the annotations {list(annotation_ids)}, of "
            f"which {unknown or 'none'} can be found among {list(mask_ids)}."
        )
    return np.any([masks[rows[i]] for i in annotation_ids], axis=0)


def score_expression(
    truth: Frames,
    prediction: Frames,
    *,
    video: str,
    frame_names: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> tuple[float, float]:
    """Mean J and F over all frames of one expression.

    Args:
        truth, prediction: T maps [H, W], non-zero is the object.
        video: name of video and expression, for messages.
        frame_names, allow_missing: see :func:`frame_pairs`.
    """
    if not len(truth):
        raise ValueError(f"Video {video!r} has no frames.")
    pairs = frame_pairs(
        truth, prediction, video=video, frame_names=frame_names, allow_missing=allow_missing
    )
    scores = [region_and_boundary(expected != 0, actual != 0) for _, expected, actual in pairs]
    j, f = np.mean(scores, axis=0)
    return float(j), float(f)


def summarize_expressions(
    expressions: Mapping[str, tuple[float, float]],
) -> dict[str, object]:
    """Mean over expressions.

    Args:
        expressions: (J, F) by ``<video>_<expression>``; (0, 0) for every expression of a video
            that was not predicted at all.

    Returns:
        ``J``, ``F``, ``J&F`` (fractions) and ``per_expression``.

    Raises:
        ValueError: there is no expression.
    """
    if not expressions:
        raise ValueError("There is no expression to score.")
    j, f = (float(value) for value in np.mean(list(expressions.values()), axis=0))
    per_expression = {name: {"J": ej, "F": ef} for name, (ej, ef) in expressions.items()}
    return {"J": j, "F": f, "J&F": (j + f) / 2, "per_expression": per_expression}


def average_annotators(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Ref-DAVIS17: every number averaged over the annotators.

    Args:
        runs: the ``global`` numbers of the unsupervised DAVIS protocol, one per annotator.

    Raises:
        ValueError: there is no run, or the runs have different numbers.
    """
    if not runs or any(run.keys() != runs[0].keys() for run in runs):
        raise ValueError("Every annotator needs one run with the same numbers.")
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def annotator_expressions(expressions: Sequence, annotator: int) -> list:
    """Expressions of one annotator in object order; entry ``4 * object + annotator`` of a video."""
    if len(expressions) % NUM_ANNOTATORS or not 0 <= annotator < NUM_ANNOTATORS:
        raise ValueError(
            f"{len(expressions)} expressions, annotator {annotator}: expected "
            f"{NUM_ANNOTATORS} expressions per object and an annotator from 0 to "
            f"{NUM_ANNOTATORS - 1}."
        )
    return list(expressions[annotator::NUM_ANNOTATORS])
