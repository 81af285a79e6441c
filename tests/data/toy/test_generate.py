"""Generation on disk: resumable, atomic, and clear about what is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from univs.data.toy import LAYOUTS, PRESETS, generate
from univs.data.toy.__main__ import main
from univs.data.toy.layouts.vspw import VSPWLayout
from univs.data.toy.layouts.ytvis import YouTubeVISLayout

TINY = {"num_train_videos": 2, "num_val_videos": 1, "size": (32, 48), "num_frames": 2}


def _generate(root: Path, **changes) -> Path:
    return generate(root, progress=False, **{**TINY, **changes})


def _snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of modification of all files, by path."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _contents(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in _snapshot(folder).items()}


def test_same_seed_gives_same_files(tmp_path: Path) -> None:
    layouts = tuple(LAYOUTS)
    first = _contents(_generate(tmp_path / "a", layouts=layouts))
    second = _contents(_generate(tmp_path / "b", layouts=layouts))
    assert first == second
    assert _contents(_generate(tmp_path / "c", layouts=layouts, seed=1)) != first


def test_processes_do_not_change_the_files(tmp_path: Path) -> None:
    one = _contents(_generate(tmp_path / "one", num_train_videos=12))
    assert _contents(_generate(tmp_path / "two", num_train_videos=12, processes=2)) == one
    with pytest.raises(ValueError, match="processes must be at least 1, but is 0"):
        _generate(tmp_path / "none", processes=0)


def test_train_and_val_share_no_frame(tmp_path: Path) -> None:
    root = _generate(tmp_path, num_train_videos=4, num_val_videos=4) / "ytvis_2021"
    train = {path.read_bytes() for path in (root / "train/JPEGImages").rglob("*.jpg")}
    val = {path.read_bytes() for path in (root / "valid/JPEGImages").rglob("*.jpg")}
    assert len(train) == len(val) == 8
    assert not train & val


def test_second_call_changes_nothing(tmp_path: Path) -> None:
    layouts = ("ytvis", "refdavis")
    before = _snapshot(_generate(tmp_path, layouts=layouts))
    assert _snapshot(_generate(tmp_path, layouts=layouts)) == before


def test_another_layout_leaves_the_first_alone(tmp_path: Path) -> None:
    before = _snapshot(_generate(tmp_path) / "ytvis_2021")
    _generate(tmp_path, layouts=("ytvis", "vspw"))
    assert _snapshot(tmp_path / "ytvis_2021") == before
    assert (tmp_path / "VSPW_480p" / "train.txt").is_file()


def test_other_parameters_replace_what_was_there(tmp_path: Path) -> None:
    _generate(tmp_path, num_train_videos=3)
    _generate(tmp_path, num_train_videos=1)
    fresh = _generate(tmp_path / "fresh", num_train_videos=1)
    assert _contents(tmp_path / "ytvis_2021") == _contents(fresh / "ytvis_2021")


def test_expressions_follow_their_videos(tmp_path: Path) -> None:
    """New videos under old expressions would be wrong, asked for or not."""
    _generate(tmp_path, layouts=("refytvos",))
    _generate(tmp_path, layouts=("youtube_vos",), seed=1)
    fresh = _generate(tmp_path / "fresh", layouts=("refytvos",), seed=1)
    assert _contents(tmp_path / "ref_youtube_vos") == _contents(fresh / "ref_youtube_vos")


def test_required_layouts_are_added(tmp_path: Path) -> None:
    _generate(tmp_path, layouts=("refdavis",))
    assert (tmp_path / "DAVIS/ImageSets/2017/train.txt").is_file()


def test_interrupted_call_leaves_nothing_and_is_completed(tmp_path: Path, monkeypatch) -> None:
    def stop(self, split, video) -> None:
        raise KeyboardInterrupt

    _generate(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(VSPWLayout, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            _generate(tmp_path, layouts=("ytvis", "vspw"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ytvis_2021"]
    _generate(tmp_path, layouts=("ytvis", "vspw"))
    fresh = _generate(tmp_path / "fresh", layouts=("vspw",))
    assert _contents(tmp_path / "VSPW_480p") == _contents(fresh / "VSPW_480p")


def test_failed_replacement_keeps_the_old_files(tmp_path: Path, monkeypatch) -> None:
    def fail(self) -> None:
        raise OSError("disk full")

    before = _snapshot(_generate(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(YouTubeVISLayout, "finish", fail)
        with pytest.raises(OSError, match="disk full"):
            _generate(tmp_path, seed=1)
    assert _snapshot(tmp_path) == before


def test_remains_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    killed = tmp_path / f".ytvis_2021.partial-{int(ended.stdout)}"
    running = tmp_path / f".ytvis_2021.partial-{os.getppid()}"
    for folder in (killed, running):
        folder.mkdir()
        (folder / "train.json").write_text("{")
    _generate(tmp_path)
    assert not killed.exists()
    assert running.exists()  # another run may be at work


def test_presets_live_side_by_side(tmp_path: Path) -> None:
    assert _generate(tmp_path) == tmp_path
    assert _generate(tmp_path, preset="occlusion") == tmp_path / "occlusion"
    default = (tmp_path / "ytvis_2021/train.json").read_bytes()
    assert default != (tmp_path / "occlusion/ytvis_2021/train.json").read_bytes()


def test_a_foreign_folder_is_not_touched(tmp_path: Path) -> None:
    real = tmp_path / "ytvis_2021" / "train.json"
    real.parent.mkdir()
    real.write_text("real data")
    with pytest.raises(FileExistsError, match="not made by the toy generator"):
        _generate(tmp_path)
    assert real.read_text() == "real data"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "hard"}, "no toy preset 'hard'"),
        ({"layouts": ("ytvis", "kinetics")}, "no toy layout 'kinetics'"),
        ({"size": (31, 48)}, "at least 32 pixels"),
        ({"num_frames": 0}, "num_frames"),
        ({"num_val_videos": -1}, "num_val_videos"),
    ],
)
def test_bad_arguments(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _generate(tmp_path / "root", **changes)
    assert not (tmp_path / "root").exists()


def test_root_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OSError, match="Choose another root"):
        _generate(file / "toy")


def test_no_videos_in_a_split(tmp_path: Path) -> None:
    root = _generate(tmp_path, num_train_videos=0, layouts=tuple(LAYOUTS))
    assert json.loads((root / "ytvis_2021/train.json").read_text())["videos"] == []
    assert (root / "VIPSeg/train.txt").read_text() == ""


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["--root", str(tmp_path), "--train-videos", "1", "--val-videos", "1"]
    arguments += ["--size", "32", "48", "--frames", "2", "--quiet"]
    assert main([*arguments, "--layouts", "ytvis"]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    assert (tmp_path / "ytvis_2021/valid.json").is_file()
    assert main([*arguments, "--size", "8", "8"]) == 1
    assert "at least 32" in capsys.readouterr().err


def test_changed_preset_is_generated_anew(tmp_path: Path, monkeypatch) -> None:
    """A preset's ranges count as parameters, not only its name."""
    before = _contents(_generate(tmp_path))
    louder = dataclasses.replace(PRESETS["default"], noise=(30.0, 30.0))
    monkeypatch.setitem(PRESETS, "default", louder)
    assert _contents(_generate(tmp_path)) != before
