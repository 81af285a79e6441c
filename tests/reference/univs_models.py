"""UniVS models of golden cases."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.modeling import build_model
from reference.cases import GoldenCase
from reference.deterministic_weights import fill, tensor_for
from reference.models import CONFIGS
from univs.config import load_config
from univs.modeling.concepts import PUBLISHED_NUM_CONCEPTS

# Where CLIP's vocabulary may be for tests that need all of it.
VOCABULARY_VARIABLE = "UNIVS_CACHE"


def write_concept_table(path: Path, text_dim: int = 640) -> Path:
    """Write the made-up concept table of golden cases in the published format."""
    table = tensor_for("clip_cls_text_emb", (PUBLISHED_NUM_CONCEPTS, text_dim))
    torch.save(torch.from_numpy(table), path)
    return path


# Keys of a case's ``config`` that are named differently in this project.
_KEYS = {
    "NUM_OBJECT_QUERIES": "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES",
    "MASKDEC_SELF_ATTN_MASK_TYPE": "MODEL.UniVS.MASKDEC_SELF_ATTN_MASK_TYPE",
    "POSITION_EMBEDDING_SINE3D": "MODEL.UniVS.POSITION_EMBEDDING_SINE3D",
    "VISUAL_PROMPT_PIXELS_PER_IMAGE": "MODEL.UniVS.VISUAL_PROMPT_PIXELS_PER_IMAGE",
    "NUM_PREV_FRAMES_MEMORY": "MODEL.UniVS.TEST.NUM_PREV_FRAMES_MEMORY",
    "INPUT.SAMPLING_FRAME_NUM": "INPUT.SAMPLING_FRAME_NUM",
}


def univs_config_file(published: str) -> Path:
    """The project's config of a published one, e.g. ``univs/univs_r50_stage2.yaml``."""
    return CONFIGS / "univs" / Path(published).name.removeprefix("univs_")


def univs_model(case: GoldenCase, concept_table: os.PathLike, options: tuple = ()) -> nn.Module:
    """The model of ``case`` with its weights, in evaluation mode.

    Args:
        case: the case.
        concept_table: file of :func:`write_concept_table`.
        options: further overrides of the config.
    """
    overrides = ["MODEL.DEVICE", "cpu", "MODEL.UniVS.CLIP_CLASS_EMBED_PATH", str(concept_table)]
    for name, key in _KEYS.items():
        if name in case.meta["config"]:
            overrides += [key, case.meta["config"][name]]
    config_file = univs_config_file(case.meta["config"]["config_file"])
    model = build_model(load_config(config_file, [*overrides, *options])).eval()
    fill(model)
    if "override_mask_features_bias" in case.arrays:
        with torch.no_grad():
            bias = case.tensor("override_mask_features_bias")
            model.sem_seg_head.pixel_decoder.mask_features.bias.copy_(bias)
    return model
