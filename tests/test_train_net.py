"""The training script end to end: train, interrupt, resume, evaluate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from univs.data.toy import generate

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = REPOSITORY / "configs" / "toy" / "mask2former_video.yaml"
SMALL = [
    *("SOLVER.MAX_ITER", "6"),
    *("SOLVER.IMS_PER_BATCH", "2"),
    *("MODEL.MASK_FORMER.DEC_LAYERS", "3"),
    *("MODEL.MASK_FORMER.TRAIN_NUM_POINTS", "64"),
    *("INPUT.MIN_SIZE_TRAIN", "(64,)"),
    *("INPUT.MIN_SIZE_TEST", "64"),
    *("DATALOADER.NUM_WORKERS", "0"),
    *("TEST.EVAL_PERIOD", "0"),
]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    generate(
        root / "toy",
        num_train_videos=4,
        num_val_videos=2,
        num_frames=4,
        layouts=("ytvis", "coco"),
        progress=False,
    )
    return root


def run(datasets: Path, *arguments: object, config: Path = CONFIG) -> subprocess.CompletedProcess:
    environment = {**os.environ, "UNIVS_DATASETS": str(datasets), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "train_net.py", "--config-file", str(config)]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def average_precision(output: str) -> list[str]:
    return [line for line in output.splitlines() if "copypaste: " in line and "," in line]


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one_and_is_evaluated_alike(datasets, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    first = run(datasets, *SMALL, "OUTPUT_DIR", whole)
    assert first.returncode == 0, first.stderr[-2000:]
    half = run(datasets, *SMALL, "OUTPUT_DIR", halves, "SOLVER.CHECKPOINT_PERIOD", 3)
    assert half.returncode == 0, half.stderr[-2000:]
    (halves / "last_checkpoint").write_text("model_0000002.pth")
    resumed = run(datasets, "--resume", *SMALL, "OUTPUT_DIR", halves)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "Starting training from iteration 3" in resumed.stdout + resumed.stderr

    weights = [
        torch.load(folder / "model_final.pth", weights_only=True)["model"]
        for folder in (whole, halves)
    ]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name

    evaluated = run(
        datasets,
        "--eval-only",
        *SMALL,
        *("MODEL.WEIGHTS", whole / "model_final.pth", "OUTPUT_DIR", tmp_path / "evaluated"),
    )
    assert evaluated.returncode == 0, evaluated.stderr[-2000:]
    trained_rows = average_precision(first.stdout + first.stderr)
    assert trained_rows
    strip = [row.split("copypaste")[1] for row in trained_rows]
    rows = average_precision(evaluated.stdout + evaluated.stderr)
    assert [row.split("copypaste")[1] for row in rows] == strip
    results = whole / "inference" / "toy_ytvis_val" / "results.json"
    assert isinstance(json.loads(results.read_text()), list)


@pytest.mark.slow
def test_the_image_model_trains_and_is_evaluated(datasets, tmp_path):
    config = CONFIG.with_name("mask2former_image.yaml")
    small = [*SMALL, "INPUT.IMAGE_SIZE", 64, "OUTPUT_DIR", tmp_path]
    result = run(datasets, *small, config=config)
    assert result.returncode == 0, result.stderr[-2000:]
    assert average_precision(result.stdout + result.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SOLVER.MAX_ITTER", "3"], "SOLVER.MAX_ITER"),
        (["--eval-only", "MODEL.WEIGHTS", "missing.pth"], "missing.pth"),
        (["--eval-only"], "nothing to evaluate"),
        (["DATASETS.TRAIN", "('toy_ytvis_trian',)"], "toy_ytvis_trian"),
    ],
)
def test_user_errors_are_one_sentence(datasets, tmp_path, arguments, message):
    result = run(datasets, *arguments, "OUTPUT_DIR", tmp_path)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_several_machines_need_an_address(datasets):
    result = run(datasets, "--num-machines", 2)
    assert result.returncode == 2 and "needs --dist-url tcp://" in result.stderr


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs two GPUs where there is one")
def test_missing_data_says_how_to_get_it(tmp_path, processes):
    options = ["--num-gpus", processes, *SMALL]
    result = run(tmp_path, *options, "OUTPUT_DIR", tmp_path / "out")
    assert result.returncode == 1
    assert "python -m univs.data.toy" in result.stderr and "Traceback" not in result.stderr
