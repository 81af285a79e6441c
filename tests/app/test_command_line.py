"""The `univs` command."""

from __future__ import annotations

import os
import subprocess
import sys

import av
import pytest

import univs
from univs.app import command_line
from univs.app.command_line import main

HEAVY = ("torch", "cv2", "av", "numpy", "scipy", "rich", "PIL", "pycocotools")


@pytest.fixture
def loaded(monkeypatch, make_segmenter):
    """Let `univs.load` give a colour segmenter; collects what it is called with."""
    calls = []

    def load(*files, options, device):
        calls.append((*map(str, files), options, device))
        return make_segmenter(delay=2)

    monkeypatch.setitem(vars(univs), "load", load)
    return calls


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "in" / "model.yaml"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return str(path)


def test_help_and_version_import_nothing_heavy():
    program = (
        "import sys; from univs.app.command_line import main\n"
        "try: main(sys.argv[1:])\n"
        f"finally: print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    for arguments, expected in (
        (["--help"], "segment a video, a folder"),
        (["segment", "--help"], "NAME_overlay.mp4"),
        (["--version"], univs.__version__),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
        )
        assert expected in done.stdout
        assert done.stderr.strip() == "[]"


def test_segment_writes_and_says_where(video, config, loaded, tmp_path, capsys):
    arguments = ["segment", str(video), "--config-file", config, "--output", str(tmp_path / "out")]
    extra = ["--opts", "A.B", "1", "C", "-2.5", "--device", "cpu", "--score-threshold", "0.3"]
    assert main(arguments + extra) == 0
    assert loaded == [(config, ["A.B", "1", "C", "-2.5"], "cpu")]
    assert sorted(os.listdir(tmp_path / "out")) == ["clip.json", "clip_overlay.mp4", "masks"]
    output = capsys.readouterr().out
    assert "8 frames, 2 of 2 tracks with a score of 0.3 or more" in output
    for name in ("clip.json", "clip_overlay.mp4", "masks"):
        assert str(tmp_path / "out" / name) in output


def test_the_output_folder_is_named_after_the_video(video, config, loaded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["segment", str(video), "--config-file", config]) == 0
    assert (tmp_path / "output" / "clip" / "clip.json").is_file()


def test_skipped_and_missing_frames_are_reported(video, config, loaded, tmp_path, capsys):
    from PIL import Image

    from univs.data.video_source import open_source

    folder = tmp_path / "frames [1]"
    folder.mkdir()
    for index, frame in enumerate(open_source(video)):
        Image.fromarray(frame).save(folder / f"{index}.png")
    (folder / "3.png").write_bytes(b"")
    arguments = ["segment", str(folder), "--config-file", config, "--output", str(tmp_path / "out")]
    assert main([*arguments, "--on-bad-frame", "skip"]) == 0
    output = capsys.readouterr().out
    assert "7 frames" in output
    assert "Left out, because they cannot be decoded: frame 3 (3.png)" in output
    assert "announces" not in output


def fails(capsys, *arguments, code=1):
    """Run the command, which must fail; return what it says on standard error."""
    assert main(arguments) == code
    return capsys.readouterr().err


def test_errors_are_one_message_and_leave_nothing(video, config, loaded, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    segment = ("segment", str(video), "--output", str(tmp_path / "out"), "--config-file")
    for message, arguments in {
        "nothing.mp4: there is no such file or folder": (
            "segment",
            "nothing.mp4",
            "--config-file",
            config,
        ),
        "missing.yaml: there is no such file": (*segment, "missing.yaml"),
        "weights.pth: there is no such file": (*segment, config, "--weights", "weights.pth"),
        "this is not a video": (
            "segment",
            config.replace("model", "text"),
            "--config-file",
            config,
        ),
        "pairs of KEY and VALUE, but got 1": (*segment, config, "--opts", "A"),
        "--device abacus cannot be used here": (*segment, config, "--device", "abacus"),
        "this is a file; choose another": (
            *segment[:2],
            "--output",
            config,
            "--config-file",
            config,
        ),
    }.items():
        if "text.yaml" in arguments[1]:
            with open(arguments[1], "w") as file:
                file.write("not a video " * 100)
            before = sorted([*before, tmp_path / "in" / "text.yaml"])
        error = fails(capsys, *arguments)
        assert error.startswith("univs: error: ")
        assert message in error
        assert "Traceback" not in error
        assert len(error.splitlines()) <= 2
        assert sorted(tmp_path.rglob("*")) == before


def test_an_unexpected_error_shows_its_type_and_one_screen(
    video, config, tmp_path, capsys, monkeypatch
):
    def load(*arguments, **options):
        raise KeyError("\n".join(f"line {index}" for index in range(100)).replace("'", ""))

    monkeypatch.setitem(vars(univs), "load", load)
    arguments = ("segment", str(video), "--config-file", config, "--output", str(tmp_path / "out"))
    error = fails(capsys, *arguments)
    assert error.startswith("univs: error: KeyError: ")
    assert "--debug" in error
    assert len(error.splitlines()) < 24
    error = fails(capsys, *arguments, "--debug")
    assert "Traceback" in error
    assert "raise KeyError" in error


def test_ctrl_c(video, config, tmp_path, capsys, monkeypatch, make_segmenter):
    class Interrupted(make_segmenter):
        def session(self, task=None, *, vocabulary=None, scene_cuts=None):
            raise KeyboardInterrupt

    monkeypatch.setitem(vars(univs), "load", lambda *_, **__: Interrupted())
    arguments = ("segment", str(video), "--config-file", config, "--output", str(tmp_path / "out"))
    assert "nothing was written" in fails(capsys, *arguments, code=130)
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["segment"],
        ["segment", "a.mp4", "--config-file", "b", "--score-threshold", "2"],
        ["segment", "a.mp4", "--config-file", "b", "--on-bad-frame", "panic"],
    ],
)
def test_wrong_arguments_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: univs" in capsys.readouterr().err


def test_messages_are_cut_to_a_screen():
    text = command_line._message(ValueError("\n".join(str(index) for index in range(50))))
    assert "(30 more lines)" in text
    assert len(text.splitlines()) == 22
    assert command_line._message(ValueError("short")) == "univs: error: short"
    assert command_line._message(RuntimeError()).startswith("univs: error: RuntimeError")


def test_a_video_cut_short_is_noticed(video, config, loaded, tmp_path, capsys):
    with av.open(str(video)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    os.truncate(video, max(packets[5].pos, packets[4].pos + packets[4].size))
    assert main(["segment", str(video), "--config-file", config, "--output", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "5 frames" in output
    assert "announces 8 frames, but 3 of them could not be found" in output
