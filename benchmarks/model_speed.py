#!/usr/bin/env python
"""Time per stage and peak memory of any config's model, on CPU or GPU.

python benchmarks/model_speed.py --config-file configs/mask2former/coco/panoptic/r50.yaml
python benchmarks/model_speed.py --config-file ... --device cuda --amp --frames 5 --json out.json

Weights are random: the time of a forward pass does not depend on them. Every stage is timed over
several repetitions in one process, after a warm-up; the median is reported.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.modeling import build_model
from univs.config import load_config
from univs.modeling.ops import deformable_attention_backend
from univs.modeling.targets import ClipTargets

NUM_TARGETS = 10  # objects per clip when training is timed


def measure(stage: Callable[[], object], repetitions: int, device: torch.device) -> dict:
    """Median seconds of ``stage``, and its peak GPU memory in MiB (None on a CPU)."""
    on_gpu = device.type == "cuda"
    stage()
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        stage()
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None
    return {"seconds": statistics.median(seconds), "peak_gpu_mib": peak}


def random_targets(frames: int, size: tuple[int, int], classes: int, device) -> ClipTargets:
    """Rectangles of random classes, the same in all frames."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(NUM_TARGETS, frames, *size, dtype=torch.bool)
    for mask in masks:
        top, left = (int(torch.randint(0, side // 2, (1,), generator=generator)) for side in size)
        mask[:, top : top + size[0] // 3, left : left + size[1] // 3] = True
    labels = torch.randint(0, classes, (NUM_TARGETS,), generator=generator)
    return ClipTargets(labels.to(device), masks.to(device))


def run(arguments: argparse.Namespace) -> dict:
    """Build the model and time its stages."""
    torch.manual_seed(0)
    cfg = load_config(arguments.config_file, [*arguments.opts, "MODEL.DEVICE", arguments.device])
    model = build_model(cfg)
    device = model.device
    frames = [torch.randint(0, 256, (3, *arguments.size)).float() for _ in range(arguments.frames)]
    images = model.preprocess(frames).tensor
    targets = [
        random_targets(
            arguments.frames, tuple(images.shape[-2:]), model.criterion.num_classes, device
        )
    ]
    head = model.sem_seg_head

    def training_step() -> None:
        model.train()
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, enabled=arguments.amp):
            output = head(model.backbone(images), arguments.frames)
            losses = model.criterion.weighted(model.criterion(output, targets))
        sum(losses.values()).backward()

    stages = {}
    with torch.no_grad(), torch.autocast(device.type, enabled=arguments.amp):
        model.eval()
        features = model.backbone(images)
        pixels = head.pixel_decoder.forward_features(features)
        for name, stage in {
            "backbone": lambda: model.backbone(images),
            "pixel decoder": lambda: head.pixel_decoder.forward_features(features),
            "transformer decoder": lambda: head.decode(pixels, arguments.frames),
            "whole forward": lambda: head(model.backbone(images), arguments.frames),
        }.items():
            stages[name] = measure(stage, arguments.repetitions, device)
    if not arguments.no_training:
        stages["training step"] = measure(training_step, arguments.repetitions, device)

    gpu = torch.cuda.get_device_name() if device.type == "cuda" else None
    return {
        "config": str(arguments.config_file),
        "frames": arguments.frames,
        "size": list(images.shape[-2:]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "amp": arguments.amp,
        "device": gpu or f"{platform.processor() or platform.machine()} CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "deformable_attention": deformable_attention_backend(device),
        "peak_process_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "stages": stages,
    }


def show(report: dict) -> None:
    """Print the report as a table."""
    table = Table(
        title=f"{report['config']}: {report['frames']} frame(s) of {report['size']}, "
        f"{report['parameters'] / 1e6:.1f} M parameters\n{report['device']}, "
        f"{report['threads']} thread(s), torch {report['torch']}, amp {report['amp']}, "
        f"process peak {report['peak_process_mib']:.0f} MiB"
    )
    for column in ("stage", "ms", "frames/s", "peak GPU MiB"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, stage in report["stages"].items():
        peak = "-" if stage["peak_gpu_mib"] is None else f"{stage['peak_gpu_mib']:.0f}"
        seconds = stage["seconds"]
        table.add_row(name, f"{seconds * 1e3:.1f}", f"{report['frames'] / seconds:.1f}", peak)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--frames", type=int, default=1, help="frames per clip")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 864), metavar=("H", "W"))
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--no-training", action="store_true", help="time inference only")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("opts", nargs="*", help="config overrides: KEY VALUE ...")
    arguments = parser.parse_args()
    report = run(arguments)
    show(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
