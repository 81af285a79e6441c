"""The toy config of TarViS end to end: one model, four tasks, four data sets, one evaluation."""

from __future__ import annotations

import json
import math

import pytest
import torch

from reference.models import CONFIGS
from reference.tarvis import recorded
from univs.config import load_config
from univs.data import register_datasets
from univs.data.toy import generate
from univs.engine.trainer import Trainer, evaluate

SMALL = [
    *("MODEL.SEM_SEG_HEAD.CONVS_DIM", 32, "MODEL.SEM_SEG_HEAD.MASK_DIM", 32),
    *("MODEL.MASK_FORMER.HIDDEN_DIM", 32, "MODEL.MASK_FORMER.DEC_LAYERS", 2),
    *("MODEL.MASK_FORMER.TRAIN_NUM_POINTS", 32, "DATALOADER.NUM_WORKERS", 0),
    *("SOLVER.MAX_ITER", 4, "SOLVER.IMS_PER_BATCH", 2, "TEST.CLIP_LENGTH", 4),
    *("MODEL.TARVIS.TEST.FRAME_OVERLAP", 2),
]


@pytest.mark.slow
def test_four_tasks_are_trained_and_scored_in_one_command(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIVS_DATASETS", str(tmp_path))
    generate(
        tmp_path / "toy",
        num_train_videos=3,
        num_val_videos=1,
        num_frames=9,  # VPQ looks at windows of up to eight
        layouts=("ytvis", "vipseg", "davis", "burst"),
        progress=False,
    )
    register_datasets()
    config = load_config(
        CONFIGS / "toy" / "tarvis.yaml", [*SMALL, "OUTPUT_DIR", str(tmp_path / "output")]
    )
    torch.manual_seed(0)
    trainer = Trainer(config)
    trainer.resume_or_load(resume=False)
    trainer.train()
    config.MODEL.WEIGHTS = str(tmp_path / "output" / "model_final.pth")
    results = evaluate(config)
    scores = {
        "toy_ytvis_val": ("segm", "AP"),
        "toy_vipseg_val": ("panoptic_seg", "VPQ"),
        "toy_davis_val": ("davis_semi_supervised", "J&F-Mean"),
        "toy_burst_point_val": ("burst_exemplar_guided", "HOTA all"),
    }
    assert results.keys() == scores.keys()
    for name, (task, number) in scores.items():
        assert not math.isnan(results[name][task][number])
    predicted = tmp_path / "output" / "inference" / "toy_burst_point_val" / "results.json"
    (sequence,) = json.loads(predicted.read_text())["sequences"]
    assert sequence["segmentations"]

    # Of sparsely annotated videos only the annotated frames, if that is what the protocol looks at.
    config.DATASETS.TEST = ("toy_burst_point_val",)
    config.TEST.FRAMES = "annotated"
    with recorded([trainer.model.backbone]) as features:
        results = Trainer.test(config, trainer.model)
    assert sum(len(maps["res2"]) for maps in features) == 5  # frames 0, 2, 4, 6, 8
    assert not math.isnan(results["burst_exemplar_guided"]["HOTA all"])
