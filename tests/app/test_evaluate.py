"""`univs evaluate` on result files of a toy dataset."""

from __future__ import annotations

import json

import pytest

from reference.toy_results import perfect_samples
from univs.app.command_line import main
from univs.data import register_datasets
from univs.data.toy import generate
from univs.evaluation.build import build_evaluator


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Root of the datasets, and the folder of results of each of two of them."""
    root = tmp_path_factory.mktemp("datasets")
    generate(
        root / "toy",
        num_train_videos=1,
        num_val_videos=2,
        layouts=("ytvis", "davis", "coco"),
        progress=False,
        size=(48, 80),
        num_frames=4,
    )
    register_datasets(root)
    folders = {}
    for name in ("toy_ytvis_val", "toy_davis_val", "toy_coco_instance_val"):
        folders[name] = tmp_path_factory.mktemp(name)
        evaluator = build_evaluator(name, folders[name])
        for sample, output in perfect_samples(name):
            evaluator.process([sample], [output])
        evaluator.evaluate()
    return root, folders


def evaluate(toy, name, *arguments) -> int:
    root, folders = toy
    options = ["--dataset", name, "--root", str(root), *map(str, arguments)]
    return main(["evaluate", str(folders[name]), *options])


def test_table_and_file(toy, tmp_path, capsys):
    output = tmp_path / "new folder" / "scores.json"
    assert evaluate(toy, "toy_ytvis_val", "--per-video", "--output", output) == 0
    printed = capsys.readouterr().out
    assert "|      AP |    AP50 |    AP75 |" in printed and "100.000" in printed
    assert "identity and stability (not part of the benchmark)" in printed
    assert "videos, worst first" in printed
    content = json.loads(output.read_text())
    assert content["dataset"] == "toy_ytvis_val"
    assert content["scores"]["segm"]["AP"] == pytest.approx(100)
    assert None in content["scores"]["segm"].values()  # no object of some size or class
    assert len(content["per_video"]) == 2


def test_davis_rows_are_not_taken_for_classes(toy, capsys):
    assert evaluate(toy, "toy_davis_val") == 0
    printed = capsys.readouterr().out
    assert "J&F-Mean" in printed and "F-Decay" in printed
    assert "worst first" not in printed


def test_images_have_no_videos(toy, capsys):
    assert evaluate(toy, "toy_coco_instance_val", "--per-video") == 0
    assert "has no videos" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": "/nothing"}, "/nothing: there is no such file or folder of results"),
        ({"name": "toy_ytvis_va"}, "There is no dataset 'toy_ytvis_va'"),
        ({"root": "/nothing"}, "--root /nothing: there is no such folder"),
        ({"output": "/tmp"}, "--output /tmp: this is a folder; name a file"),
        ({"processes": "0"}, "--processes 0: must be 1 or more"),
        ({"worst": "0"}, "--worst 0: must be 1 or more"),
    ],
)
def test_errors_are_one_sentence_and_exit_code_1(toy, change, message, capsys):
    root, folders = toy
    results = change.get("results", str(folders["toy_ytvis_val"]))
    arguments = ["--dataset", change.get("name", "toy_ytvis_val")]
    arguments += ["--root", change.get("root", str(root))]
    for option in ("output", "processes", "worst"):
        if option in change:
            arguments += [f"--{option}", change[option]]
    assert main(["evaluate", results, *arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err
    assert captured.out == ""


def test_damaged_results_leave_no_scores(toy, tmp_path, capsys):
    root, _ = toy
    path = tmp_path / "results.json"
    path.write_text("[{")
    output = tmp_path / "scores.json"
    arguments = ["--dataset", "toy_ytvis_val", "--root", str(root), "--output", str(output)]
    assert main(["evaluate", str(path), *arguments]) == 1
    assert f"univs: error: {path}: the list is damaged" in capsys.readouterr().err
    assert not output.exists()
