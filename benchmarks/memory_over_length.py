#!/usr/bin/env python
"""Peak memory of sessions by the length of the video; it should not depend on it.

python benchmarks/memory_over_length.py --frames 200 2000
python benchmarks/memory_over_length.py --weights model_final.pth --tasks vos vps --json memory.json
python benchmarks/memory_over_length.py --config-file configs/univs/r50_stage3.yaml \
    --weights univs_r50.pth --size 480 854

Every figure comes from a process of its own, which generates frames one by one, pushes them into a
session, drops the results of single frames, and reads the result of the whole video frame by frame,
as one does who writes it into files. The peak is the most memory that the process has had resident
up to then. Listed apart are the object tokens of models that look at a video as a whole (VITA),
which do grow, and the bytes of the result, to show that something was found. Without weights and
config the model is a random UniVS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_CONFIG = REPOSITORY / "configs" / "toy" / "univs_stage3.yaml"
MIB = 2**20
# The C library gives freed blocks back at once: otherwise holes in its heap count, too, which are
# larger than what is to be measured and differ from run to run. (glibc; others ignore it.)
EXACT_ALLOCATION = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config-file", type=Path, help="needed unless the checkpoint has one")
    parser.add_argument("--weights", help="checkpoint; a random model by default")
    parser.add_argument("--tasks", nargs="+", help="by default all that the model can do")
    parser.add_argument("--frames", nargs="+", type=int, default=[200, 2000])
    parser.add_argument("--size", nargs=2, type=int, default=[96, 144], metavar=("H", "W"))
    parser.add_argument("--device", default=None)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--most", type=float, default=1.02, help="exit with 1 if any ratio is more")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE")
    parser.add_argument("--measure", nargs=2, metavar=("TASK", "FRAMES"), help=argparse.SUPPRESS)
    return parser.parse_args()


def load_segmenter(options: argparse.Namespace):
    """The model of ``options.config_file`` or of ``options.weights``, random without weights."""
    import torch

    import univs
    from detectron2.modeling import build_model
    from univs.config import load_config
    from univs.data import register_datasets
    from univs.tracking import Segmenter

    if options.weights:
        model_files = [path for path in (options.config_file, options.weights) if path is not None]
        return univs.load(*model_files, options=options.opts, device=options.device)
    cfg = load_config(options.config_file or DEFAULT_CONFIG, options.opts)
    register_datasets()
    cfg.MODEL.DEVICE = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    return Segmenter(build_model(cfg), cfg, class_names=())


def measure(options: argparse.Namespace, task: str, num_frames: int) -> dict:
    """Segment one generated video; see the keys of what is returned."""
    import torch

    segmenter = load_segmenter(options)
    if task == "list":
        return {"tasks": segmenter.tasks}
    size = tuple(options.size)
    with segmenter.session(task) as session:
        for target in targets_of(task, size):
            session.add(target)
        for index in range(num_frames):
            session.push(generated_frame(index, size))
        tokens = sum(part.untyped_storage().nbytes() for part in getattr(session, "_tokens", ()))
        video = session.finish()
    frames = map(video.frame, range(num_frames))
    result = sum(bytes_of(frame) for frame in frames)
    return {
        "peak": peak_bytes(),
        "device_peak": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        "tokens": tokens,
        "result": result,
        "tracks": len(video.tracks),
    }


def generated_frame(index: int, size: tuple[int, int]) -> np.ndarray:
    """A square that moves over a texture, uint8 ``(H, W, 3)``."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    texture = (96 + 32 * np.sin(rows / 5) + 32 * np.sin(columns / 7 + index / 30)).astype(np.uint8)
    frame = np.repeat(texture[..., None], 3, axis=2)
    side = height // 3
    top, left = (5 * index) % (height - side), (3 * index) % (width - side)
    frame[top : top + side, left : left + side] = (220, 40, 30)
    return frame


def bytes_of(frame) -> int:
    """Run lengths and label map of a frame result."""
    size = sum(len(segment.rle["counts"]) for segment in frame.segments)
    return size + (0 if frame.label_map is None else frame.label_map.nbytes)


def targets_of(task: str, size: tuple[int, int]) -> list:
    """What the tasks that follow targets are given: the square of the generated frames."""
    from univs.structures import MaskTarget, PointTarget, TextTarget

    side = size[0] // 3
    mask = np.zeros(size, bool)
    mask[:side, :side] = True
    if task in ("vos", "pvos"):
        return [MaskTarget(id=1, mask=mask), MaskTarget(id=2, mask=~mask)]
    if task == "pet":
        return [PointTarget(id=1, points=[[side / 2, side / 2]])]
    if task == "refvos":
        return [TextTarget(id=1, text="the red square"), TextTarget(id=2, text="the blue circle")]
    return []


def peak_bytes() -> int:
    """The most memory that this process has had resident."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def in_a_process(task: str, num_frames: int) -> dict:
    """:func:`measure` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--measure", task, str(num_frames)],
        env=os.environ | EXACT_ALLOCATION,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"measuring {task} with {num_frames} frames failed, see above")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    options = parse()
    if options.measure:
        task, num_frames = options.measure
        print(json.dumps(measure(options, task, int(num_frames))))
        return 0
    tasks = options.tasks or in_a_process("list", 0)["tasks"]
    figures, worst = {}, 0.0
    heads = (
        ("frames", 8), ("peak MiB", 10), ("GPU MiB", 9), ("tokens MiB", 12), ("result MiB", 12),
        ("tracks", 8), ("ratio", 8),
    )  # fmt: skip
    print("task    " + "".join(f"{head:>{width}s}" for head, width in heads))
    for task in tasks:
        shortest = None
        for num_frames in sorted(options.frames):
            figure = in_a_process(task, num_frames)
            shortest = shortest or figure
            # With a GPU, what counts is its memory.
            key = "device_peak" if figure["device_peak"] else "peak"
            ratio = figure[key] / shortest[key]
            worst = max(worst, ratio)
            figures[f"{task}/{num_frames}"] = {**figure, "ratio": ratio}
            print(
                f"{task:8s}{num_frames:8d}{figure['peak'] / MIB:10.1f}"
                f"{figure['device_peak'] / MIB:9.1f}{figure['tokens'] / MIB:12.2f}"
                f"{figure['result'] / MIB:12.2f}{figure['tracks']:8d}{ratio:8.3f}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0 if worst <= options.most else 1


if __name__ == "__main__":
    sys.exit(main())
