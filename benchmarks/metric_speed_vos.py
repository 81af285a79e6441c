"""Speed and memory of the metrics of video object segmentation, files on disk included.

Every workload is generated once and scored twice, each time in a fresh process on one core: by the
project, and by a plain transcription of the formulas (whole frames, one pair at a time). The two
must agree. Run from the root of the repository::

    python benchmarks/metric_speed_vos.py [--workload NAME ...] [--repeat N]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from plain_vos_metrics import PLAIN
from pycocotools import mask as coco_mask

from univs.evaluation.label_map_files import voc_palette, write_video
from univs.evaluation.metrics.burst import evaluate_burst
from univs.evaluation.video_object_protocols import (
    DavisProtocol,
    VipoSegProtocol,
    score_result_folder,
)

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
    return score_result_folder(DavisProtocol(root / "truth"), root / "results")


def score_davis_unsupervised(root: Path) -> dict:
    protocol = DavisProtocol(root / "truth", task="unsupervised")
    return score_result_folder(protocol, root / "results")


def score_viposeg(root: Path) -> dict:
    protocol = VipoSegProtocol(
        root / "truth", reference_dir=root / "references", classes_file=root / "obj_class.json"
    )
    return score_result_folder(protocol, root / "results")


def score_burst(root: Path) -> dict:
    truth, results = (json.loads((root / f"{n}.json").read_text()) for n in ("truth", "results"))
    scores = evaluate_burst(truth, results, task="class_guided")
    return {f"{key} {group}": v for key in ("HOTA", "AP") for group, v in scores[key].items()}


# What is generated, and what scores it, by workload.
WORKLOADS: dict[str, tuple[str, Callable, Callable]] = {
    "davis_semi": ("2 videos x 70 frames x 3 objects, 480p", make_davis_semi, score_davis_semi),
    "davis_unsupervised": (
        "40 frames, 4 objects, 10 proposals, 480p",
        make_davis_unsupervised,
        score_davis_unsupervised,
    ),
    "viposeg": ("60 frames x 20 objects, 480p", make_viposeg, score_viposeg),
    "burst": ("20 videos x 36 frames x 10 tracks, class-guided, 480p", make_burst, score_burst),
}


def peak_mib() -> float:
    """Peak resident memory of this process; unlike getrusage's, without that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(implementation: str, workload: str, root: Path) -> dict:
    """Score in this process; processor seconds and peak resident memory in MiB."""
    score = WORKLOADS[workload][2] if implementation == "project" else PLAIN[workload]
    start_mib = peak_mib()
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    numbers = score(root)
    elapsed = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": elapsed,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": peak_mib(),
        "start_mib": start_mib,
        "numbers": {k: v for k, v in numbers.items() if isinstance(v, float)},
    }


def measure_in_child(implementation: str, workload: str, root: Path, repeat: int) -> dict:
    """The fastest of ``repeat`` runs, each in a process of its own."""
    command = [sys.executable, __file__, "--child", implementation, workload, str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
    runs = []
    for _ in range(repeat):
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(output.stdout.splitlines()[-1]))
    return min(runs, key=lambda run: run["cpu_seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--repeat", type=int, default=3, help="runs of the project per workload")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        cv2.setNumThreads(1)
        implementation, workload, root = arguments.child
        print(json.dumps(measure(implementation, workload, Path(root))))
        return
    print(f"{'workload':<20}{'':<10}{'wall s':>8}{'cpu s':>8}{'peak MiB':>10}{'grown MiB':>11}")
    for workload in arguments.workload:
        description, make, _ = WORKLOADS[workload]
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            ours = measure_in_child("project", workload, Path(folder), arguments.repeat)
            plain = measure_in_child("plain", workload, Path(folder), 1)
        for name, run in (("project", ours), ("plain", plain)):
            print(
                f"{workload:<20}{name:<10}{run['seconds']:>8.2f}{run['cpu_seconds']:>8.2f}"
                f"{run['peak_mib']:>10.0f}{run['peak_mib'] - run['start_mib']:>11.0f}"
            )
        for key, expected in plain["numbers"].items():
            actual = ours["numbers"][key]
            assert np.isclose(actual, expected, rtol=1e-9, atol=1e-9, equal_nan=True), (
                f"{workload}: {key} is {actual!r}, by the plain formulas {expected!r}"
            )
        ratio = plain["cpu_seconds"] / ours["cpu_seconds"]
        print(f"  {description}: {ratio:.1f} times faster, equal numbers")


if __name__ == "__main__":
    main()
