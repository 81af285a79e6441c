"""Small models and files with the true names of published ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reference.cases import manifest


def model_of(tensors: dict[str, torch.Tensor]) -> nn.Module:
    """A model that has exactly these tensors, as buffers, under these names."""
    root = nn.Module()
    for name, tensor in tensors.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        module.register_buffer(leaf, tensor.clone())
    return root


def tiny_tensors(system: str, configuration: str) -> dict[str, torch.Tensor]:
    """All tensors of a published model, cut down to at most two entries per axis."""
    generator = torch.Generator().manual_seed(0)
    shapes = manifest(system)[configuration]["state_dict"]
    return {
        name: torch.randn([min(side, 2) for side in shape], generator=generator)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="session")
def r50() -> dict[str, torch.Tensor]:
    """Mask2Former with ResNet-50; do not change."""
    return tiny_tensors("mask2former", "coco_panoptic_R50")


@pytest.fixture(scope="session")
def swin() -> dict[str, torch.Tensor]:
    """Mask2Former with Swin-T; do not change."""
    return tiny_tensors("mask2former", "coco_panoptic_swin_tiny")


@pytest.fixture
def make_model():
    """Build a model that has exactly the given tensors."""
    return model_of
