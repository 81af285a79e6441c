"""Keys of the original UniVS: renamed, ignored, and the published recipes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from univs.config import get_cfg, load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "univs"
BACKBONES = ("r50", "swint", "swinb", "swinl")

ORIGINAL = """
MODEL:
  MASK_FORMER:
    REID_WEIGHT_MATCHER: 0.5
  BoxVIS:
    BoxVIS_ENABLED: False
    EMA_ENABLED: True
    TEST:
      CLIP_STRIDE: 2
      APPLY_CLS_THRES: 0.25
      NUM_MAX_INST: 35
  UniVS:
    PROMPT_AS_QUERIES: True
    MASKDEC_ATTN_ORDER: casa
    TEST:
      CLIP_STRIDE: 1
INPUT:
  SAMPLING_FRAME_WINDOE_NUM: 3
"""


def test_keys_of_the_original_are_translated(tmp_path, caplog):
    path = tmp_path / "a.yaml"
    path.write_text(ORIGINAL)
    with caplog.at_level(logging.WARNING):
        cfg = load_config(path)
    assert cfg.MODEL.UniVS.EMA_ENABLED
    assert cfg.TEST.CLIP_STRIDE == 2
    assert cfg.MODEL.UniVS.TEST.CLASS_SCORE_THRESHOLD == 0.25
    assert "SAMPLING_FRAME_WINDOE_NUM" not in cfg.INPUT
    (record,) = caplog.records
    assert "MODEL.UniVS.PROMPT_AS_QUERIES is ignored" in record.getMessage()
    assert "MASKDEC_ATTN_ORDER" not in record.getMessage()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_stages_are_those_of_the_publication(backbone):
    first, second, third = (
        load_config(CONFIGS / f"{backbone}_stage{stage}.yaml") for stage in (1, 2, 3)
    )
    assert [cfg.INPUT.SAMPLING_FRAME_NUM for cfg in (first, second, third)] == [
        1,
        3 if backbone == "r50" else 5,
        5,
    ]
    assert third.INPUT.SAMPLING_FRAME_VIDEO_NUM == 7
    assert third.MODEL.META_ARCHITECTURE == "UniVS_Prompt_LongVideo"
    assert [cfg.MODEL.UniVS.EMA_ENABLED for cfg in (first, second, third)] == [False, False, True]
    weights = [cfg.MODEL.MASK_FORMER.REID_WEIGHT for cfg in (first, second, third)]
    assert weights == ([0.5, 0.5, 0.25] if backbone == "r50" else [0.25, 0.25, 0.125])
    assert [cfg.SOLVER.BASE_LR for cfg in (first, second, third)] == [5e-5, 5e-5, 2.5e-5]
    assert [cfg.MODEL.BACKBONE.FREEZE_AT for cfg in (first, second, third)] == [
        0,
        5 if backbone == "r50" else 4,
        5,
    ]
    for cfg in (first, second, third):
        assert cfg.MODEL.MASK_FORMER.NUM_OBJECT_QUERIES == 200
        assert len(cfg.DATASETS.TRAIN) == len(cfg.DATASETS.DATASET_RATIO)
        assert cfg.MODEL.WEIGHTS not in (get_cfg().MODEL.WEIGHTS, "")
    # A stage starts from what the one before it writes.
    assert f"{first.OUTPUT_DIR}/model_final.pth" == second.MODEL.WEIGHTS
    assert f"{second.OUTPUT_DIR}/model_final.pth" == third.MODEL.WEIGHTS
