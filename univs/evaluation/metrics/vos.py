"""J and F for any video object segmentation data set with label maps and arbitrary ids.

For objects that appear late and ids with gaps. On DAVIS equal to the semi-supervised protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from univs.evaluation.metrics.boundary import region_and_boundary
from univs.evaluation.metrics.frame_pairs import Frames, frame_pairs


def score_video(
    truth: Frames,
    prediction: Frames,
    *,
    video: str,
    frame_names: Sequence[str] | None = None,
    skip_first_and_last: bool = True,
    allow_missing: bool = False,
) -> dict[int, tuple[float, float]]:
    """Mean J and F of every object that occurs in the truth.

    An object is scored from the first evaluated frame in which it occurs in truth *or* prediction;
    objects that are only predicted are dropped.

    Args:
        truth, prediction: T label maps [H, W], 0 background, any other ids.
        video, frame_names, allow_missing: see :func:`frame_pairs`.
        skip_first_and_last: leave out the first frame (given) and the last one.

    Returns:
        (J, F), fractions, by object id in ascending order.
    """
    length = len(truth)
    indices = range(1, length - 1) if skip_first_and_last else range(length)
    if not len(indices):
        raise ValueError(f"Video {video!r} has {length} frames, none of which is evaluated.")
    scores: dict[int, list[tuple[float, float]]] = {}  # indexed by object id
    in_truth: set[int] = set()
    pairs = frame_pairs(
        truth,
        prediction,
        indices,
        video=video,
        frame_names=frame_names,
        allow_missing=allow_missing,
    )
    for _, expected, actual in pairs:
        truth_ids = _object_ids(expected)
        in_truth |= truth_ids
        for object_id in truth_ids | _object_ids(actual):
            scores.setdefault(object_id, [])
        for object_id, values in scores.items():
            values.append(region_and_boundary(expected == object_id, actual == object_id))
    means = {i: np.mean(scores[i], axis=0) for i in sorted(in_truth)}
    return {object_id: (float(j), float(f)) for object_id, (j, f) in means.items()}


def _object_ids(label_map: np.ndarray) -> set[int]:
    if label_map.dtype == np.uint8:
        ids = np.flatnonzero(np.bincount(label_map.ravel()))
    else:
        ids = np.unique(label_map)
    return {int(i) for i in ids if i}


def summarize_vos(videos: Mapping[str, Mapping[int, tuple[float, float]]]) -> dict[str, object]:
    """Mean over all objects of all videos, in per cent.

    Args:
        videos: result of :func:`score_video` by name of the video.

    Returns:
        ``J&F``, ``J``, ``F`` and ``per_object``: {video: {id as text: {"J", "F"}}}.

    Raises:
        ValueError: there is no object to score.
    """
    values = [value for objects in videos.values() for value in objects.values()]
    if not values:
        raise ValueError("There is no object to score in any video.")
    j, f = (float(value) * 100 for value in np.mean(values, axis=0))
    per_object = {
        video: {str(i): {"J": 100 * oj, "F": 100 * of} for i, (oj, of) in objects.items()}
        for video, objects in videos.items()
    }
    return {"J&F": (j + f) / 2, "J": j, "F": f, "per_object": per_object}
