"""Models of golden cases: built from the project's configs, filled with deterministic weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from reference.cases import GoldenCase
from reference.deterministic_weights import fill
from univs.config import load_config
from univs.data import register_datasets

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


# Indexed by the folder of the published config file.
_FOLDERS = {
    "coco/panoptic-segmentation": "coco/panoptic",
    "coco/instance-segmentation": "coco/instance",
    "ade20k/semantic-segmentation": "ade20k/semantic",
    "youtubevis_2019": "ytvis/2019",
    "youtubevis_2021": "ytvis/2021",
}


def published_config(config_file: str, device: str = "cpu") -> CfgNode:
    """The project's config for a published Mask2Former one, e.g. ``coco/.../maskformer2_R50_*``."""
    path = Path(config_file)
    folder = path.parent.parent if path.parent.name == "swin" else path.parent
    name = re.search(r"(swin_(tiny|small|base|large)|R\d+)(_IN21k)?", path.stem).group().lower()
    own = CONFIGS / "mask2former" / _FOLDERS[str(folder)] / f"{name}.yaml"
    register_datasets()  # panoptic models ask which classes are things
    return load_config(own, ["MODEL.DEVICE", device])


def mask2former_config(case: GoldenCase) -> CfgNode:
    """The project's config for the published one that a case names."""
    config = published_config(case.meta["config"]["config_file"])
    overrides = case.meta["config"]
    if "NUM_OBJECT_QUERIES" in overrides:
        config.MODEL.MASK_FORMER.NUM_OBJECT_QUERIES = overrides["NUM_OBJECT_QUERIES"]
    if "TRAIN_NUM_POINTS" in overrides:
        config.MODEL.MASK_FORMER.TRAIN_NUM_POINTS = overrides["TRAIN_NUM_POINTS"]
    return config


def filled_model(case: GoldenCase, config: CfgNode) -> nn.Module:
    """Build the model of ``config`` with the weights of ``case``, in evaluation mode."""
    model = build_model(config).eval()
    empty_weight = model.criterion.empty_weight.clone()
    fill(model)
    model.criterion.empty_weight.copy_(empty_weight)
    if "override_mask_features_bias" in case.arrays:
        bias = model.sem_seg_head.pixel_decoder.mask_features.bias
        with torch.no_grad():
            bias.copy_(case.tensor("override_mask_features_bias"))
    return model


def fill_part(module: nn.Module, prefix: str) -> nn.Module:
    """Fill a part of a model with the values that it has as ``prefix`` of the whole model."""
    return fill(module, rename=lambda name: prefix + name).eval()


def numbered(case: GoldenCase, prefix: str) -> Iterator[Tensor]:
    """The arrays ``prefix0``, ``prefix1``, ... in order."""
    names = [name for name in case.arrays if re.fullmatch(re.escape(prefix) + r"\d+", name)]
    for name in sorted(names, key=lambda name: int(name[len(prefix) :])):
        yield case.tensor(name)


def subsampled(tensor: Tensor, like: np.ndarray) -> Tensor:
    """Every n-th element along each axis, so that the shape is that of the array ``like``."""
    assert tensor.dim() == like.ndim
    steps = [-(-size // stored) for size, stored in zip(tensor.shape, like.shape, strict=True)]
    return tensor[tuple(slice(None, None, step) for step in steps)]


def unpack_bits(packed: Tensor, width: int) -> Tensor:
    """Booleans packed along the last axis, first pixel most significant -> bool ``(*, width)``."""
    shifts = torch.arange(7, -1, -1)
    return ((packed[..., None] >> shifts) & 1).bool().flatten(-2)[..., :width]
