from __future__ import annotations

import pytest
import torch
from torch import nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.modeling import build_model
from reference.models import CONFIGS
from univs.config import load_config


@pytest.fixture(scope="session")
def toy_config():
    """The config of the toy video model, with masks of all queries kept."""
    return load_config(
        CONFIGS / "toy" / "mask2former_video.yaml",
        ["MODEL.MASK_FORMER.NUM_OBJECT_QUERIES", 5, "TEST.MASK_SCORE_THRESHOLD", 0.0],
    )


@pytest.fixture(scope="session")
def toy_model(toy_config) -> nn.Module:
    """The toy video model with random weights, in evaluation mode."""
    torch.manual_seed(0)
    return build_model(toy_config).eval()
