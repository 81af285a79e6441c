"""Folders that appear whole or not at all."""

from __future__ import annotations

import os

import pytest

from univs.app.output_folder import staged_folder


def content(folder):
    """Every file below ``folder`` with its text, hidden ones included."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(folder, text):
    (folder / "a.txt").write_text(text)
    (folder / "masks").mkdir()
    (folder / "masks" / "0.txt").write_text(text)


def test_everything_appears_at_the_end(tmp_path):
    target = tmp_path / "x" / "y"
    with staged_folder(target) as staging:
        write(staging, "new")
        assert content(target).keys() <= {
            str((staging / name).relative_to(target)) for name in ("a.txt", "masks/0.txt")
        }
    assert content(target) == {"a.txt": "new", "masks/0.txt": "new"}
    assert sorted(os.listdir(target)) == ["a.txt", "masks"]


def test_a_second_run_replaces_its_own_and_keeps_the_rest(tmp_path):
    write(tmp_path, "old")
    (tmp_path / "masks" / "1.txt").write_text("old")  # of a longer video
    (tmp_path / "mine.txt").write_text("mine")
    with staged_folder(tmp_path) as staging:
        write(staging, "new")
    assert content(tmp_path) == {"a.txt": "new", "masks/0.txt": "new", "mine.txt": "mine"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(error), staged_folder(tmp_path / "x" / "y") as staging:
        write(staging, "new")
        raise error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_while_moving_puts_everything_back(tmp_path, monkeypatch, error):
    write(tmp_path, "old")
    replace = os.replace

    def replace_until_masks(source, target):
        if os.path.basename(target) == "masks" and "new" in os.fspath(source):
            raise error("the disk is gone")
        replace(source, target)

    with pytest.raises(error), staged_folder(tmp_path) as staging:
        write(staging, "new")
        monkeypatch.setattr(os, "replace", replace_until_masks)
    assert content(tmp_path) == {"a.txt": "old", "masks/0.txt": "old"}
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "masks"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a").touch()
    for target in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(NotADirectoryError, match="this is a file"), staged_folder(target):
            pass
