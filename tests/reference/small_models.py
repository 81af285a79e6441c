"""Untrained models of VITA and GenVIS that are small enough for unit tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Instances
from reference.models import CONFIGS
from univs.config import load_config

# What makes a published setting small.
SIZES = [
    "MODEL.DEVICE", "cpu",
    "MODEL.RESNETS.NORM", "BN",
    "MODEL.RESNETS.STEM_OUT_CHANNELS", 16,
    "MODEL.RESNETS.WIDTH_PER_GROUP", 4,
    "MODEL.RESNETS.RES2_OUT_CHANNELS", 32,
    "MODEL.SEM_SEG_HEAD.NUM_CLASSES", 3,
    "MODEL.SEM_SEG_HEAD.CONVS_DIM", 32,
    "MODEL.SEM_SEG_HEAD.MASK_DIM", 32,
    "MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS", 1,
    "MODEL.MASK_FORMER.HIDDEN_DIM", 32,
    "MODEL.MASK_FORMER.NHEADS", 4,
    "MODEL.MASK_FORMER.DIM_FEEDFORWARD", 64,
    "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES", 8,
    "MODEL.MASK_FORMER.DEC_LAYERS", 4,
    "MODEL.MASK_FORMER.TRAIN_NUM_POINTS", 128,
    "MODEL.VITA.HIDDEN_DIM", 32,
    "MODEL.VITA.NHEADS", 4,
    "MODEL.VITA.DIM_FEEDFORWARD", 64,
    "MODEL.VITA.ENC_LAYERS", 2,
    "MODEL.VITA.DEC_LAYERS", 2,
    "MODEL.VITA.NUM_OBJECT_QUERIES", 6,
    "INPUT.MIN_SIZE_TEST", 48,
    "TEST.DETECTIONS_PER_IMAGE", 4,
]  # fmt: skip


def small_config(system: str, options: Sequence = ()) -> CfgNode:
    """A config of ``Vita`` or ``Genvis``, shrunk."""
    file = {"Vita": "vita/ytvis/2019/r50", "Genvis": "genvis/ytvis/2019/r50_online"}[system]
    return load_config(CONFIGS / f"{file}.yaml", [*SIZES, *options])


def small_model(config: CfgNode) -> nn.Module:
    """The model of ``config`` with the same random weights every time, in evaluation mode."""
    torch.manual_seed(0)
    model = build_model(config).eval()
    # At first all masks are alike; spread the queries.
    with torch.no_grad():
        model.vita_module.query_feat.weight *= 4
        model.vita_module.mask_embed.layers[-1].weight *= 8
    return model


def small_video(num_frames: int) -> list[np.ndarray]:
    """Frames 48 x 64 with a square that moves; longer videos begin like shorter ones."""
    generator = np.random.default_rng(0)
    background = generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    frames = []
    for index in range(num_frames):
        frame = background.copy()
        frame[10:30, 3 * index : 3 * index + 20] = (200, 30, 40)
        frames.append(frame)
    return frames


def small_samples(num_clips: int, num_frames: int, *, num_objects: int = 2) -> list[dict]:
    """Training samples of the small video; object n is absent from frame n."""
    masks = torch.zeros(num_objects, num_frames, 48, 64, dtype=torch.bool)
    for index in range(num_objects):
        masks[index, :, 4 * index : 4 * index + 16, 10:40] = True
    ids = torch.arange(num_objects)[:, None].repeat(1, num_frames) + 7
    if num_frames > 1:
        for index in range(min(num_objects, num_frames)):
            masks[index, index], ids[index, index] = False, -1
    frames = []
    for frame in range(num_frames):
        instances = Instances((48, 64))
        instances.gt_classes = torch.where(ids[:, frame] >= 0, torch.arange(num_objects) % 3, -1)
        instances.gt_ids = ids[:, frame]
        instances.gt_masks = BitMasks(masks[:, frame])
        frames.append(instances)
    images = [torch.from_numpy(x.transpose(2, 0, 1).copy()) for x in small_video(num_frames)]
    return [{"image": images, "instances": frames} for _ in range(num_clips)]


def fit_moving_square(model: nn.Module, num_frames: int, iterations: int) -> Tensor:
    """Train on the small video, whose only object, of class 1, is the square.

    Returns:
        bool ``(T, H, W)``, where it is.
    """
    masks = torch.zeros(1, num_frames, 48, 64, dtype=torch.bool)
    (sample,) = small_samples(1, num_frames, num_objects=1)
    for t, instances in enumerate(sample["instances"]):
        masks[0, t, 10:30, 3 * t : 3 * t + 20] = True
        instances.gt_masks = BitMasks(masks[:, t])
        instances.gt_classes, instances.gt_ids = torch.tensor([1]), torch.tensor([7])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    model.train()
    torch.manual_seed(0)
    for _ in range(iterations):
        optimizer.zero_grad()
        sum(model([sample]).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    return masks[0]
