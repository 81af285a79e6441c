"""Workloads of the metrics of video object segmentation for metric_speed.py."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import plain_vos_metrics
from metric_speed_workload import Workload
from pycocotools import mask as coco_mask

from univs.evaluation.label_map_files import voc_palette, write_video

HEIGHT, WIDTH = 480, 854


def label_maps(
    frames: int, objects: int, size: tuple[int, int], radius: int, seed: int, jitter: float = 0.0
) -> np.ndarray:
    """Wobbling, drifting shapes, later ids in front: uint8 [frames, *size].

    ``seed`` fixes the shapes; ``jitter`` deforms them, as a prediction would.
    """
    height, width = size
    random, noise = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    centers = random.uniform((0.2 * width, 0.2 * height), (0.8 * width, 0.8 * height), (objects, 2))
    speeds = random.uniform(-1.5, 1.5, (objects, 2))
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    waves = random.uniform(0, 2 * np.pi, (objects, 3))
    maps = np.zeros((frames, height, width), dtype=np.uint8)
    for t in range(frames):
        for k in range(objects):
            wobble = sum(np.sin((n + 2) * angles + waves[k, n] + 0.1 * t) for n in range(3))
            r = radius * (1 + 0.12 * wobble + jitter * noise.normal(size=len(angles)))
            outline = (
                centers[k] + speeds[k] * t + r[:, None] * np.c_[np.cos(angles), np.sin(angles)]
            )
            cv2.fillPoly(maps[t], [np.rint(outline).astype(np.int32)], k + 1)
    return maps


def write_maps(folder: Path, maps: np.ndarray) -> None:
    write_video(folder, [(f"{t:05d}", m) for t, m in enumerate(maps)], voc_palette())


def make_davis_semi(root: Path) -> None:
    for video in range(2):
        for name, jitter in (("truth", 0.0), ("results", 0.05)):
            maps = label_maps(70, 3, (HEIGHT, WIDTH), 90, seed=video, jitter=jitter)
            write_maps(root / name / f"video{video}", maps)


def make_davis_unsupervised(root: Path) -> None:
    size = (HEIGHT, WIDTH)
    write_maps(root / "truth" / "video", label_maps(40, 4, size, 90, seed=0))
    prediction = label_maps(40, 10, size, 90, seed=0, jitter=0.05)
    write_maps(root / "results" / "video", prediction)


def make_viposeg(root: Path) -> None:
    size = (HEIGHT, WIDTH)
    truth = label_maps(60, 20, size, 60, seed=0)
    write_maps(root / "truth" / "video", truth)
    write_maps(root / "references" / "video", truth[:1])
    write_maps(root / "results" / "video", label_maps(60, 20, size, 60, seed=0, jitter=0.05))
    classes = {"video": {str(k + 1): 6 * k for k in range(20)}}
    (root / "obj_class.json").write_text(json.dumps(classes))


def make_burst(root: Path) -> None:
    random = np.random.default_rng(0)
    categories = [4, 3, 13, 34, 7, 15]
    files = {"truth": [], "results": []}
    for video in range(20):
        track_categories = {str(k + 1): int(random.choice(categories)) for k in range(10)}
        for name, jitter in (("truth", 0.0), ("results", 0.05)):
            maps = label_maps(36, 10, (HEIGHT, WIDTH), 70, seed=video, jitter=jitter)
            frames = []
            for label_map in maps:
                masks = np.asfortranarray(label_map[:, :, None] == np.arange(1, 11))
                rles = coco_mask.encode(masks.view(np.uint8))
                frames.append(
                    {
                        str(k + 1): {"rle": rle["counts"].decode(), "score": float(random.random())}
                        for k, rle in enumerate(rles)
                        if coco_mask.area(rle)
                    }
                )
            files[name].append(
                {
                    "id": video,
                    "dataset": "toy",
                    "seq_name": f"video{video}",
                    "width": WIDTH,
                    "height": HEIGHT,
                    "annotated_image_paths": [f"{t:05d}.jpg" for t in range(36)],
                    "segmentations": frames,
                    "track_category_ids": track_categories,
                    "neg_category_ids": [3, 7],
                    "not_exhaustive_category_ids": [15],
                }
            )
    for name, sequences in files.items():
        file = {
            "split": "val",
            "sequences": sequences,
            "categories": [{"id": c, "name": f"class{c}"} for c in categories],
        }
        (root / f"{name}.json").write_text(json.dumps(file))


def score_davis_semi(root: Path) -> dict:
    from univs.evaluation.video_object_protocols import DavisProtocol, score_result_folder

    return score_result_folder(DavisProtocol(root / "truth"), root / "results")


def score_davis_unsupervised(root: Path) -> dict:
    from univs.evaluation.video_object_protocols import DavisProtocol, score_result_folder

    protocol = DavisProtocol(root / "truth", task="unsupervised")
    return score_result_folder(protocol, root / "results")


def score_viposeg(root: Path) -> dict:
    from univs.evaluation.video_object_protocols import VipoSegProtocol, score_result_folder

    protocol = VipoSegProtocol(
        root / "truth", reference_dir=root / "references", classes_file=root / "obj_class.json"
    )
    numbers = score_result_folder(protocol, root / "results")
    return {name: value if name == "decay" else value / 100 for name, value in numbers.items()}


def score_burst(root: Path) -> dict:
    from univs.evaluation.metrics.burst import evaluate_burst

    truth, results = (json.loads((root / f"{n}.json").read_text()) for n in ("truth", "results"))
    scores = evaluate_burst(truth, results, task="class_guided")
    return {f"{key} {group}": v for key in ("HOTA", "AP") for group, v in scores[key].items()}


# Indexed by name.
WORKLOADS = {
    "davis_semi": Workload(
        "2 videos x 70 frames x 3 objects, 480p",
        make_davis_semi,
        score_davis_semi,
        plain_vos_metrics.davis_semi,
        official_seconds=11.4,
        wanted=15,
    ),
    "davis_unsupervised": Workload(
        "40 frames, 4 objects, 10 proposals, 480p",
        make_davis_unsupervised,
        score_davis_unsupervised,
        plain_vos_metrics.davis_unsupervised,
        official_seconds=19.6,
        wanted=15,
    ),
    "pvos": Workload(
        "VIPOSeg: 60 frames x 20 objects, 480p",
        make_viposeg,
        score_viposeg,
        plain_vos_metrics.viposeg,
        official_seconds=3.0,
        wanted=1.5,
    ),
    "burst": Workload(
        "class-guided: 20 videos x 36 frames x 10 tracks, 480p",
        make_burst,
        score_burst,
        plain_vos_metrics.burst,
        official_seconds=3.0,
        wanted=1.5,
    ),
}
