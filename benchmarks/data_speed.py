#!/usr/bin/env python
"""Training clips per second that one loader worker makes, for the mapper of every system.

python benchmarks/data_speed.py
python benchmarks/data_speed.py --only univs --profile
python benchmarks/data_speed.py --json out.json

Videos and images of 1280 x 720 with 30 objects are generated: JPEG files, and masks as run lengths
in one json. Every mapper works in this process, as a loader worker does, with the published sizes
and augmentations of its system, and with as many frames as that trains on. Time is that of the
processor, so that other programs on the machine count less.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import platform
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from univs.config import load_config
from univs.data.mapper import ClipMapper, PseudoClipMapper, UnivsClipMapper
from univs.data.mapper.image_sequence import ImageSequenceMapper
from univs.data.mapper.tarvis_clip import TarVisClipMapper
from univs.data.readers.youtube_vis import read_youtube_vis
from univs.data.toy.layouts.encoding import compressed_rle

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
HEIGHT, WIDTH = 720, 1280
NUM_OBJECTS = 30
NUM_CLASSES = 40


@dataclass(frozen=True)
class Case:
    """One mapper.

    Attributes:
        config: YAML file below ``configs``.
        build: makes the mapper.
        is_image: it takes still images.
    """

    config: str
    build: Callable[[CfgNode], Callable[[dict], dict]]
    is_image: bool = False


CASES = {
    "mask2former": Case("mask2former/ytvis/2021/r50.yaml", ClipMapper),
    "vita": Case("vita/ytvis/2021/r50.yaml", ClipMapper),
    "vita, images": Case("vita/ytvis/2021/r50.yaml", PseudoClipMapper, is_image=True),
    "vita, pre-training": Case("vita/coco/r50.yaml", PseudoClipMapper, is_image=True),
    "genvis": Case("genvis/ytvis/2021/r50_semi_online.yaml", ClipMapper),
    "genvis, images": Case(
        "genvis/ytvis/2021/r50_semi_online.yaml", PseudoClipMapper, is_image=True
    ),
    "univs, stage 2": Case("univs/r50_stage2.yaml", UnivsClipMapper),
    "univs, stage 2, images": Case("univs/r50_stage2.yaml", UnivsClipMapper, is_image=True),
    "univs, stage 3": Case("univs/r50_stage3.yaml", UnivsClipMapper),
    "tarvis": Case(
        "tarvis/video/r50.yaml", lambda cfg: TarVisClipMapper(_common(cfg), crop=(0.75, 0.75))
    ),
    "tarvis, objects": Case(
        "tarvis/video/r50.yaml",
        lambda cfg: TarVisClipMapper(_common(cfg), crop=(0.75, 0.75), gives_objects=True),
    ),
    "tarvis, images": Case("tarvis/pretrain/r50.yaml", ImageSequenceMapper, is_image=True),
}


def _common(cfg: CfgNode) -> CfgNode:
    """The sizes of YouTube-VIS."""
    cfg.INPUT.MIN_SIZE_TRAIN = tuple(cfg.INPUT.MIN_SIZES_TRAIN[0])
    cfg.INPUT.MAX_SIZE_TRAIN = cfg.INPUT.MAX_SIZES_TRAIN[0]
    return cfg


def generate(root: Path, num_videos: int, num_frames: int) -> None:
    """Write videos of moving ellipses, and ``annotations.json`` in the form of YouTube-VIS."""
    random = np.random.default_rng(0)
    videos, annotations = [], []
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    # A wavy outline, so that there are as many runs as real objects have.
    ripple = 1 + 0.08 * np.sin(rows / 3) * np.sin(columns / 4)
    for video in range(1, num_videos + 1):
        coarse = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        background = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        centres = random.uniform(0, (WIDTH, HEIGHT), (NUM_OBJECTS, 2))
        speeds = random.uniform(-8, 8, (NUM_OBJECTS, 2))
        axes = random.uniform(30, 150, (NUM_OBJECTS, 2))
        tracks = [[] for _ in range(NUM_OBJECTS)]
        names = []
        for frame in range(num_frames):
            names.append(f"{video:03d}/{frame:05d}.jpg")
            image = np.roll(background, 3 * frame, axis=1).copy()
            owner = np.full((HEIGHT, WIDTH), -1, np.int16)
            for number in range(NUM_OBJECTS):
                x, y = centres[number] + frame * speeds[number]
                a, b = axes[number]
                top, left = max(0, int(y - 1.1 * b)), max(0, int(x - 1.1 * a))
                window = np.s_[top : max(0, int(y + 1.1 * b)), left : max(0, int(x + 1.1 * a))]
                distance = ((columns[window] - x) / a) ** 2 + ((rows[window] - y) / b) ** 2
                owner[window][distance < ripple[window]] = number
            image[owner >= 0] = image[owner >= 0] // 2 + 60
            path = root / names[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
            for number in range(NUM_OBJECTS):
                mask = owner == number
                tracks[number].append(compressed_rle(mask) if mask.any() else None)
        videos.append({"id": video, "height": HEIGHT, "width": WIDTH, "file_names": names})
        annotations += [
            {
                "id": len(annotations) + number + 1,
                "video_id": video,
                "category_id": number % NUM_CLASSES + 1,
                "segmentations": segmentations,
            }
            for number, segmentations in enumerate(tracks)
        ]
    categories = [{"id": number, "name": str(number)} for number in range(1, NUM_CLASSES + 1)]
    content = {"videos": videos, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content))


def measure(mapper: Callable[[dict], dict], entries: list[dict], clips: int) -> list[float]:
    """Seconds of each of ``clips`` clips, after a first one that is not counted."""
    torch.manual_seed(0)
    mapper(entries[0])
    seconds = []
    for number in range(clips):
        start = time.process_time()
        mapper(entries[number % len(entries)])
        seconds.append(time.process_time() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20, help="of each mapper (default: 20)")
    parser.add_argument("--only", default="", metavar="TEXT", help="mappers with this in the name")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep what is generated here, for the next time"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)  # as in a worker
    cv2.setNumThreads(1)
    console = Console()
    numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        console.print("Generating videos ...")
        records = {}
        for kind, counts in (("videos", (2, 30)), ("images", (12, 1))):
            root = Path(options.data or folder, kind)
            path = root / "annotations.json"
            if not path.exists():
                root.mkdir(parents=True, exist_ok=True)
                generate(root, *counts)
            records[kind] = read_youtube_vis(path, root, dataset=kind, domain="ytvis21")
        for name, case in CASES.items():
            if options.only not in name:
                continue
            mapper = case.build(load_config(CONFIGS / case.config))
            entries = [
                record.as_dataset_dict()
                for record in records["images" if case.is_image else "videos"]
            ]
            profiler = cProfile.Profile()
            if options.profile:
                profiler.enable()
            seconds = measure(mapper, entries, options.clips)
            profiler.disable()
            frames = mapper.num_frames
            numbers[name] = {
                "frames": frames,
                "seconds_per_clip": statistics.mean(seconds),
                "clips_per_second": 1 / statistics.mean(seconds),
                "frames_per_second": frames / statistics.mean(seconds),
            }
            if options.profile:
                print(f"\n{name}")
                pstats.Stats(profiler).sort_stats("tottime").print_stats(12)
    table = Table("mapper", "frames", "clips/s", "frames/s", title=platform.processor() or None)
    for name, found in numbers.items():
        table.add_row(
            name,
            str(found["frames"]),
            f"{found['clips_per_second']:.2f}",
            f"{found['frames_per_second']:.1f}",
        )
    console.print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(numbers, indent=2))


if __name__ == "__main__":
    main()
