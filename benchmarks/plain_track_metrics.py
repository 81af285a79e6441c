"""Plain transcriptions of tube AP, VPQ, STQ and VSPW's metrics, the yardstick of metric_speed.py.

One pair, one window, one clip at a time, over all pixels, as the definitions are written.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
NUM_CLASSES = 124


def tube_iou(first: list, second: list) -> float:
    intersection = union = 0
    for a, b in zip(first, second, strict=True):
        if a and b:
            intersection += coco_mask.area(coco_mask.merge([a, b], True))
            union += coco_mask.area(coco_mask.merge([a, b], False))
        elif a or b:
            union += coco_mask.area(a or b)
    return float(intersection / union) if union else 0.0


def track_ap(root: Path) -> dict:
    truth, results = (json.loads((root / f"{n}.json").read_text()) for n in ("truth", "results"))
    categories = sorted(c["id"] for c in truth["categories"])
    videos = sorted(v["id"] for v in truth["videos"])

    def select(entries: list, video: int, category: int) -> list:
        return [e for e in entries if e["video_id"] == video and e["category_id"] == category]

    values = []
    for category in categories:
        videos_of_category = []
        for video in videos:
            predicted = select(results, video, category)
            predicted = sorted(predicted, key=lambda p: -p["score"])[:100]
            annotated = select(truth["annotations"], video, category)
            ious = [
                [tube_iou(p["segmentations"], t["segmentations"]) for t in annotated]
                for p in predicted
            ]
            videos_of_category.append((predicted, annotated, ious))
        num_truths = sum(len(annotated) for _, annotated, _ in videos_of_category)
        if num_truths:
            values += [precision(videos_of_category, t, num_truths) for t in THRESHOLDS]
    return {"AP": float(np.mean(values))}


def precision(videos: list[tuple], threshold: float, num_truths: int) -> float:
    scores, right = [], []
    for predicted, annotated, ious in videos:
        free = [True] * len(annotated)
        for p, row in zip(predicted, ious, strict=True):
            best, chosen = min(threshold, 1 - 1e-10), None
            for index, iou in enumerate(row):
                if free[index] and iou >= best:
                    best, chosen = iou, index
            if chosen is not None:
                free[chosen] = False
            scores.append(p["score"])
            right.append(chosen is not None)
    hits = np.array(right, dtype=float)[np.argsort(-np.array(scores), kind="stable")]
    tp, fp = np.cumsum(hits), np.cumsum(1 - hits)
    curve = tp / (tp + fp + np.spacing(1))
    for index in range(len(curve) - 1, 0, -1):
        curve[index - 1] = max(curve[index - 1], curve[index])
    places = np.searchsorted(tp / num_truths, RECALLS, side="left")
    return float(np.mean([curve[i] if i < len(curve) else 0.0 for i in places]))


def read_ids(path: Path) -> np.ndarray:
    rgb = np.asarray(Image.open(path)).astype(np.uint32)
    return rgb[..., 0] + 256 * rgb[..., 1] + 256 * 256 * rgb[..., 2]


def panoptic_content(root: Path) -> tuple[dict, list[tuple[list, list]]]:
    """Categories, and (truth frames, predicted frames) of every video, as (path, segments)."""
    truth = json.loads((root / "truth.json").read_text())
    predicted = json.loads((root / "results" / "pred.json").read_text())["annotations"]
    videos = []
    for true_video, video in zip(truth["annotations"], predicted, strict=True):
        sides = []
        for entry, folder in ((true_video, root / "truth"), (video, root / "results" / "pan_pred")):
            sides.append(
                [
                    (
                        (folder / entry["video_id"] / frame["file_name"]).with_suffix(".png"),
                        frame["segments_info"],
                    )
                    for frame in entry["annotations"]
                ]
            )
        videos.append(tuple(sides))
    return {c["id"]: c for c in truth["categories"]}, videos


def vpq(root: Path) -> dict:
    categories, videos = panoptic_content(root)
    windows = (1, 2, 4, 6, 8)
    values = []
    for length in windows:
        counts = {category: [0.0, 0, 0, 0] for category in categories}  # IoU, TP, FP, FN
        for truth, predicted in videos:
            for start in range(len(truth) - length + 1):
                stop = start + length
                count_window(truth[start:stop], predicted[start:stop], counts)
        quality = [
            iou / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in counts.values() if tp + fp + fn
        ]
        values.append(100 * np.mean(quality))
    return {"VPQ": float(np.mean(values))}


def count_window(truth: list, predicted: list, counts: dict) -> None:
    maps = [np.stack([read_ids(path) for path, _ in side]) for side in (truth, predicted)]
    tubes: list[dict] = [{}, {}]
    for side, frames, pixels in zip(tubes, (truth, predicted), maps, strict=True):
        for _, segments in frames:
            for segment in segments:
                side.setdefault(segment["id"], {**segment, "area": 0})
        for label, area in zip(*np.unique(pixels, return_counts=True), strict=True):
            if label in side:
                side[label]["area"] = int(area)
    pairs = maps[0].astype(np.uint64) * (1 << 24) + maps[1]
    overlap = {
        (int(pair) >> 24, int(pair) & 0xFFFFFF): int(n)
        for pair, n in zip(*np.unique(pairs, return_counts=True), strict=True)
    }
    matched: tuple[set, set] = (set(), set())
    for (g, p), common in overlap.items():
        if g not in tubes[0] or p not in tubes[1]:
            continue
        a, b = tubes[0][g], tubes[1][p]
        union = a["area"] + b["area"] - common - overlap.get((0, p), 0)
        if a["category_id"] == b["category_id"] and common / union > 0.5:
            counts[a["category_id"]][0] += common / union
            counts[a["category_id"]][1] += 1
            matched[0].add(g)
            matched[1].add(p)
    for p, tube in tubes[1].items():
        if p not in matched[1] and overlap.get((0, p), 0) / tube["area"] <= 0.5:
            counts[tube["category_id"]][2] += 1
    for g, tube in tubes[0].items():
        counts[tube["category_id"]][3] += g not in matched[0]


def stq(root: Path) -> dict:
    categories, videos = panoptic_content(root)
    confusion = np.zeros((NUM_CLASSES + 1, NUM_CLASSES + 1), dtype=np.int64)
    total, num_tubes = 0.0, 0
    things = [i for i, category in categories.items() if category["isthing"]]
    for truth, predicted in videos:
        sizes: list[dict[int, int]] = [{}, {}, {}]  # truth tubes, predicted tubes, intersections
        numbers: tuple[dict, dict] = ({}, {})
        for frame in zip(truth, predicted, strict=True):
            labels = []
            for (path, segments), number in zip(frame, numbers, strict=True):
                ids = read_ids(path)
                label = np.full(ids.shape, (255 << 16) + 255, dtype=np.int64)
                for segment in segments:
                    index = number.setdefault(segment["id"], len(number))
                    label[ids == segment["id"]] = (segment["category_id"] << 16) + index
                labels.append(label)
            classes = [np.where(x >> 16 == 255, NUM_CLASSES, x >> 16) for x in labels]
            index = classes[0] * (NUM_CLASSES + 1) + classes[1]
            confusion += np.bincount(index.ravel(), minlength=confusion.size).reshape(
                confusion.shape
            )
            is_thing = [np.isin(x, things) for x in classes]
            crowd = is_thing[0] & (labels[0] & 0xFFFF == 0)
            in_truth, in_prediction = is_thing[0] & ~crowd, is_thing[1] & ~crowd
            both = in_truth & in_prediction
            for size, values in zip(
                sizes,
                (
                    labels[0][in_truth],
                    labels[1][in_prediction],
                    labels[0][both] * (1 << 24) + labels[1][both],
                ),
                strict=True,
            ):
                for value, n in zip(*np.unique(values, return_counts=True), strict=True):
                    size[int(value)] = size.get(int(value), 0) + int(n)
        num_tubes += len(sizes[0])
        for g, area in sizes[0].items():
            for p, predicted_area in sizes[1].items():
                common = sizes[2].get(g * (1 << 24) + p, 0)
                if common:
                    total += common * common / (area + predicted_area - common) / area
    confusion[NUM_CLASSES] = 0
    right = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - right
    iou = (right[union > 0] / union[union > 0]).mean()
    return {"STQ": 100 * float(np.sqrt(total / num_tubes * iou))}


def label_videos(root: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    videos = []
    for folder in sorted((root / "data").iterdir()):
        truth, predicted = [], []
        for path in sorted((folder / "mask").iterdir()):
            raw = np.asarray(Image.open(path)).astype(np.int64)
            truth.append(np.where((raw == 0) | (raw == 255), 255, raw - 1))
            predicted.append(
                np.asarray(Image.open(root / "results" / folder.name / path.name)).astype(np.int64)
            )
        videos.append((np.stack(truth), np.stack(predicted)))
    return videos


def semantic(root: Path) -> dict:
    videos = label_videos(root)
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES))
    for truth, predicted in videos:
        for a, b in zip(truth, predicted, strict=True):
            valid = a < NUM_CLASSES
            index = NUM_CLASSES * a[valid] + b[valid]
            confusion += np.bincount(index, minlength=NUM_CLASSES**2).reshape(confusion.shape)
    right, rows = confusion.diagonal(), confusion.sum(axis=1)
    occurs = rows > 0
    iou = right[occurs] / (rows + confusion.sum(axis=0) - right)[occurs]
    return {"mIoU": 100 * float(iou.mean()), **video_consistency(videos)}


def video_consistency(videos: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    clips: dict[int, list] = {8: [], 16: []}
    for truth, predicted in videos:
        for length, values in clips.items():
            for start in range(len(truth) - length):
                a, b = truth[start : start + length], predicted[start : start + length]
                same_truth = np.ones(a.shape[1:], dtype=bool)
                same = np.ones(a.shape[1:], dtype=bool)
                for frame in range(1, length):
                    same_truth &= a[frame] == a[0]
                    same &= b[frame] == b[0]
                values.append((same_truth & same).sum() / same_truth.sum())
    return {f"VC{k}": 100 * float(np.mean(values)) for k, values in clips.items()}
