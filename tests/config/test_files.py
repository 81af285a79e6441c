"""Every YAML file below configs/ merges, and the published models have the published sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference.cases import manifest
from univs.config import load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))

# Configuration of the manifest -> file.
PUBLISHED = {
    "coco_panoptic_R50": "coco/panoptic/r50",
    "coco_panoptic_R101": "coco/panoptic/r101",
    "coco_panoptic_swin_tiny": "coco/panoptic/swin_tiny",
    "coco_panoptic_swin_small": "coco/panoptic/swin_small",
    "coco_panoptic_swin_base_IN21k": "coco/panoptic/swin_base_in21k",
    "coco_panoptic_swin_large_IN21k": "coco/panoptic/swin_large_in21k",
    "coco_instance_R50": "coco/instance/r50",
    "coco_instance_swin_large_IN21k": "coco/instance/swin_large_in21k",
    "ytvis2019_video_R50": "ytvis/2019/r50",
}


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(CONFIGS)) for path in FILES])
def test_file_merges(path):
    load_config(path)


def test_files_were_found():
    assert FILES


def test_every_published_model_has_a_file():
    assert set(PUBLISHED) == set(manifest("mask2former"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_those_of_the_published_model(name):
    cfg = load_config(CONFIGS / "mask2former" / f"{PUBLISHED[name]}.yaml")
    shapes = manifest("mask2former")[name]["state_dict"]
    predictor = "sem_seg_head.predictor"
    classes, width = shapes[f"{predictor}.class_embed.weight"]
    assert classes == cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES + 1
    assert width == cfg.MODEL.MASK_FORMER.HIDDEN_DIM
    assert shapes[f"{predictor}.query_feat.weight"][0] == cfg.MODEL.MASK_FORMER.NUM_OBJECT_QUERIES
    assert (
        sum(
            key.startswith(f"{predictor}.transformer_ffn_layers") and key.endswith("norm.weight")
            for key in shapes
        )
        == cfg.MODEL.MASK_FORMER.DEC_LAYERS - 1
    )
    if "swin" in name:
        swin = cfg.MODEL.SWIN
        assert shapes["backbone.patch_embed.proj.weight"][0] == swin.EMBED_DIM
        tables = [
            [
                shapes[key]
                for key in shapes
                if key.startswith(f"backbone.layers.{stage}.") and key.endswith("bias_table")
            ]
            for stage in range(4)
        ]
        assert [len(stage) for stage in tables] == swin.DEPTHS
        assert [stage[0][1] for stage in tables] == swin.NUM_HEADS
        assert tables[0][0][0] == (2 * swin.WINDOW_SIZE - 1) ** 2
    else:
        blocks = sum(
            key.startswith("backbone.res4") and key.endswith("conv1.weight") for key in shapes
        )
        assert blocks == {50: 6, 101: 23}[cfg.MODEL.RESNETS.DEPTH]
        assert not cfg.MODEL.RESNETS.STRIDE_IN_1X1
