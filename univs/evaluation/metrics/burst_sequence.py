"""One sequence of a BURST file as arrays: detections, their boxes, overlaps of masks and tubes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.run_lengths import damaged_masks

MAX_DETECTIONS = 300  # per image, highest scores
ANY_CLASS = 1  # the class of everything in the open-world task; also used to look up negatives

ClassSource = Literal["prediction", "truth", "none"]


@dataclass(frozen=True)
class Detections:
    """The detections of one sequence in temporal order.

    Attributes:
        tracks: int64 [N], row of the track of each detection.
        categories: int64 [N].
        scores: float64 [N].
        rles: N compressed masks of pycocotools.
        areas: int64 [N], pixels of each mask.
        boxes: float64 [N, 4], x, y, width, height in pixels; all 0 for an empty mask.
        frame_ends: int64 [T], index after the last detection of each frame.
        track_categories: int64 [K], category of the first detection of each track.
        track_scores: float64 [K], mean score of the detections of each track.
    """

    tracks: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    rles: list[dict]
    areas: np.ndarray
    boxes: np.ndarray
    frame_ends: np.ndarray
    track_categories: np.ndarray
    track_scores: np.ndarray

    def in_frame(self, frame: int) -> slice:
        """Where the detections of a frame lie."""
        return slice(int(self.frame_ends[frame - 1]) if frame else 0, int(self.frame_ends[frame]))


def sequence_name(sequence: Mapping) -> str:
    """``<dataset>/<sequence>``."""
    return f"{sequence['dataset']}/{sequence['seq_name']}"


def read_sequence(
    truth: Mapping,
    prediction: Mapping | None,
    distractors: Collection[int],
    *,
    classes: ClassSource,
) -> tuple[Detections, Detections]:
    """Read truth and prediction of one sequence.

    Args:
        truth, prediction: items of ``sequences``; no prediction counts as empty.
        distractors: categories whose truth tracks are left out.
        classes: where the class of a predicted track comes from: the ``prediction``, the ``truth``
            track with the same id (others are dropped), or ``none`` for one class for everything.

    Returns:
        Truth and predictions in the frames that the truth lists.

    Raises:
        ValueError: frames are listed twice or do not match the segmentations, sizes differ, a mask
            cannot be read, a score is not finite, or a track has no class.
    """
    name = sequence_name(truth)
    size = [truth["height"], truth["width"]]
    truth_classes = {int(k): int(v) for k, v in truth["track_category_ids"].items()}
    frames = {path: frame for frame, path in enumerate(_frame_paths(truth, truth, "truth"))}
    truth_frames = [
        [
            _entry(int(track), _lookup(truth_classes, track, name, "truth"), item, name, "truth")
            for track, item in frame.items()
        ]
        for frame in truth["segmentations"]
    ]
    truth_frames = [[e for e in frame if e[1] not in distractors] for frame in truth_frames]
    if classes == "none":
        truth_frames = [[(e[0], ANY_CLASS, *e[2:]) for e in frame] for frame in truth_frames]

    prediction_frames: list[list[tuple]] = [[] for _ in frames]
    if prediction is not None:
        if [prediction.get("height", size[0]), prediction.get("width", size[1])] != size:
            raise ValueError(
                f"Sequence {name!r}: the prediction is {prediction['height']} x "
                f"{prediction['width']}, the truth {size[0]} x {size[1]} (height x width)."
            )
        stated = {int(k): int(v) for k, v in prediction.get("track_category_ids", {}).items()}
        paths = _frame_paths(prediction, truth, "prediction")
        for path, items in zip(paths, prediction["segmentations"], strict=True):
            if path not in frames:
                continue  # not annotated
            entries = []
            for track, item in items.items():
                if classes == "none":
                    category = ANY_CLASS
                elif classes == "truth":
                    category = truth_classes.get(int(track))
                else:
                    category = item.get("category_id")
                    if category is None:
                        category = _lookup(stated, track, name, "prediction")
                if category is not None:
                    entries.append(_entry(int(track), int(category), item, name, "prediction"))
            if len(entries) > MAX_DETECTIONS:
                entries = sorted(entries, key=lambda entry: -entry[2])[:MAX_DETECTIONS]
            prediction_frames[frames[path]] = entries
    return (
        _detections(truth_frames, size, f"{name!r}, truth"),
        _detections(prediction_frames, size, f"{name!r}, prediction"),
    )


def _frame_paths(sequence: Mapping, truth: Mapping, what: str) -> list[str]:
    paths = list(sequence.get("annotated_image_paths", truth["annotated_image_paths"]))
    name = sequence_name(truth)
    if len(paths) != len(sequence["segmentations"]):
        raise ValueError(
            f"Sequence {name!r}, {what}: {len(sequence['segmentations'])} segmentations for "
            f"{len(paths)} images."
        )
    if len(set(paths)) != len(paths):
        twice = sorted({path for path in paths if paths.count(path) > 1})
        raise ValueError(f"Sequence {name!r}, {what}: {twice} are listed twice.")
    return paths


def _lookup(categories: Mapping[int, int], track: str | int, name: str, what: str) -> int:
    if int(track) not in categories:
        raise ValueError(
            f"Sequence {name!r}, {what}: track {track} has no class. List it in "
            "'track_category_ids' or give its detections a 'category_id'."
        )
    return categories[int(track)]


def _entry(track: int, category: int, item: Mapping, name: str, what: str) -> tuple:
    """(track, category, score, counts) of one detection."""
    score = float(item.get("score", 1.0))
    if not math.isfinite(score):
        raise ValueError(f"Sequence {name!r}, {what}: track {track} has the score {score}.")
    return track, category, score, item["rle"]


def _detections(frames: list[list[tuple]], size: list[int], name: str) -> Detections:
    entries = [entry for frame in frames for entry in frame]
    rles = [{"size": size, "counts": entry[3]} for entry in entries]
    damaged = damaged_masks([entry[3] for entry in entries], size[0] * size[1])
    if damaged.size:
        frame = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])[damaged[0]]
        raise ValueError(
            f"Sequence {name}, frame {frame}: the mask of track {entries[damaged[0]][0]} is "
            f"damaged or not of {size[0]} x {size[1]} pixels."
        )
    rows: dict[int, int] = {}  # indexed by track id, in order of first appearance
    tracks = [rows.setdefault(entry[0], len(rows)) for entry in entries]
    tracks = np.array(tracks, dtype=np.int64)
    categories = np.array([entry[1] for entry in entries], dtype=np.int64)
    scores = np.array([entry[2] for entry in entries], dtype=np.float64)
    _, first = np.unique(tracks, return_index=True)
    lengths = np.bincount(tracks, minlength=len(rows))
    return Detections(
        tracks=tracks,
        categories=categories,
        scores=scores,
        rles=rles,
        areas=_areas(rles),
        boxes=coco_mask.toBbox(rles) if rles else np.zeros((0, 4)),
        frame_ends=np.cumsum([len(frame) for frame in frames]),
        track_categories=categories[first],
        track_scores=np.bincount(tracks, weights=scores, minlength=len(rows)) / lengths,
    )


def mask_intersections(truths: Detections, predictions: Detections) -> list[np.ndarray]:
    """Common pixels of all truths and predictions of each frame, T times int64 [G_t, P_t]."""
    result = []
    for frame in range(len(truths.frame_ends)):
        rows, columns = truths.in_frame(frame), predictions.in_frame(frame)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        if not all(shape):
            result.append(np.zeros(shape, dtype=np.int64))
            continue
        iou = coco_mask.iou(truths.rles[rows], predictions.rles[columns], [0] * shape[1])
        total = truths.areas[rows, None] + predictions.areas[columns]
        # iou = i / (total - i); rounding makes i exact for areas below 2^26.
        result.append(np.rint(iou * total / (1 + iou)).astype(np.int64))
    return result


def _areas(rles: list[dict]) -> np.ndarray:
    # pycocotools fails on more than 255 masks at a time with NumPy 2.
    parts = [coco_mask.area(rles[i : i + 255]) for i in range(0, len(rles), 255)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts]).astype(np.int64)


def similarities(
    truths: Detections, predictions: Detections, intersections: Sequence[np.ndarray] | None
) -> list[np.ndarray]:
    """IoU of all truths and predictions of each frame, T times float64 [G_t, P_t].

    Args:
        intersections: common pixels of the masks for the IoU of masks; None for that of boxes.
    """
    result = []
    for frame in range(len(truths.frame_ends)):
        rows, columns = truths.in_frame(frame), predictions.in_frame(frame)
        if intersections is None:
            result.append(box_iou(truths.boxes[rows], predictions.boxes[columns]))
            continue
        total = truths.areas[rows, None] + predictions.areas[columns]
        union = total - intersections[frame]
        result.append(intersections[frame] / np.maximum(union, 1))
    return result


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes [G, 4] and [P, 4], (x, y, width, height); 0 for empty ones. [G, P]."""
    top_left = np.maximum(first[:, None, :2], second[:, :2])
    bottom_right = np.minimum(
        first[:, None, :2] + first[:, None, 2:], second[:, :2] + second[:, 2:]
    )
    intersection = np.maximum(bottom_right - top_left, 0).prod(axis=2)
    union = first[:, None, 2:].prod(axis=2) + second[:, 2:].prod(axis=1) - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def tube_iou(
    truths: Detections, predictions: Detections, intersections: Sequence[np.ndarray]
) -> np.ndarray:
    """Common pixels over all frames divided by the united ones, float64 [P tracks, G tracks]."""
    num_truths, num_predictions = len(truths.track_scores), len(predictions.track_scores)
    common = np.zeros((num_predictions, num_truths), dtype=np.int64)
    for frame, pixels in enumerate(intersections):
        rows = truths.tracks[truths.in_frame(frame)]
        columns = predictions.tracks[predictions.in_frame(frame)]
        common[np.ix_(columns, rows)] += pixels.T  # a track has one mask per frame
    truth_size = np.zeros(num_truths, dtype=np.int64)
    np.add.at(truth_size, truths.tracks, truths.areas)
    prediction_size = np.zeros(num_predictions, dtype=np.int64)
    np.add.at(prediction_size, predictions.tracks, predictions.areas)
    union = prediction_size[:, None] + truth_size - common
    return common / np.maximum(union, 1)
