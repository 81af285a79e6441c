"""VIPOSeg: panoptic video object segmentation, IoU and boundary IoU in four groups, and decay.

As published with PAOT (Xu et al., CVPR 2023): objects are things or stuff of categories seen or
unseen in training; decay says how scores fall with the number of objects in the scene.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from univs.evaluation.metrics.boundary import iou_and_boundary_iou
from univs.evaluation.metrics.frame_pairs import Frames, frame_pairs

NUM_CLASSES = 124
GROUPS = ("thing_seen", "thing_unseen", "stuff_seen", "stuff_unseen")
MAX_KNOWN_OBJECTS = 79  # the official tool has no list for more
MAX_DECAY_OBJECTS = 59  # object counts that enter the fit

_THING_UNSEEN = {46, 47, 55, 61, 64, 72, 86, 95, 96, 97, 99, 100, 101, 102, 109, 116, 118}
_STUFF_UNSEEN = {5, 6, 9, 17, 20, 25, 26, 34, 38, 57, 58, 71, 81, 94, 112, 113, 120}
_THING_SEEN = {
    *(2, 4, 8, 10, 41, 43, 44, 48, 49, 50, 51, 52, 54, 56, 60, 62, 63, 65, 74, 76, 77, 78, 79),
    *(82, 83, 84, 85, 87, 88, 89, 90, 91, 92, 106, 107, 108, 114, 115, 117, 122, 123),
}
_OTHER_MACHINE = 98  # seen or unseen, depending on the video
_OTHER_MACHINE_UNSEEN = {
    "187_WUZUSD4477I",
    "319_l1Dz12fxQzQ",
    "320_nhKXemkIvh4",
    "517_AWvYuplla_s",
    "532_QmZyJuLlEec",
    "774_devdFjIpDcc",
    "1016_HG0AsTOxI5g",
    "1017_IAU0WGB9VPw",
    "1020_TgCIv6bp3XM",
    "1021_cPOxAMo28yk",
    "1022_emSaDd2ddj0",
    "1033_sh81AwYuihg",
    "1065_d2sHRyAHKqI",
    "1067_fk3jhxBi1pA",
    "1068_gxnZkf0LQfk",
    "1069_jFHRbZxswz8",
    "1070_uTJB31tuYes",
    "1072_zvNEdUk5k0Q",
    "1230_AGY-gQ_3O8Y",
    "1333__iprMPKLdOQ",
    "1334_qlmfvYA3_rk",
    "2004_1btxeVbyojs",
    "2005_83KrhWajwfw",
}


@dataclass
class VideoScores:
    """Scores of one video.

    Attributes:
        groups: (IoU, boundary IoU) of every object and frame, indexed by group.
        by_count: mean of the two, indexed by the number of known objects.
    """

    groups: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: {group: [] for group in GROUPS}
    )
    by_count: dict[int, list[float]] = field(default_factory=dict)


def group_of(category: int, video: str) -> str:
    """Group of a VIPSeg class (0..123) in ``video``.

    Raises:
        ValueError: there is no such class.
    """
    if not 0 <= category < NUM_CLASSES:
        raise ValueError(f"Video {video!r}: class {category} is not one of 0..{NUM_CLASSES - 1}.")
    if category == _OTHER_MACHINE:
        return "stuff_unseen" if video in _OTHER_MACHINE_UNSEEN else "stuff_seen"
    if category in _THING_SEEN:
        return "thing_seen"
    if category in _THING_UNSEEN:
        return "thing_unseen"
    return "stuff_unseen" if category in _STUFF_UNSEEN else "stuff_seen"


def score_video(
    truth: Frames,
    prediction: Frames,
    references: Mapping[int, np.ndarray],
    object_classes: Mapping[int | str, int],
    *,
    video: str,
    frame_names: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> VideoScores:
    """Score every object from the frame after the one that introduces it.

    An id that two reference maps introduce counts twice from then on, as published.

    Args:
        truth, prediction: T label maps [H, W], 0 background.
        references: label maps that introduce objects, by index of their frame.
        object_classes: VIPSeg class 0..123 by object id.
        video, frame_names, allow_missing: see :func:`frame_pairs`.

    Raises:
        ValueError: a reference of no frame, an object without class, more than 79 known objects,
            bad maps.
    """
    outside = [index for index in references if not 0 <= index < len(truth)]
    if outside or not references:
        raise ValueError(
            f"Video {video!r}: reference maps for the frames {sorted(references)}, but the video "
            f"has {len(truth)} frames and needs a reference for one of them at least."
        )
    classes = {int(object_id): int(c) for object_id, c in object_classes.items()}
    scores = VideoScores()
    known: Counter[int] = Counter()  # how often an id has been introduced
    _introduce(known, references[min(references)], classes, video)
    pairs = frame_pairs(
        truth,
        prediction,
        range(min(references) + 1, len(truth)),
        video=video,
        frame_names=frame_names,
        allow_missing=allow_missing,
    )
    for index, expected, actual in pairs:
        values = scores.by_count.setdefault(known.total(), []) if known else []
        for object_id, times in known.items():
            iou, boundary_iou = _score_object(expected == object_id, actual == object_id)
            scores.groups[group_of(classes[object_id], video)] += [(iou, boundary_iou)] * times
            values += [(iou + boundary_iou) / 2] * times
        if index in references:
            _introduce(known, references[index], classes, video)
    return scores


def _introduce(
    known: Counter[int], reference: np.ndarray, classes: Mapping[int, int], video: str
) -> None:
    ids = [int(i) for i in np.unique(reference) if i]
    unknown = [i for i in ids if i not in classes]
    if unknown:
        raise ValueError(f"Video {video!r}: the objects {unknown} have no class.")
    known.update(ids)
    if known.total() > MAX_KNOWN_OBJECTS:
        raise ValueError(
            f"Video {video!r}: {known.total()} objects, the metric is defined for up to "
            f"{MAX_KNOWN_OBJECTS}."
        )


def _score_object(truth: np.ndarray, prediction: np.ndarray) -> tuple[float, float]:
    in_truth, in_prediction = truth.any(), prediction.any()
    if in_truth and in_prediction:
        return iou_and_boundary_iou(truth, prediction)
    return (0.0, 0.0) if in_truth or in_prediction else (1.0, 1.0)


def summarize_viposeg(videos: Mapping[str, VideoScores]) -> dict[str, float]:
    """The thirteen numbers of the benchmark and the decay.

    Args:
        videos: scores by name of the video.

    Returns:
        ``<group>_miou``, ``<group>_biou``, ``<group>_iou`` (their mean) of the four groups,
        ``overall_iou`` (G) and ``decay``. Fractions; an empty group and the overall number are NaN
        then. Decay is the rate of an exponential fall per hundred objects, NaN without data.
    """
    ordered = [videos[name] for name in sorted(videos)]
    means = {}
    for group in GROUPS:
        values = [value for scores in ordered for value in scores.groups[group]]
        means[group] = np.mean(values, axis=0) if values else np.full(2, np.nan)
    numbers = {f"{group}_miou": float(means[group][0]) for group in GROUPS}
    numbers |= {f"{group}_biou": float(means[group][1]) for group in GROUPS}
    numbers |= {f"{group}_iou": float(means[group].sum() / 2) for group in GROUPS}
    numbers["overall_iou"] = sum(numbers[f"{group}_iou"] for group in GROUPS) / len(GROUPS)
    numbers["decay"] = _decay(ordered)
    return numbers


def _decay(videos: list[VideoScores]) -> float:
    """Rate of the fit ``score = exp(-rate * objects / 100)``, by least squares of the logs."""
    counts = sorted({k for scores in videos for k in scores.by_count if k <= MAX_DECAY_OBJECTS})
    if not counts:
        return float("nan")
    means = [np.mean([v for scores in videos for v in scores.by_count.get(k, ())]) for k in counts]
    x = np.array(counts) / 100
    with np.errstate(divide="ignore"):  # a mean of 0 gives an infinite decay
        return float(np.sum(x * -np.log(means)) / np.sum(x**2))
