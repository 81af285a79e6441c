"""Configurations of published inference: every file is complete and names what exists."""

from __future__ import annotations

from pathlib import Path

import pytest

import univs.data
from detectron2.data import DatasetCatalog, MetadataCatalog
from reference.models import CONFIGS
from univs.config import load_config
from univs.engine.record_targets import _CATEGORY_TASKS
from univs.tracking.univs_options import category_task, clip_options

FILES = sorted(path for path in (CONFIGS / "univs_inf").rglob("*.yaml") if path.name != "base.yaml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_says_how_its_task_is_done(path: Path):
    cfg = load_config(path)
    univs.data.register_datasets()
    task, backbone = path.parent.name, path.stem.split("_")[0]
    assert f"output/univs_inf/{task}/{path.stem}" == cfg.OUTPUT_DIR
    assert (cfg.MODEL.BACKBONE.NAME == "build_resnet_backbone") == (backbone == "r50")
    assert cfg.DATASETS.TEST
    for name in cfg.DATASETS.TEST:
        assert name in DatasetCatalog.list()
        kind = MetadataCatalog.get(name).evaluator_type
        assert _CATEGORY_TASKS.get(kind) == (task if task in ("vis", "vps", "vss") else None)
    assert clip_options(cfg, task)["clip_length"] == cfg.INPUT.SAMPLING_FRAME_NUM
    if task in ("vis", "vps", "vss"):
        vocabulary = MetadataCatalog.get(cfg.DATASETS.TEST[0]).domain
        assert callable(category_task(cfg, task, vocabulary, False))


def test_there_is_a_file_for_every_backbone_and_task():
    found = {(path.parent.name, path.stem.split("_")[0]) for path in FILES}
    tasks = ("vis", "vps", "vss", "vos", "pvos", "refvos")
    backbones = ("r50", "swint", "swinb", "swinl")
    assert found == {(task, backbone) for task in tasks for backbone in backbones}
