"""Default values, which are those of the original code."""

from __future__ import annotations

import yaml

from detectron2.config import get_cfg as get_detectron2_cfg
from univs.config import (
    add_maskformer2_config,
    add_maskformer2_video_config,
    add_univs_config,
    get_cfg,
    load_config,
)


def test_mask2former_defaults_before_any_yaml():
    node = get_cfg().MODEL.MASK_FORMER
    assert (node.CLASS_WEIGHT, node.DICE_WEIGHT, node.MASK_WEIGHT) == (1.0, 1.0, 20.0)
    assert (node.DROPOUT, node.DEC_LAYERS, node.ENC_LAYERS) == (0.1, 6, 0)
    assert (node.NUM_OBJECT_QUERIES, node.TRAIN_NUM_POINTS) == (100, 12544)
    assert get_cfg().MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS == 0


def test_clip_defaults():
    inputs = get_cfg().INPUT
    assert (inputs.SAMPLING_FRAME_NUM, inputs.SAMPLING_FRAME_RANGE) == (2, 20)
    assert inputs.SAMPLING_FRAME_SHUFFLE is False


def test_configurations_are_independent():
    first = get_cfg()
    first.MODEL.SWIN.DEPTHS.append(5)
    first.SEED = 1
    assert get_cfg().MODEL.SWIN.DEPTHS == [2, 2, 6, 2]
    assert first.SEED != get_cfg().SEED


def test_keys_can_be_added_as_in_the_original_projects():
    cfg = get_detectron2_cfg()
    add_maskformer2_config(cfg)
    add_maskformer2_video_config(cfg)
    add_univs_config(cfg)
    assert cfg.MODEL.MASK_FORMER == get_cfg().MODEL.MASK_FORMER


def test_a_dumped_configuration_can_be_read_back(tmp_path):
    cfg = get_cfg()
    cfg.SOLVER.STEPS = (1, 2)
    path = tmp_path / "config.yaml"
    path.write_text(cfg.dump())
    # As plain data: nested tuples come back as lists.
    assert yaml.safe_load(load_config(path).dump()) == yaml.safe_load(cfg.dump())
