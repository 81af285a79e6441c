"""`univs evaluate` on the files of every benchmark."""

from __future__ import annotations

import json

import pytest
from evaluation.miniatures import MINIATURES
from PIL import Image

from detectron2.data import MetadataCatalog
from reference.toy_results import TOY_VAL
from univs.app.command_line import main
from univs.evaluation.benchmark_truth import benchmark_kind
from univs.evaluation.frame_comparison import COMPARABLE

NAMES = [*TOY_VAL, *MINIATURES]


def evaluate(root, name, folder, *arguments) -> int:
    return main(["evaluate", str(folder), "--dataset", name, "--root", str(root), *arguments])


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_every_kind_of_files(name, written, toy_root, tmp_path, capsys):
    folder, expected = written[name]
    output = tmp_path / "scores.json"
    assert evaluate(toy_root, name, folder, "--per-video", "--output", str(output)) == 0
    task, numbers = next(iter(expected.items()))
    scores = json.loads(output.read_text())["scores"][task]
    for key, value in scores.items():
        assert value is None or value == pytest.approx(numbers[key], abs=1e-12)
    printed = capsys.readouterr().out
    assert task in printed and f"| {next(iter(numbers))}".split()[1] in printed


def is_comparable(name: str) -> bool:
    return benchmark_kind(MetadataCatalog.get(name)) in COMPARABLE


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_the_worst_frames(name, written, toy_root, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    code = evaluate(toy_root, name, written[name][0], "--pictures", str(pictures), "--worst", "1")
    if not is_comparable(name):
        assert code == 1 and "--pictures: there are none for" in capsys.readouterr().err
        assert not pictures.exists()
        return
    assert code == 0
    (path,) = pictures.iterdir()
    assert path.name.startswith("001_")
    with Image.open(path) as picture:
        assert picture.width > 3 * 40


@pytest.mark.parametrize("name", ["toy_ytvis_val", "toy_vipseg_val", "toy_vspw_val"])
def test_several_processes_print_the_same(name, written, toy_root, capsys):
    printed = []
    for processes in ("1", "2"):
        arguments = ("--per-video", "--processes", processes)
        assert evaluate(toy_root, name, written[name][0], *arguments) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
