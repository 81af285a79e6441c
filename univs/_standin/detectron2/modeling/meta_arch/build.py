"""Whole models, by name."""

from __future__ import annotations

import torch
from torch import nn

from detectron2.config import CfgNode
from detectron2.utils.registry import Registry

__all__ = ["META_ARCH_REGISTRY", "build_model"]

META_ARCH_REGISTRY = Registry("META_ARCH")
META_ARCH_REGISTRY.__doc__ = "Whole models: each is called with the config."


def build_model(cfg: CfgNode) -> nn.Module:
    """Build ``MODEL.META_ARCHITECTURE`` on ``MODEL.DEVICE``. No weights are loaded."""
    model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    return model.to(torch.device(cfg.MODEL.DEVICE))
