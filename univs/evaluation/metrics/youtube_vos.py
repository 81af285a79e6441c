"""YouTube-VOS: J and F of seen and unseen categories and their mean G.

The rule of averaging is the published one (Xu et al., 2018); the scoring program is not public.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from univs.evaluation.metrics.boundary import region_and_boundary
from univs.evaluation.metrics.frame_pairs import Frames, frame_pairs

FrameRule = Literal["after_first", "after_first_before_last"]


@dataclass(frozen=True)
class ObjectScores:
    """Scores of one object; NaN if it has no scored frame.

    Attributes:
        category: its category name.
        j, f: means over its scored frames.
    """

    category: str
    j: float
    f: float


def score_video(
    truth: Frames,
    prediction: Frames,
    *,
    video: str,
    frame_names: Sequence[str],
    objects: Mapping[str, Mapping],
    rule: FrameRule = "after_first",
    allow_missing: bool = False,
) -> dict[str, ObjectScores]:
    """Score every object of a video from the frame after its first annotated one.

    Args:
        truth, prediction: label maps [H, W] of the T annotated frames (every fifth), 0 background.
            Frames in which no object is scored need no prediction; other ids are not looked at.
        video: name of the video.
        frame_names: names of the T frames.
        objects: {id: {"category", "frames"}} as in the ``meta.json`` of the data set; ``frames``
            begins with the frame in which the object first appears.
        rule: whether the last annotated frame counts (``after_first``) or not.
        allow_missing: see :func:`frame_pairs`.

    Returns:
        Scores by object id.

    Raises:
        ValueError: an object without an annotated frame, an unknown rule, bad maps.
    """
    if rule not in ("after_first", "after_first_before_last"):
        raise ValueError(f"rule={rule!r}: use 'after_first' or 'after_first_before_last'.")
    if len(frame_names) != len(truth):
        raise ValueError(f"Video {video!r}: {len(frame_names)} frame names, {len(truth)} truths.")
    position = {name: index for index, name in enumerate(frame_names)}
    first = {}  # indexed by object id: index of the frame that is given
    for object_id, item in objects.items():
        given = [position[name] for name in item["frames"] if name in position]
        if not given:
            raise ValueError(
                f"Video {video!r}, object {object_id}: none of its frames is an annotated frame of "
                "the video."
            )
        first[object_id] = min(given)
    end = len(frame_names) - (rule == "after_first_before_last")
    values: dict[str, list[tuple[float, float]]] = {object_id: [] for object_id in objects}
    pairs = frame_pairs(
        truth,
        prediction,
        range(min(first.values(), default=end) + 1, end),
        video=video,
        frame_names=frame_names,
        allow_missing=allow_missing,
    )
    for index, expected, actual in pairs:
        for object_id in objects:
            if index > first[object_id]:
                label = int(object_id)
                values[object_id].append(region_and_boundary(expected == label, actual == label))
    scores = {}
    for object_id, item in objects.items():
        j, f = np.mean(values[object_id], axis=0) if values[object_id] else (np.nan, np.nan)
        scores[object_id] = ObjectScores(item["category"], float(j), float(f))
    return scores


def summarize_youtube_vos(
    videos: Mapping[str, Mapping[str, ObjectScores]], seen_categories: Collection[str]
) -> dict[str, dict]:
    """G: the mean of J and F over objects of seen and of unseen categories.

    Args:
        videos: result of :func:`score_video` by name of the video.
        seen_categories: names of the categories of the training set.

    Returns:
        ``global``: ``J_seen``, ``J_unseen``, ``F_seen``, ``F_unseen``, ``G``, fractions; a group
        without objects is NaN and so is G. ``per_object``: ``J`` and ``F`` by ``<video>_<id>``.
    """
    groups: dict[str, list[tuple[float, float]]] = {"seen": [], "unseen": []}
    per_object = {}
    for video, objects in videos.items():
        for object_id, scores in objects.items():
            per_object[f"{video}_{object_id}"] = {"J": scores.j, "F": scores.f}
            if not np.isnan(scores.j):
                group = "seen" if scores.category in seen_categories else "unseen"
                groups[group].append((scores.j, scores.f))
    numbers = {}
    for column, measure in enumerate("JF"):
        for group, values in groups.items():
            mean = float(np.mean([value[column] for value in values])) if values else float("nan")
            numbers[f"{measure}_{group}"] = mean
    numbers["G"] = sum(numbers.values()) / 4
    return {"global": numbers, "per_object": per_object}
