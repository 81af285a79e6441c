"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staged_folder(folder: str | Path) -> Iterator[Path]:
    """Give a temporary folder whose content moves into ``folder`` when the block ends well.

    On an error or Ctrl-C nothing is left, and what was in ``folder`` before is as it was. Entries
    of the same name are replaced; other files of ``folder`` stay.

    Args:
        folder: made if missing, with its parents.

    Yields:
        An empty folder on the same file system.

    Raises:
        NotADirectoryError: ``folder`` is a file.
        PermissionError: nothing can be written there.
    """
    folder = Path(folder).absolute()
    check_output_folder(folder)
    made = _make_folders(folder)
    try:
        staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError:
        _remove_empty(made)
        raise
    try:
        content = staging / "new"
        content.mkdir()
        yield content
        _move_all(content, folder, staging / "old")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _remove_empty(made)


def check_output_folder(folder: Path) -> None:
    """Raise unless ``folder`` is a folder that can be written, or can be made.

    Raises:
        NotADirectoryError, PermissionError: see `staged_folder`.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"{existing}: this is a file; choose another output folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"{existing}: you may not write here; choose another output folder.")


def _move_all(source: Path, target: Path, old: Path) -> None:
    """Move every entry of ``source`` into ``target``; put everything back if one cannot be."""
    old.mkdir()
    moved: list[str] = []
    try:
        for name in sorted(os.listdir(source)):
            if os.path.lexists(target / name):
                os.replace(target / name, old / name)
            moved.append(name)
            os.replace(source / name, target / name)
    except BaseException:
        for name in moved:
            if not os.path.lexists(source / name):
                os.replace(target / name, source / name)
        for name in os.listdir(old):
            os.replace(old / name, target / name)
        raise


def _make_folders(folder: Path) -> list[Path]:
    """Make ``folder`` and its parents; return those that were missing, innermost first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # holds the results, or something else meanwhile
            return
