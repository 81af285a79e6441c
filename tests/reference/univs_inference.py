"""Configs of golden cases that segment whole videos: what the published files of R50 say."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from reference.cases import GoldenCase
from reference.deterministic_weights import fill
from reference.models import CONFIGS
from univs.config import load_config

_ENTITY_VIS = {
    "MODEL.MASK_FORMER.TEST.OVERLAP_THRESHOLD": 0.8,
    "MODEL.MASK_FORMER.TEST.STABILITY_SCORE_THRESH": 0.25,
    "MODEL.UniVS.TEST.BOX_NMS_THRESH": 0.85,
    "MODEL.UniVS.TEST.DETECT_NEWLY_OBJECT_THRESHOLD": 0.1,
    "MODEL.UniVS.TEST.TEMPORAL_CONSISTENCY_THRESHOLD": 0.25,
    "MODEL.UniVS.VISUAL_PROMPT_PIXELS_PER_IMAGE": 128,
    "MODEL.UniVS.TEXT_PROMPT_TO_IMAGE_ENABLE": False,
    "MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE": True,
}
_VIS = _ENTITY_VIS | {
    "MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE": False,
    "TEST.DETECTIONS_PER_IMAGE": 100,
}
_SCORE = "MODEL.BoxVIS.TEST.APPLY_CLS_THRES"  # as cases name it, so that theirs counts
# By published file; the data set comes from the case.
_OPTIONS = {
    "R50_yt21_c1+univs_entity": _ENTITY_VIS | {_SCORE: 0.25, "TEST.DETECTIONS_PER_IMAGE": 35},
    "R50_ovis_c1+univs_entity": _ENTITY_VIS | {_SCORE: 0.2, "TEST.DETECTIONS_PER_IMAGE": 50},
    "R50_yt21_c1+univs": _VIS | {_SCORE: 0.05},
    "R50_ovis_c1+univs": _VIS
    | {_SCORE: 0.15, "MODEL.MASK_FORMER.TEST.STABILITY_SCORE_THRESH": 0.5},
    "R50_vps_c1+univs_entity": {
        _SCORE: 0.15,
        "MODEL.MASK_FORMER.TEST.OVERLAP_THRESHOLD": 0.6,
        "MODEL.MASK_FORMER.TEST.STABILITY_SCORE_THRESH": 0.25,
        "MODEL.UniVS.TEST.BOX_NMS_THRESH": 0.75,
        "MODEL.UniVS.TEST.DETECT_NEWLY_OBJECT_THRESHOLD": 0.05,
        "MODEL.UniVS.TEST.TEMPORAL_CONSISTENCY_THRESHOLD": 0.05,
        "MODEL.UniVS.VISUAL_PROMPT_PIXELS_PER_IMAGE": 64,
        "MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE": True,
        "TEST.DETECTIONS_PER_IMAGE": 100,
    },
}


def inference_config(case: GoldenCase, concept_table: os.PathLike) -> CfgNode:
    """The config of a case that segments a video; frames keep their size.

    Args:
        case: the case.
        concept_table: see :func:`~reference.univs_models.write_concept_table`.
    """
    config = case.meta["config"]
    published = Path(config["config_file"]).stem.removeprefix("univs_")
    options = _OPTIONS[published] | {
        "MODEL.DEVICE": "cpu",
        "MODEL.UniVS.CLIP_CLASS_EMBED_PATH": str(concept_table),
        "MODEL.MASK_FORMER.NUM_OBJECT_QUERIES": config["NUM_OBJECT_QUERIES"],
        "INPUT.LSJ_AUG.SQUARE_ENABLED": config["INPUT.LSJ_AUG.SQUARE_ENABLED"],
        "INPUT.MIN_SIZE_TEST": 0,
    }
    words = config["overrides"]
    options |= dict(zip(words[::2], words[1::2], strict=True))
    pairs = [word for pair in options.items() for word in pair]
    return load_config(CONFIGS / "univs" / "r50_stage2.yaml", pairs)


def inference_model(case: GoldenCase, config: CfgNode) -> nn.Module:
    """The model of a config of `inference_config` with the weights of the case."""
    model = fill(build_model(config).eval())
    with torch.no_grad():
        bias = model.sem_seg_head.pixel_decoder.mask_features.bias
        bias.copy_(case.tensor("override_mask_features_bias"))
    return model
