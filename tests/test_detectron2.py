"""Which Detectron2 is used, and what happens when it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import univs

REPOSITORY = Path(__file__).parents[1]


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def broken(tmp_path) -> str:
    """The path of a Detectron2 whose layers cannot be imported, as with a broken torchvision."""
    package = tmp_path / "detectron2"
    (package / "layers").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "config.py").write_text("")
    (package / "layers" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    return f"{tmp_path}{os.pathsep}{REPOSITORY}"


COMMANDS = (
    ["train_net.py", "--config-file", "configs/toy/mask2former_video.yaml"],
    ["-m", "univs", "evaluate", "tests", "--dataset", "ytvis_2021_val"],
    ["-m", "univs", "data", "list"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:3]))
def test_a_broken_detectron2_is_one_sentence(command, broken):
    done = run(command, PYTHONPATH=broken)
    assert done.returncode == 1
    assert "torchvision::nms does not exist" in done.stderr
    assert "UNIVS_DETECTRON2=standin" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_doctor_diagnoses_a_broken_detectron2(broken):
    done = run(["-m", "univs", "doctor"], PYTHONPATH=broken)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if "detectron2" in line)
    assert line.startswith("! ")
    assert "UNIVS_DETECTRON2=standin" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_stand_in_goes_past_a_broken_detectron2(broken):
    script = "import univs; from detectron2.layers import Conv2d; print(univs.DETECTRON2)"
    done = run(["-c", script], PYTHONPATH=broken, UNIVS_DETECTRON2="standin")
    assert done.stdout.strip() == "standin", done.stderr


@pytest.mark.skipif(univs.DETECTRON2 == "installed", reason="there is an installed Detectron2")
@pytest.mark.parametrize(
    ("choice", "words"),
    [("bogus", "'standin' or 'installed'"), ("installed", "no detectron2 is installed")],
)
def test_a_choice_that_cannot_be_met_is_one_sentence(choice, words):
    environment = {"UNIVS_DETECTRON2": choice, "PYTHONPATH": str(REPOSITORY)}
    done = run(["train_net.py", "--config-file", "x.yaml"], **environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert words in done.stderr
    done = run(["-c", "import univs; print(univs.DETECTRON2)"], **environment)
    assert done.stdout.strip() == "unusable", done.stderr
