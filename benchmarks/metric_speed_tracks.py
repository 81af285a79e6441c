"""Workloads of track AP, VPQ, STQ, mIoU and video consistency for metric_speed.py.

``track_ap_full`` has the size of the YouTube-VIS validation split with 100 predictions per video,
made of a few videos that repeat.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import plain_track_metrics
from metric_speed_workload import Workload
from pycocotools import mask as coco_mask


def wobbling_outline(center: np.ndarray, radii: np.ndarray, phase: float) -> np.ndarray:
    """[72, 2] int32: x and y of the outline of a lobed blob."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = 1 + 0.15 * np.sin(5 * angles + phase)
    points = center + radii * radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.rint(points).astype(np.int32)


def make_tracks(
    root: Path,
    videos: int,
    frames: int,
    truths: int,
    predictions: int,
    categories: int,
    drawn_videos: int | None = None,
    drawn_predictions: int | None = None,
) -> None:
    """YouTube-VIS annotations and results: predictions are displaced truths.

    Only ``drawn_videos`` videos and ``drawn_predictions`` predictions of each are drawn, which
    takes longest; the others repeat them with other scores.
    """
    rng = np.random.default_rng(0)
    height, width = (360, 640)

    def track(center: np.ndarray, speed: np.ndarray, radii: np.ndarray) -> list[dict]:
        # Drawn with x and y exchanged, the masks lie column by column in memory, as runs do.
        drawn = np.zeros((frames, width, height), dtype=np.uint8)
        for t in range(frames):
            outline = wobbling_outline(center + t * speed, radii, t / 5)
            cv2.fillPoly(drawn[t], [np.ascontiguousarray(outline[:, ::-1])], 1)
        rles = coco_mask.encode(drawn.transpose(2, 1, 0))
        return [{"size": r["size"], "counts": r["counts"].decode()} for r in rles]

    def draw_video() -> tuple[list, list]:
        """(category, masks) of the truths and of the predictions."""
        objects = []
        for _ in range(truths):
            center, speed = rng.uniform((60, 60), (width - 60, height - 60)), rng.normal(0, 1, 2)
            objects.append((center, speed, rng.uniform(20, 70, 2), int(rng.integers(categories))))
        drawn = []
        for index in range(drawn_predictions or predictions):
            center, speed, radii, category = objects[index % truths]
            drawn.append((category, track(center + rng.normal(0, 8, 2), speed, radii)))
        return [(category, track(*shape)) for *shape, category in objects], drawn

    drawn_at = [draw_video() for _ in range(drawn_videos or videos)]
    annotations, results = [], []
    for video in range(1, videos + 1):
        annotated, predicted = drawn_at[video % len(drawn_at)]
        for category, masks in annotated:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": video,
                    "category_id": category + 1,
                    "segmentations": masks,
                    "areas": [int(a) for a in coco_mask.area(masks)],
                    "iscrowd": 0,
                }
            )
        for index in range(predictions):
            category, masks = predicted[index % len(predicted)]
            results.append(
                {
                    "video_id": video,
                    "category_id": category + 1,
                    "score": round(float(rng.random()), 4),
                    "segmentations": masks,
                }
            )
    truth = {
        "videos": [
            {"id": v + 1, "height": height, "width": width, "length": frames} for v in range(videos)
        ],
        "categories": [{"id": c + 1, "name": f"class {c + 1}"} for c in range(categories)],
        "annotations": annotations,
    }
    (root / "truth.json").write_text(json.dumps(truth))
    with open(root / "results.json", "w", encoding="utf-8") as file:
        json.dump(results, file)


