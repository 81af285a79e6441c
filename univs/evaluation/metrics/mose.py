"""MOSE v2: J, F with a tolerance for small objects, disappearance and reappearance.

MOSE v1 reports J, F and J&F of the semi-supervised DAVIS protocol: see
:func:`univs.evaluation.metrics.davis.score_semi_supervised`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from univs.evaluation.metrics.boundary import mose_v2_scores
from univs.evaluation.metrics.frame_pairs import Frames, frame_pairs

_OBJECT_KEYS = (
    "J",
    "F",
    "F_new",
    "disappear_J",
    "disappear_F_new",
    "reappear_J",
    "reappear_F_new",
)


def score_video(
    truth: Frames,
    prediction: Frames,
    *,
    video: str,
    object_ids: Sequence[int | str],
    frame_names: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> dict[str, dict[str, float | None]]:
    """Numbers of the given objects in all frames but the first and the last.

    Args:
        truth, prediction: T label maps [H, W], 0 background.
        object_ids: objects to score.
        video, frame_names, allow_missing: see :func:`frame_pairs`.

    Returns:
        By object id as text: ``J``, ``F``, ``F_new`` (means over frames) and ``disappear_J``,
        ``disappear_F_new``, ``reappear_J``, ``reappear_F_new`` (means over segments; None if the
        object never disappears or reappears).

    Raises:
        ValueError: fewer than three frames, an id given twice, bad maps.
    """
    length = len(truth)
    if length < 3:
        raise ValueError(
            f"Video {video!r} has {length} frames; the first and the last are left out, so at "
            "least three are needed."
        )
    labels = [int(object_id) for object_id in object_ids]
    if len(set(labels)) != len(labels):
        raise ValueError(f"Video {video!r}: an object id is listed twice in {list(object_ids)}.")
    scores = np.empty((len(labels), length - 2, 3))  # J, F, F_new
    absent = np.empty((len(labels), length - 2), dtype=bool)
    pairs = frame_pairs(
        truth,
        prediction,
        range(1, length - 1),
        video=video,
        frame_names=frame_names,
        allow_missing=allow_missing,
    )
    for index, expected, actual in pairs:
        for row, label in enumerate(labels):
            mask = expected == label
            scores[row, index - 1] = mose_v2_scores(mask, actual == label)
            absent[row, index - 1] = not mask.any()
    return {
        str(label): _object_numbers(scores[row], absent[row]) for row, label in enumerate(labels)
    }


def _object_numbers(scores: np.ndarray, absent: np.ndarray) -> dict[str, float | None]:
    """Numbers of one object; ``scores`` [T, 3], ``absent`` [T]: no pixel in the truth."""
    j, f, f_new = scores.mean(axis=0)
    numbers: dict[str, float | None] = {"J": float(j), "F": float(f), "F_new": float(f_new)}
    disappear, reappear = absence_segments(absent)
    for name, segments in (("disappear", disappear), ("reappear", reappear)):
        means = [scores[start:stop].mean(axis=0) for start, stop in segments]
        j, _, f_new = np.mean(means, axis=0) if means else (None, None, None)
        numbers[f"{name}_J"] = None if j is None else float(j)
        numbers[f"{name}_F_new"] = None if f_new is None else float(f_new)
    return numbers


def absence_segments(
    absent: np.ndarray,
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Runs of frames in which an object is away, and in which it is back again.

    Args:
        absent: boolean [T].

    Returns:
        Half-open (start, stop) of the runs of True, except one that starts at frame 0, and of the
        runs of False that follow a run of True.
    """
    length = len(absent)
    change = np.flatnonzero(absent[1:] != absent[:-1]) + 1
    starts = [0, *change.tolist()]
    stops = [*change.tolist(), length]
    runs = [(start, stop) for start, stop in zip(starts, stops, strict=True) if start]
    disappear = [run for run in runs if absent[run[0]]]
    reappear = [run for run in runs if not absent[run[0]]]
    return disappear, reappear


def summarize_mose_v2(videos: Mapping[str, Mapping[str, Mapping]]) -> dict[str, dict]:
    """Means over the objects of all videos.

    Args:
        videos: result of :func:`score_video` by name of the video.

    Returns:
        ``global``: ``J``, ``F``, ``F_new``, ``J&F``, ``J&F_new``, ``disappear_J&F_new``,
        ``reappear_J&F_new``, fractions, NaN where no object has a value; ``per_object``: the
        numbers by ``<video>_<id>``.

    Raises:
        ValueError: there is no object to score.
    """
    per_object = {
        f"{video}_{object_id}": dict(numbers)
        for video, objects in videos.items()
        for object_id, numbers in objects.items()
    }
    if not per_object:
        raise ValueError("There is no object to score in any video.")
    means = {}
    for key in _OBJECT_KEYS:
        values = [numbers[key] for numbers in per_object.values() if numbers[key] is not None]
        means[key] = float(np.mean(values)) if values else float("nan")
    numbers = {key: means[key] for key in ("J", "F", "F_new")}
    numbers["J&F"] = (means["J"] + means["F"]) / 2
    numbers["J&F_new"] = (means["J"] + means["F_new"]) / 2
    for name in ("disappear", "reappear"):
        numbers[f"{name}_J&F_new"] = (means[f"{name}_J"] + means[f"{name}_F_new"]) / 2
    return {"global": numbers, "per_object": per_object}
