"""The doctor."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from univs.app import doctor
from univs.app.command_line import main


def test_it_examines_what_pyproject_requires():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*?)\]", text, re.DOTALL | re.MULTILINE).group(1)
    expected = dict(re.findall(r'"([\w-]+)>=([\w.]+)"', listed))
    assert {name: minimum for _, name, minimum in doctor.REQUIREMENTS} == expected


def test_the_report_covers_everything_and_the_exit_code_says_if_something_is_wrong(capsys):
    code = main(["doctor"])
    output = capsys.readouterr().out
    for subject in (
        *("univs", "python", "torch", "numpy", "opencv-python-headless", "av", "pycocotools"),
        *("fvcore", "detectron2", "deformable attention", "device", "threads", "video encoder"),
        *("data sets", "torchvision"),
    ):
        assert re.search(rf"^[! ] {subject} +\S", output, re.MULTILINE), subject
    wrong = len(re.findall(r"^! ", output, re.MULTILINE))
    assert len(re.findall(r"^ +-> \S", output, re.MULTILINE)) == wrong  # a remedy for each
    assert code == (1 if wrong else 0)
    assert ("All is well." in output) == (wrong == 0)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder on the path, in which a test can put packages."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("brokenpackage", "oldpackage"):
        sys.modules.pop(name, None)


def test_a_missing_a_broken_and_an_old_package(packages):
    finding = doctor.examine_package("nopackage", "no-package", "1.0")
    assert (finding.state, finding.remedy) == (
        "not installed",
        "pip install --upgrade 'no-package>=1.0'",
    )
    (packages / "brokenpackage.py").write_text("raise OSError('libxyz.so: cannot open')")
    finding = doctor.examine_package("brokenpackage", "broken-package", "1.0")
    assert finding.state == "cannot be imported: OSError: libxyz.so: cannot open"
    assert finding.remedy
    (packages / "oldpackage.py").write_text("__version__ = '1.9.3'")
    finding = doctor.examine_package("oldpackage", "old-package", "1.10")
    assert finding.state == "1.9.3, too old"
    assert finding.remedy
    assert doctor.examine_package("oldpackage", "old-package", "1.9").remedy is None


def test_a_broken_torchvision_does_no_harm(packages, monkeypatch):
    (packages / "torchvision.py").write_text("raise RuntimeError('operator nms does not exist')")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    finding = doctor.examine_torchvision()
    assert finding.state.startswith("broken (not used")
    assert "operator nms does not exist" in finding.state
    assert finding.remedy is None
    assert "torchvision" not in sys.modules


def test_a_wrong_data_set_root_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "nowhere"))
    monkeypatch.delenv("UNIVS_DATASETS", raising=False)
    finding = doctor._datasets()
    assert "nowhere: no such folder" in finding.state
    assert "DETECTRON2_DATASETS" in finding.remedy
    (tmp_path / "nowhere" / "DAVIS").mkdir(parents=True)
    finding = doctor._datasets()
    assert finding.state.endswith("nowhere: DAVIS")
    assert finding.remedy is None