def layered_labels(size: tuple[int, int], frames: int, count: int, seed: int, jitter: float):
    """Frames of labels 1..count: four bands behind, blobs in front; ``jitter`` displaces them."""
    rng, noise = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    height, width = size
    centers = rng.uniform((0, 0), (width, height), (count, 2))
    speeds, radii = rng.normal(0, 2, (count, 2)), rng.uniform(height / 20, height / 5, (count, 2))
    centers += noise.normal(0, 1, (count, 2)) * jitter
    for t in range(frames):
        labels = np.repeat(1 + np.arange(height, dtype=np.int32) * 4 // height, width).reshape(size)
        for index in range(4, count):
            center = centers[index] + t * speeds[index]
            outline = wobbling_outline(center, radii[index], t / 7)
            cv2.fillPoly(labels, [outline], index + 1)
        yield labels


def make_panoptic(root: Path, frames: int = 60, count: int = 40) -> None:
    """One VIPSeg video of 720p: 4 stuff classes and 36 things; the prediction is displaced."""
    size = (720, 1280)
    for folder, factor, jitter in (("truth", 70001, 0), ("results/pan_pred", 1, 12)):
        (root / folder / "video").mkdir(parents=True)
        listed = []
        for t, labels in enumerate(layered_labels(size, frames, count, 0, jitter)):
            if folder == "truth":
                labels[:, :40] = 0  # void
            ids = labels * factor
            rgb = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
            cv2.imwrite(str(root / folder / "video" / f"{t:05d}.png"), rgb[..., ::-1])
            present, areas = np.unique(labels, return_counts=True)
            segments = [
                {
                    "id": int(label * factor),
                    "category_id": int(label - 1) if label <= 4 else int(10 + label % 8),
                    "iscrowd": 0,
                    "area": int(area),
                }
                for label, area in zip(present, areas, strict=True)
                if label
            ]
            listed.append({"file_name": f"{t:05d}.png", "segments_info": segments})
        content = {
            "annotations": [{"video_id": "video", "annotations": listed}],
            "categories": [{"id": i, "isthing": int(i >= 10), "name": ""} for i in range(124)],
        }
        path = root / ("truth.json" if folder == "truth" else "results/pred.json")
        path.write_text(json.dumps(content))


def make_semantic(root: Path, videos: int = 4, frames: int = 60) -> None:
    """VSPW masks of 480p with void, and displaced predictions."""
    for video in range(videos):
        folders = root / "data" / str(video) / "mask", root / "results" / str(video)
        for folder in folders:
            folder.mkdir(parents=True)
        sides = [layered_labels((480, 854), frames, 20, video, jitter) for jitter in (0, 8)]
        for t, (truth, predicted) in enumerate(zip(*sides, strict=True)):
            truth[:20] = 255
            cv2.imwrite(str(folders[0] / f"{t:05d}.png"), truth.astype(np.uint8))
            cv2.imwrite(str(folders[1] / f"{t:05d}.png"), (predicted - 1).astype(np.uint8))


def score_tracks(root: Path) -> dict:
    from univs.evaluation.metrics.youtube_vis import YoutubeVisTruth, youtube_vis_ap
    from univs.evaluation.result_files import read_json_list

    truth = YoutubeVisTruth.from_json(json.loads((root / "truth.json").read_text()))
    return youtube_vis_ap(truth, read_json_list(root / "results.json")).stats


def score_panoptic(root: Path) -> dict:
    from univs.evaluation.panoptic_video_truth import PanopticVideoTruth
    from univs.evaluation.video_panoptic import panoptic_percentages, score_videos

    truth = PanopticVideoTruth(root / "truth.json", root / "truth")
    return panoptic_percentages(
        score_videos(truth, root / "results"), truth.windows, truth.categories
    )


def score_semantic(root: Path) -> dict:
    from univs.evaluation.video_semantic import score_result_folder

    videos = sorted(path.name for path in (root / "data").iterdir())
    names = [str(index) for index in range(124)]
    return score_result_folder(root / "data", root / "results", videos, names)


def load_label_maps(root: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth and prediction of every video, uint8 [T, H, W]."""
    return [
        (truth.astype(np.uint8), predicted.astype(np.uint8))
        for truth, predicted in plain_track_metrics.label_videos(root)
    ]


def score_consistency(videos: list[tuple[np.ndarray, np.ndarray]]) -> dict:
    from univs.evaluation.metrics.video_consistency import VideoConsistency, video_consistency

    counters = [VideoConsistency() for _ in videos]
    for counter, frames in zip(counters, videos, strict=True):
        for truth, predicted in zip(*frames, strict=True):
            counter.add(truth, predicted, "")
    return {
        f"VC{k}": 100 * video_consistency(counter.clips(k) for counter in counters) for k in (8, 16)
    }


# Indexed by name; the project's VPQ and STQ come from one pass over the files.
WORKLOADS = {
    "track_ap": Workload(
        "40 videos x 36 frames x 10 truths x 20 predictions",
        lambda root: make_tracks(root, 40, 36, 10, 20, 10),
        score_tracks,
        plain_track_metrics.track_ap,
        official_seconds=2.2,
        wanted=4,
    ),
    "track_ap_full": Workload(
        "421 videos x 30 frames x 4 truths x 100 predictions",
        lambda root: make_tracks(root, 421, 30, 4, 100, 40, drawn_videos=4, drawn_predictions=8),
        score_tracks,
    ),
    "vpq": Workload(
        "1 video x 60 frames, 720p, windows 1/2/4/6/8 (ours: and STQ)",
        make_panoptic,
        score_panoptic,
        plain_track_metrics.vpq,
        official_seconds=94,
        wanted=40,
    ),
    "stq": Workload(
        "1 video x 60 frames, 720p (ours: and VPQ)",
        make_panoptic,
        score_panoptic,
        plain_track_metrics.stq,
        official_seconds=12.5,
        wanted=5,
    ),
    "semantic": Workload(
        "4 videos x 60 frames, 480p: mIoU, VC8 and VC16",
        make_semantic,
        score_semantic,
        plain_track_metrics.semantic,
        official_seconds=0.94 + 1.45 + 1.54,
        wanted=1.5,
    ),
    "video_consistency": Workload(
        "the same, VC8 and VC16 of label maps in memory",
        make_semantic,
        score_consistency,
        plain_track_metrics.video_consistency,
        official_seconds=1.45 + 1.54,
        wanted=8,
        load=load_label_maps,
    ),
}
