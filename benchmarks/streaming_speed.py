#!/usr/bin/env python
"""Frames per second of UniVS with features computed once per frame, and once per clip.

python benchmarks/streaming_speed.py
python benchmarks/streaming_speed.py --config-file configs/univs_inf/vos/r50_davis17.yaml \
    --weights univs_r50.pth --task vos --size 480 854

The second way is the original's: at a stride of 1 every frame is in as many clips as a clip has
frames, and passes backbone and pixel decoder in each. Both ways run in turn on the same generated
frames in this process, and their masks are compared. Without weights the model is a random one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from memory_over_length import generated_frame, load_segmenter, targets_of

import univs  # noqa: F401  chooses the Detectron2
from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import VideoResult
from univs.tracking import Segmenter
from univs.tracking.univs_frames import UnivsClip, UnivsFrames
from univs.tracking.univs_session import UnivsSession

REPOSITORY = Path(__file__).resolve().parents[1]


class RecomputedFrames(UnivsFrames):
    """Encodes all frames of every clip, as the original does."""

    def encode(self, frames: range) -> UnivsClip:
        images = {index: self._waiting[index] for index in frames}
        self._encoded.clear()
        clip = super().encode(frames)
        self._waiting.update(images)
        return clip


def segment(segmenter: Segmenter, task: str, frames: list, *, once: bool) -> VideoResult:
    session = segmenter.session(task)
    if not isinstance(session, UnivsSession):
        raise SystemExit("this benchmark is for UniVS models")
    if not once:
        session._frames.__class__ = RecomputedFrames
    with session:
        for target in targets_of(task, frames[0].shape[:2]):
            session.add(target)
        for frame in frames:
            session.push(frame)
        return session.finish()


def seconds(call) -> tuple[float, VideoResult]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def same_masks(one: VideoResult, other: VideoResult) -> bool:
    pairs = [(track.id, track.category, track.segmentations) for track in one.tracks]
    return pairs == [(track.id, track.category, track.segmentations) for track in other.tracks]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    config = REPOSITORY / "configs" / "toy" / "univs_stage3.yaml"
    parser.add_argument("--config-file", type=Path, default=config)
    parser.add_argument("--weights", help="checkpoint; a random model by default")
    parser.add_argument("--task", default="vos")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", nargs=2, type=int, default=[96, 144], metavar=("H", "W"))
    parser.add_argument("--repeat", type=int, default=3, help="the fastest run counts")
    parser.add_argument("--device", default=None)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE")
    options = parser.parse_args()

    segmenter = load_segmenter(options)
    assert isinstance(segmenter.model, UnivsBase)

    frames = [generated_frame(index, tuple(options.size)) for index in range(options.frames)]
    for once in (True, False):  # warm up
        segment(segmenter, options.task, frames[:6], once=once)
    best, results = {}, {}
    for _ in range(options.repeat):
        for once in (True, False):
            duration, results[once] = seconds(
                lambda once=once: segment(segmenter, options.task, frames, once=once)
            )
            best[once] = min(best.get(once, duration), duration)
    figures = {
        "task": options.task,
        "frames": options.frames,
        "size": options.size,
        "once per frame, frames/s": options.frames / best[True],
        "once per clip, frames/s": options.frames / best[False],
        "ratio": best[False] / best[True],
        "equal masks": same_masks(results[True], results[False]),
        "tracks": len(results[True].tracks),
    }
    for name, value in figures.items():
        print(f"{name:26s}{value:.2f}" if isinstance(value, float) else f"{name:26s}{value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0 if figures["equal masks"] else 1


if __name__ == "__main__":
    sys.exit(main())
