from __future__ import annotations

import logging

import pytest

from reference.models import CONFIGS
from univs.config import get_cfg, load_config

# What published GenVIS files set on top of VITA's.
ORIGINAL = """
MODEL:
  META_ARCHITECTURE: "Genvis"
  WEIGHTS: "vita_r50_ovis.pth"
  VITA:
    ENC_WINDOW_SIZE: 0
    FREEZE_DETECTOR: True
  GENVIS:
    LEN_CLIP_WINDOW: 3
INPUT:
  SAMPLING_FRAME_NUM: 15
  SAMPLING_FRAME_RANGE: 12
  SAMPLING_FRAME_SHUFFLE: False
"""


def test_an_original_file_loads_without_complaint_and_means_the_same(tmp_path, caplog):
    path = tmp_path / "genvis.yaml"
    path.write_text(ORIGINAL)
    with caplog.at_level(logging.WARNING):
        cfg = load_config(path)
    assert not caplog.records
    own = load_config(CONFIGS / "genvis" / "ovis" / "r50_semi_online.yaml")
    assert cfg.MODEL.GENVIS == own.MODEL.GENVIS
    assert cfg.TEST.MASK_SCORE_THRESHOLD == own.TEST.MASK_SCORE_THRESHOLD == 0


# Data set: classes, iterations, step, ratio, kept
PUBLISHED = {
    "ytvis/2019": (40, 15000, (10000,), [1.0, 0.75], 10),
    "ytvis/2021": (40, 90000, (50000,), [1.0, 0.75], 10),
    "ovis": (25, 140000, (100000,), [1.0, 0.25], 20),
}
# Way: frames of a clip, frames of a sample, range
WAYS = {"online": (1, 5, 6), "semi_online": (3, 15, 12)}
BACKBONES = {"r50": (100, 360), "swin_large_in21k": (200, 448)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("data", PUBLISHED)
def test_published_setting(data, backbone, way):
    cfg = load_config(CONFIGS / "genvis" / data / f"{backbone}_{way}.yaml")
    vita = load_config(CONFIGS / "vita" / data / f"{backbone}.yaml")
    assert PUBLISHED[data] == (
        cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES,
        cfg.SOLVER.MAX_ITER,
        cfg.SOLVER.STEPS,
        cfg.DATASETS.DATASET_RATIO,
        cfg.TEST.DETECTIONS_PER_IMAGE,
    )
    assert WAYS[way] == (
        cfg.MODEL.GENVIS.LEN_CLIP_WINDOW,
        cfg.INPUT.SAMPLING_FRAME_NUM,
        cfg.INPUT.SAMPLING_FRAME_RANGE,
    )
    queries, test_size = BACKBONES[backbone]
    assert queries == cfg.MODEL.MASK_FORMER.NUM_OBJECT_QUERIES
    assert test_size == cfg.INPUT.MIN_SIZE_TEST
    assert (cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.VITA.ENC_WINDOW_SIZE) == ("Genvis", 0)
    assert cfg.MODEL.VITA.FREEZE_DETECTOR
    assert (cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.BASE_LR) == (8, 5e-5)
    assert cfg.INPUT.MIN_SIZE_TRAIN == vita.INPUT.MIN_SIZE_TRAIN
    assert (cfg.DATASETS.TRAIN, cfg.DATASETS.TEST) == (vita.DATASETS.TRAIN, vita.DATASETS.TEST)


def test_defaults():
    node = get_cfg().MODEL.GENVIS
    assert node.LEN_CLIP_WINDOW == 5
    assert not node.PUBLISHED_BEHAVIOUR


def test_every_file_of_a_model_is_listed():
    files = (CONFIGS / "genvis").rglob("*online.yaml")
    names = {str(path.relative_to(CONFIGS / "genvis").with_suffix("")) for path in files}
    models = {f"{d}/{b}_{w}" for d in PUBLISHED for b in BACKBONES for w in WAYS}
    assert names == models | set(WAYS)
