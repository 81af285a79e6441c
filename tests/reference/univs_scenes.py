"""A small untrained UniVS model that finds several entities, and videos for it."""

from __future__ import annotations

import numpy as np
import torch

from detectron2.config import CfgNode
from reference.small_univs import rectangle, small_univs_config, small_univs_model
from univs.data import register_datasets
from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import MaskTarget, PointTarget, TextTarget

_SHAPES = ["circle", "square", "triangle", "star", "cross", "ring"]
_STUFF = ["sky", "grass", "water", "road"]
_OPTIONS = (
    "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES", 12,
    "MODEL.UniVS.CONCEPTS", [
        ["toy_vis", _SHAPES], ["toy_vps", _STUFF + _SHAPES], ["toy_vss", _STUFF + _SHAPES],
    ],
    "INPUT.MIN_SIZE_TEST", 0,
    "INPUT.SAMPLING_FRAME_NUM", 3,
    "TEST.DETECTIONS_PER_IMAGE", 5,
    "MODEL.MASK_FORMER.TEST.OVERLAP_THRESHOLD", 0.5,
    "MODEL.MASK_FORMER.TEST.OVERLAP_THRESHOLD_ENTITY", 0.05,
    "MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE", True,
    "MODEL.UniVS.TEST.NUM_PREV_FRAMES_MEMORY", 2,
    "MODEL.UniVS.TEST.CLASS_SCORE_THRESHOLD", 0.2,
    "MODEL.UniVS.TEST.DETECT_NEWLY_OBJECT_THRESHOLD", 0.1,
    "MODEL.UniVS.TEST.TEMPORAL_CONSISTENCY_THRESHOLD", 0.5,
    "MODEL.UniVS.TEST.BOX_NMS_THRESH", 1.1,  # masks of untrained models are large
)  # fmt: skip


def scene_config(*options) -> CfgNode:
    """The config of the small model; its classes are those of toy data sets."""
    register_datasets()
    return small_univs_config(*_OPTIONS, *options)


def scene_model(*options) -> UnivsBase:
    """The small model, with masks that it is sure of."""
    model = small_univs_model(*_OPTIONS, *options)
    with torch.no_grad():
        model.sem_seg_head.pixel_decoder.mask_features.weight.mul_(1500)
    return model


def scene(num_frames: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A box moves over a moving background and changes its colour: ``(T, H, W, 3)``.

    Longer videos begin like shorter ones.
    """
    blocks = np.random.default_rng(0).integers(0, 255, (size[0] // 8, size[1] // 8, 3))
    background = blocks.astype(np.uint8).repeat(8, 0).repeat(8, 1)
    video = np.empty((num_frames, *size, 3), dtype=np.uint8)
    for index in range(num_frames):
        video[index] = np.roll(background, 2 * index, axis=1)
        left = 3 * index % (size[1] - 20)
        top = index % (size[0] - 20)
        colour = (255, 30, 30) if index // 6 % 2 else (10, 10, 220)
        video[index, top : top + 16, left : left + 20] = colour
    return video


def target_for(
    task: str, size: tuple[int, int] = (48, 64)
) -> MaskTarget | PointTarget | TextTarget:
    """What a task that follows targets is given in the first frame of a scene."""
    if task == "refvos":
        return TextTarget(id=1, text="the red square")
    if task == "pet":
        return PointTarget(id=1, points=[[20, 20]])
    return MaskTarget(id=1, mask=rectangle(5, 5, 30, 40, size))
