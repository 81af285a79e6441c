"""One video online, semi-online and offline, and what the command says about the latency."""

from __future__ import annotations

import json

import pytest
import torch

from reference.small_models import small_config, small_model
from univs.app.command_line import main


@pytest.fixture(scope="module", params=["Genvis", "Vita"])
def system(request, tmp_path_factory):
    """A meta-architecture, and a folder with a small model of it."""
    folder = tmp_path_factory.mktemp(request.param)
    config = small_config(request.param)
    torch.save(small_model(config).state_dict(), folder / "model.pth")
    (folder / "model.yaml").write_text(config.dump())
    return request.param, folder


def segment(video, system, tmp_path, *arguments: str) -> int:
    _, folder = system
    model = ["--config-file", str(folder / "model.yaml"), "--weights", str(folder / "model.pth")]
    output = str(tmp_path / "out")
    return main(["segment", str(video), *model, "--output", output, *arguments])


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
    is_possible = system[0] == "Genvis" or "offline" in arguments
    code = segment(video, system, tmp_path, *arguments)
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
    assert segment(video, system, tmp_path, "--clip-length", "3") != 0
    assert "--mode semi-online: add it" in capsys.readouterr().err
