"""An untrained UniVS model that is small enough for unit tests, and videos for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from reference.models import CONFIGS
from univs.config import load_config
from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import VideoResult
from univs.tracking.univs_frames import UnivsFrames
from univs.tracking.univs_task import UnivsTask

_SIZES = (
    "MODEL.DEVICE", "cpu",
    "MODEL.BACKBONE.NAME", "SmallCNN",
    "MODEL.SEM_SEG_HEAD.CONVS_DIM", 32,
    "MODEL.SEM_SEG_HEAD.MASK_DIM", 32,
    "MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS", 1,
    "MODEL.MASK_FORMER.HIDDEN_DIM", 32,
    "MODEL.MASK_FORMER.NHEADS", 2,
    "MODEL.MASK_FORMER.DIM_FEEDFORWARD", 64,
    "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES", 6,
    "MODEL.MASK_FORMER.DEC_LAYERS", 4,
    "MODEL.UniVS.TEXT_ENCODER", "hashed",
    "MODEL.UniVS.TEXT_DIM", 24,
    "MODEL.UniVS.CONCEPTS", [["shapes", ["circle", "square", "ring"]], ["stuff", ["sky", "sea"]]],
    "MODEL.UniVS.VISUAL_PROMPT_PIXELS_PER_IMAGE", 16,
)  # fmt: skip


def small_univs_config(*options) -> CfgNode:
    """The published config, shrunk."""
    return load_config(CONFIGS / "univs" / "r50_stage2.yaml", [*_SIZES, *options])


def small_univs_model(*options) -> UnivsBase:
    """The same random weights every time, in evaluation mode."""
    torch.manual_seed(0)
    model = build_model(small_univs_config(*options)).eval()
    # At first all masks are alike, and next to nothing.
    with torch.no_grad():
        model.sem_seg_head.predictor.query_feat.weight *= 4
        model.sem_seg_head.predictor.mask_embed.layers[-1].weight *= 1000
    return model


def noise_video(num_frames: int, size: tuple[int, int] = (50, 70)) -> np.ndarray:
    """Frames ``(T, H, W, 3)``; longer videos begin like shorter ones."""
    return np.random.default_rng(0).integers(0, 255, (num_frames, *size, 3), dtype=np.uint8)


def rectangle(top: int, left: int, bottom: int, right: int, size=(50, 70)) -> np.ndarray:
    """A mask."""
    mask = np.zeros(size, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


class Runner:
    """Shows a video to one task, frame by frame."""

    def __init__(
        self, model: UnivsBase, task: UnivsTask, *, clip_length: int, stride: int = 1, min_size=0
    ) -> None:
        self.model, self.task = model, task
        self.frames = UnivsFrames(
            model, clip_length=clip_length, stride=stride, min_size=min_size, max_size=1333
        )
        self.next_start = 0

    def push(self, frames: Sequence[np.ndarray]) -> None:
        for frame in frames:
            clip = self.frames.push(frame)
            if clip is not None:
                self._show(clip)

    def finish(self) -> VideoResult:
        if self.frames.rest() is not None:
            self._show(self.frames.rest())
        return self.task.finish(self.frames.num_frames, self.frames.frame_size)

    def _show(self, frames: range) -> None:
        begin = self.task.begins_at()
        if begin is not None and begin < frames.stop:
            clip = self.frames.encode(frames)
            self.task.add(self.model, clip)
        self.frames.advance(frames)
        self.next_start = frames.start + self.frames.stride


def follow(
    model: UnivsBase, task: UnivsTask, frames: np.ndarray, *, clip_length: int, **options
) -> VideoResult:
    """Show a whole video to a task."""
    runner = Runner(model, task, clip_length=clip_length, **options)
    runner.push(frames)
    return runner.finish()


def id_maps(result: VideoResult) -> np.ndarray:
    """The id of the target of every pixel: ``(T, H, W)``."""
    return np.stack([*result.to_indexed_masks(use_target_ids=True)])
