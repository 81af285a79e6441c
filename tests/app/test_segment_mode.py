"""One video online, semi-online and offline, and what the command says about the latency."""

from __future__ import annotations

import json

import pytest

import univs
from reference.small_models import small_config, small_model
from univs.app.command_line import main
from univs.tracking import Segmenter


@pytest.fixture(params=["Genvis", "Vita"])
def system(request, monkeypatch, tmp_path):
    """Let `univs.load` give a small model; a file that stands for its config."""

    def load(config_file, *, weights, options, device):
        config = small_config(request.param, options)
        return Segmenter(small_model(config), config, class_names=["a", "b", "c"])

    monkeypatch.setitem(vars(univs), "load", load)
    (tmp_path / "model.yaml").touch()
    return request.param


def segment(video, tmp_path, *arguments: str) -> int:
    output = str(tmp_path / "out")
    config = str(tmp_path / "model.yaml")
    return main(["segment", str(video), "--config-file", config, "--output", output, *arguments])


@pytest.mark.parametrize(
    ("arguments", "latency"),
    [
        (["--mode", "online"], "a result comes with every frame, without waiting for another"),
        (
            ["--mode", "semi-online", "--clip-length", "3"],
            "a result waits for up to 2 more frames (250 ms at 8 frames per second)",
        ),
        (
            ["--mode", "semi-online", "--clip-length", "5", "--stride", "2"],
            "a result waits for up to 1 more frame (125 ms at 8 frames per second)",
        ),
        (["--mode", "offline"], "results come at the end of the video"),
    ],
)
def test_the_latency_is_printed(video, system, tmp_path, capsys, arguments, latency):
    is_possible = system == "Genvis" or "offline" in arguments
    code = segment(video, tmp_path, *arguments)
    captured = capsys.readouterr()
    if is_possible:
        assert code == 0
        assert f"Latency: {latency}\n" in captured.out
        record = json.loads((tmp_path / "out" / "clip.json").read_text())
        assert record["num_frames"] == 8
    else:
        assert code != 0
        assert "a Vita model cannot be" in captured.err
        assert not (tmp_path / "out").exists()


def test_clips_need_their_mode(video, system, tmp_path, capsys):
    assert segment(video, tmp_path, "--clip-length", "3") != 0
    assert "--mode semi-online: add it" in capsys.readouterr().err
