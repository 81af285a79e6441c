"""Plain transcriptions of the formulas: whole frames, one pair at a time.

Nothing here is meant for use; see `metric_speed.py`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from univs.evaluation.metrics.viposeg import group_of

EPSILON = np.finfo(float).eps


def read_video(folder: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def one_hot(maps: np.ndarray, count: int) -> np.ndarray:
    return np.stack([maps == k + 1 for k in range(count)])  # [objects, T, H, W]


def region(truth: np.ndarray, prediction: np.ndarray) -> float:
    union = np.sum(truth | prediction)
    return float(np.sum(truth & prediction) / union) if union else 1.0


def boundary_map(mask: np.ndarray) -> np.ndarray:
    right, below, diagonal = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    right[:, :-1], below[:-1], diagonal[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    boundary = (mask ^ right) | (mask ^ below) | (mask ^ diagonal)
    boundary[-1] = mask[-1] ^ right[-1]
    boundary[:, -1] = mask[:, -1] ^ below[:, -1]
    boundary[-1, -1] = False
    return boundary


def boundary_f(truth: np.ndarray, prediction: np.ndarray) -> float:
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (y**2 + x**2 <= radius**2).astype(np.uint8)
    maps = [boundary_map(mask) for mask in (truth, prediction)]
    if not maps[0].any() or not maps[1].any():
        return float(maps[0].any() == maps[1].any())
    wide = [cv2.dilate(boundary.astype(np.uint8), disk) > 0 for boundary in maps]
    precision = np.sum(maps[1] & wide[0]) / np.sum(maps[1])
    recall = np.sum(maps[0] & wide[1]) / np.sum(maps[0])
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


def davis_semi(root: Path) -> dict:
    j, f = [], []
    for folder in sorted((root / "truth").iterdir()):
        truth, prediction = read_video(folder), read_video(root / "results" / folder.name)
        count = truth[0].max()
        for t, p in zip(one_hot(truth, count), one_hot(prediction, count), strict=True):
            pairs = list(zip(t[1:-1], p[1:-1], strict=True))
            j.append(np.mean([region(*pair) for pair in pairs]))
            f.append(np.mean([boundary_f(*pair) for pair in pairs]))
    return {"J-Mean": float(np.mean(j)), "F-Mean": float(np.mean(f))}


def davis_unsupervised(root: Path) -> dict:
    truth, prediction = (read_video(root / name / "video") for name in ("truth", "results"))
    truths = one_hot(truth, truth[0].max())
    proposals = one_hot(prediction, prediction.max())
    scores = np.array(
        [
            [
                [(region(t, p), boundary_f(t, p)) for t, p in zip(ts, ps, strict=True)]
                for ts in truths
            ]
            for ps in proposals
        ]
    ).mean(axis=2)  # [proposals, objects, 2]
    j, f = scores[linear_sum_assignment(-scores.mean(axis=2))].mean(axis=0)
    return {"J-Mean": float(j), "F-Mean": float(f)}


def boundary_band(mask: np.ndarray) -> np.ndarray:
    times = max(1, round(0.02 * math.hypot(*mask.shape)))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=times)
    return mask & ~(eroded[1:-1, 1:-1] > 0)


def viposeg(root: Path) -> dict:
    truth, prediction = (read_video(root / name / "video") for name in ("truth", "results"))
    classes = json.loads((root / "obj_class.json").read_text())["video"]
    groups: dict[str, list] = {}
    for object_id in np.unique(truth[0]):
        if not object_id:
            continue
        group = groups.setdefault(group_of(classes[str(object_id)], "video"), [])
        for t, p in zip(truth[1:] == object_id, prediction[1:] == object_id, strict=True):
            if t.any() and p.any():
                band_t, band_p = boundary_band(t), boundary_band(p)
                biou = np.sum(band_t & band_p) / np.sum(band_t | band_p)
                group.append((region(t, p), biou))
            else:
                group.append((float(t.any() == p.any()),) * 2)
    return {f"{name}_iou": float(np.mean(values)) for name, values in groups.items()}


def box_iou(first: np.ndarray, second: np.ndarray) -> float:
    sides = [
        min(first[i] + first[i + 2], second[i] + second[i + 2]) - max(first[i], second[i])
        for i in (0, 1)
    ]
    common = max(sides[0], 0) * max(sides[1], 0)
    union = first[2] * first[3] + second[2] * second[3] - common
    return common / union if union > 0 else 0.0


def hota(frames: list[tuple[list, list, np.ndarray]]) -> np.ndarray:
    """TP, FN, FP and AssA sums of one class in one sequence, [4, 19]; AssA is not divided yet."""
    alphas = np.arange(0.05, 0.99, 0.05)
    potential, truth_count, tracker_count = {}, {}, {}
    for truths, trackers, s in frames:
        for g in truths:
            truth_count[g] = truth_count.get(g, 0) + 1
        for p in trackers:
            tracker_count[p] = tracker_count.get(p, 0) + 1
        for i, g in enumerate(truths):
            for k, p in enumerate(trackers):
                rest = s[i].sum() + s[:, k].sum() - s[i, k]
                if rest > EPSILON:
                    potential[g, p] = potential.get((g, p), 0) + s[i, k] / rest
    result = np.zeros((4, len(alphas)))
    for a, alpha in enumerate(alphas):
        matches: dict[tuple, int] = {}
        for truths, trackers, s in frames:
            score = np.zeros_like(s)
            for i, g in enumerate(truths):
                for k, p in enumerate(trackers):
                    both = potential.get((g, p), 0)
                    score[i, k] = s[i, k] * both / (truth_count[g] + tracker_count[p] - both)
            for i, k in zip(*linear_sum_assignment(-score), strict=True):
                if s[i, k] >= alpha - EPSILON:
                    pair = truths[i], trackers[k]
                    matches[pair] = matches.get(pair, 0) + 1
        tp = sum(matches.values())
        association = sum(
            m * m / (truth_count[g] + tracker_count[p] - m) for (g, p), m in matches.items()
        )
        result[:, a] = (
            tp,
            sum(truth_count.values()) - tp,
            sum(tracker_count.values()) - tp,
            association,
        )
    return result


def burst(root: Path) -> dict:
    truth, results = (
        sorted(
            json.loads((root / f"{n}.json").read_text())["sequences"], key=lambda s: s["seq_name"]
        )
        for n in ("truth", "results")
    )
    values, precisions = [], []
    for category in sorted({c for s in truth for c in s["track_category_ids"].values()}):
        total = np.zeros((4, 19))
        tracks = []
        for sequence, prediction in zip(truth, results, strict=True):
            total += hota(class_frames(sequence, prediction, category))
            tracks.append(class_tracks(sequence, prediction, category))
        tp, fn, fp, association = total
        accuracy = tp / np.maximum(1, tp + fn + fp)
        values.append(np.mean(np.sqrt(accuracy * association / np.maximum(1, tp))))
        precisions.append(
            np.mean([average_precision(tracks, t) for t in np.arange(0.5, 0.96, 0.05)])
        )
    return {"HOTA all": 100 * float(np.mean(values)), "AP all": 100 * float(np.mean(precisions))}


def class_frames(sequence: dict, prediction: dict, category: int) -> list:
    """Track ids of truth and prediction and the IoU of their boxes, for the frames that count."""
    size = [sequence["height"], sequence["width"]]
    frames = []
    for t, p in zip(sequence["segmentations"], prediction["segmentations"], strict=True):
        if not t:
            continue
        own = []
        for items, source in ((t, sequence), (p, prediction)):
            ids = [k for k in items if source["track_category_ids"][k] == category]
            rles = [{"size": size, "counts": items[k]["rle"]} for k in ids]
            own.append((ids, [coco_mask.toBbox(rle) for rle in rles]))
        (truths, boxes), (trackers, tracker_boxes) = own
        s = np.array([[box_iou(g, d) for d in tracker_boxes] for g in boxes])
        s = s.reshape(len(truths), len(trackers))
        matched = []
        if s.size:
            high = np.where(s < 0.5 - EPSILON, 0, s)
            rows, columns = linear_sum_assignment(-high)
            matched = [k for i, k in zip(rows, columns, strict=True) if high[i, k] > EPSILON]
        if (not truths and category not in sequence["neg_category_ids"]) or (
            category in sequence["not_exhaustive_category_ids"]
        ):
            keep = sorted(matched)
            trackers, s = [trackers[k] for k in keep], s[:, keep]
        frames.append((truths, trackers, s))
    return frames


def class_tracks(sequence: dict, prediction: dict, category: int) -> tuple:
    """Scores of the predicted tracks, best first, their tube IoU [P, G], and if misses count."""
    size = [sequence["height"], sequence["width"]]
    own = []
    for source in (sequence, prediction):
        tracks = []
        for key, track_category in source["track_category_ids"].items():
            items = [frame.get(key) for frame in source["segmentations"]]
            if track_category == category and any(items):
                masks = [item and {"size": size, "counts": item["rle"]} for item in items]
                tracks.append((np.mean([item["score"] for item in items if item]), masks))
        own.append(tracks)
    truths, predictions = own
    if not truths and category not in sequence["neg_category_ids"]:
        predictions = []
    predictions.sort(key=lambda track: -track[0])
    iou = np.array([[tube_iou(p, t) for _, t in truths] for _, p in predictions])
    scores = [score for score, _ in predictions]
    return scores, iou, len(truths), category not in sequence["not_exhaustive_category_ids"]


def tube_iou(first: list, second: list) -> float:
    common = united = 0
    for a, b in zip(first, second, strict=True):
        if a and b:
            common += int(coco_mask.area(coco_mask.merge([a, b], intersect=True)))
            united += int(coco_mask.area(coco_mask.merge([a, b])))
        elif a or b:
            united += int(coco_mask.area(a or b))
    return common / united if united else 0.0


def average_precision(videos: list[tuple], threshold: float) -> float:
    outcomes = []  # (score, is a match) of the tracks that count
    for scores, iou, num_truths, misses_count in videos:
        taken = [False] * num_truths
        for row, score in enumerate(scores):
            best, match = threshold, None
            for column in range(num_truths):
                if not taken[column] and iou[row, column] >= best - EPSILON:
                    best, match = iou[row, column], column
            if match is not None:
                taken[match] = True
            if match is not None or misses_count:
                outcomes.append((score, match is not None))
    outcomes.sort(key=lambda outcome: -outcome[0])
    num_truths = sum(video[2] for video in videos)
    hits, curve = 0, []
    for rank, (_, hit) in enumerate(outcomes):
        hits += hit
        curve.append((hits / num_truths, hits / (rank + 1)))
    recalls = np.linspace(0, 1, 101)
    return float(np.mean([max((p for r, p in curve if r >= x), default=0.0) for x in recalls]))
