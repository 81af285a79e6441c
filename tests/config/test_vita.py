from __future__ import annotations

import logging

import pytest

from reference.models import CONFIGS
from univs.config import get_cfg, load_config

# What published VITA files set besides keys of Mask2Former, dead keys included.
ORIGINAL = """
DATASETS:
  DATASET_RATIO: [1.0, 0.75]
MODEL:
  META_ARCHITECTURE: "Vita"
  MASK_FORMER:
    TRANSFORMER_DECODER_NAME: "VitaMultiScaleMaskedTransformerDecoder"
  VITA:
    NHEADS: 8
    DROPOUT: 0.0
    ENC_WINDOW_SIZE: 6
    LAST_LAYER_NUM: 3
    MULTI_CLS_ON: True
    APPLY_CLS_THRES: 0.01
    SIM_USE_CLIP: True
    SIM_WEIGHT: 0.5
    TEST_RUN_CHUNK_SIZE: 18
    TEST_INTERPOLATE_CHUNK_SIZE: 5
INPUT:
  SAMPLING_FRAME_NUM: 5
  MIN_SIZE_TRAIN_SAMPLING: "choice_by_clip"
  PSEUDO:
    CROP:
      ENABLED: True
  LSJ_AUG:
    ENABLED: False
"""


def test_an_original_file_loads_without_complaint(tmp_path, caplog):
    path = tmp_path / "vita.yaml"
    path.write_text(ORIGINAL)
    with caplog.at_level(logging.WARNING):
        cfg = load_config(path)
    assert not caplog.records
    assert cfg.MODEL.VITA.ENC_WINDOW_SIZE == 6
    assert "DROPOUT" not in cfg.MODEL.VITA
    # Not in the file, but as published: objects have masks in all frames.
    assert cfg.TEST.MASK_SCORE_THRESHOLD == 0 and cfg.TEST.MODE == ""


def test_defaults_are_those_of_the_original():
    node = get_cfg().MODEL.VITA
    assert (node.ENC_LAYERS, node.DEC_LAYERS, node.NUM_OBJECT_QUERIES) == (6, 3, 100)
    assert (node.LAST_LAYER_NUM, node.SIM_WEIGHT, node.NO_OBJECT_WEIGHT) == (3, 0.5, 0.1)
    assert (node.ENC_WINDOW_SIZE, node.FREEZE_DETECTOR) == (0, False)


# File: classes, frame queries, window, frames, range, batch, rate, iterations, steps, size, kept
PUBLISHED = {
    "coco/r50": (80, 100, 0, 1, 20, 16, 1e-4, 368750, (327778, 355092), 800, 100),
    "coco/r101": (80, 100, 0, 1, 20, 16, 1e-4, 368750, (327778, 355092), 800, 100),
    "coco/swin_large_in21k": (80, 200, 0, 1, 20, 16, 1e-4, 737500, (655556, 710184), 800, 100),
    "ytvis/2019/r50": (40, 100, 6, 5, 20, 8, 5e-5, 140000, (75000,), 360, 10),
    "ytvis/2019/r101": (40, 100, 6, 5, 20, 8, 5e-5, 140000, (75000,), 360, 10),
    "ytvis/2019/swin_large_in21k": (40, 200, 6, 5, 20, 8, 5e-5, 140000, (75000,), 448, 10),
    "ytvis/2021/r50": (40, 100, 6, 6, 8, 8, 5e-5, 187500, (100000,), 360, 10),
    "ytvis/2021/r101": (40, 100, 6, 6, 8, 8, 5e-5, 187500, (100000,), 360, 10),
    "ytvis/2021/swin_large_in21k": (40, 200, 6, 6, 8, 8, 5e-5, 187500, (100000,), 448, 10),
    "ovis/r50": (25, 100, 6, 6, 8, 8, 5e-5, 150000, (50000, 125000), 360, 20),
    "ovis/swin_large_in21k": (25, 200, 6, 6, 8, 8, 5e-5, 150000, (50000, 125000), 448, 20),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_setting(name):
    cfg = load_config(CONFIGS / "vita" / f"{name}.yaml")
    assert PUBLISHED[name] == (
        cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES,
        cfg.MODEL.MASK_FORMER.NUM_OBJECT_QUERIES,
        cfg.MODEL.VITA.ENC_WINDOW_SIZE,
        cfg.INPUT.SAMPLING_FRAME_NUM,
        cfg.INPUT.SAMPLING_FRAME_RANGE,
        cfg.SOLVER.IMS_PER_BATCH,
        cfg.SOLVER.BASE_LR,
        cfg.SOLVER.MAX_ITER,
        cfg.SOLVER.STEPS,
        cfg.INPUT.MIN_SIZE_TEST,
        cfg.TEST.DETECTIONS_PER_IMAGE,
    )
    assert cfg.MODEL.META_ARCHITECTURE == "Vita"
    assert cfg.MODEL.VITA.NUM_OBJECT_QUERIES == 100
    assert cfg.MODEL.MASK_FORMER.DEC_LAYERS == 10
    assert ((True, 0.1) if name.startswith("coco") else (False, cfg.INPUT.LSJ_AUG.MIN_SCALE)) == (
        cfg.INPUT.LSJ_AUG.ENABLED,
        cfg.INPUT.LSJ_AUG.MIN_SCALE,
    )
    ratio = cfg.DATASETS.DATASET_RATIO
    assert len(ratio) in (0, len(cfg.DATASETS.TRAIN))


def test_every_file_of_a_model_is_listed():
    files = {path.relative_to(CONFIGS / "vita") for path in (CONFIGS / "vita").rglob("*.yaml")}
    names = {str(path.with_suffix("")) for path in files}
    shared = {name for name in names if name.rpartition("/")[2] in ("base", "video", "swin_large")}
    assert names - shared == set(PUBLISHED)
