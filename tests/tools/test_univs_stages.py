"""The staged training of UniVS on toy data, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def run_stage(
    number: int, *arguments: object, **variables: object
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["sh", str(ROOT / "tools" / "run" / f"stage{number}.sh"), *map(str, arguments)],
        env={**environment, **{name: str(value) for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_three_stages_follow_one_another(tmp_path):
    toy = {"DATA": "toy", "TOY_VIDEOS": 6, "UNIVS_DATASETS": tmp_path / "datasets"}
    weights = {}
    for number in (1, 2, 3):
        output = tmp_path / f"stage{number}"
        options = ["SOLVER.MAX_ITER", 4, "OUTPUT_DIR", output, "DATASETS.TEST", "()"]
        if number > 1:
            options += ["MODEL.WEIGHTS", output.with_name(f"stage{number - 1}") / "model_final.pth"]
        # In the first stage two processes, whose batches need different parameters.
        run = run_stage(number, *options, **toy, NUM_GPUS=2 if number == 1 else 1)
        assert run.returncode == 0, run.stderr[-2000:]
        assert f"UniVS stage {number} (toy)" in run.stdout
        weights[number] = torch.load(output / "model_final.pth", weights_only=True)["model"]
        if number == 1:
            assert "from scratch" in run.stdout
        else:
            count = len(weights[number])
            assert f"{count} tensors loaded from {options[-1]}" in run.stdout
        assert ("teacher start as copies" in run.stdout) == (number == 3)
    name = "sem_seg_head.predictor.query_feat.weight"
    # Few steps leave a stage close to where it started, and the teacher closer than the student.
    moved = (weights[2][name] - weights[1][name]).abs().max()
    assert 0 < moved < 0.1
    student, teacher = (
        (weights[3][key] - weights[2][name]).abs().max()
        for key in (name, name.replace("head.", "head_t."))
    )
    assert teacher < student / 100


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"BACKBONE": "r51"}, "BACKBONE must be r50, swint, swinb or swinl, but is r51."),
        ({"DATA": "tiny"}, "DATA must be real or toy, but is tiny."),
        ({"NUM_GPUS": "none"}, "NUM_GPUS must be a positive number, but is none."),
    ],
)
def test_wrong_choices_are_named(number, variables, message):
    run = run_stage(number, **variables)
    assert run.returncode == 2 and run.stderr.strip() == message


@pytest.mark.parametrize("backbone", ["r50", "swint", "swinb", "swinl"])
def test_choices_and_arguments_reach_the_training_script(backbone):
    commands = [
        run_stage(number, "--resume", "SEED", 3, PYTHON="echo", BACKBONE=backbone, NUM_GPUS=2)
        for number in (1, 2, 3)
    ]
    for number, run in enumerate(commands, start=1):
        command = run.stdout.splitlines()[-1]
        config = f"configs/univs/{backbone}_stage{number}.yaml"
        assert command.startswith(
            f"train_net.py --num-gpus 2 --config-file {config} --resume SEED 3"
        )
        # Of long videos every process trains one at a time.
        assert command.endswith("SOLVER.IMS_PER_BATCH 2") == (number == 3)
        assert (ROOT / config).is_file()
