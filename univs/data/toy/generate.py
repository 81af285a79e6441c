"""Generate the toy data sets on disk: resumable, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from univs.data.toy.difficulty import difficulty_of
from univs.data.toy.layouts import LAYOUTS, Layout
from univs.data.toy.rendering import render_videos
from univs.data.toy.video import MIN_SIDE

STAMP = "toy.json"  # in each benchmark's folder: the parameters it was made with
GENERATOR_VERSION = 1  # raise when the same parameters give other files


def preset_root(root: str | os.PathLike, preset: str) -> Path:
    """Where a preset lives: ``root`` for ``default``, a folder of ``root`` for the others."""
    difficulty_of(preset)
    return Path(root) if preset == "default" else Path(root) / preset


def generate(
    root: str | os.PathLike,
    *,
    seed: int = 0,
    num_train_videos: int = 150,
    num_val_videos: int = 30,
    size: tuple[int, int] = (128, 192),
    num_frames: int = 12,
    preset: str = "default",
    layouts: Iterable[str] = ("ytvis",),
    processes: int = 1,
    progress: bool = True,
) -> Path:
    """Write toy videos in the layouts of real benchmarks.

    Every layout appears under its final name only when it is complete. Layouts that are already
    there with the same parameters are left alone; others made by this function are replaced.

    Args:
        root: folder of the toy data sets, usually ``datasets/toy``; created if missing.
        seed: the same seed gives the same files (with the same version of OpenCV).
        size: (height, width) of the frames in pixels, at least 32 each.
        preset: a name in :data:`univs.data.toy.difficulty.PRESETS`.
        layouts: names in :data:`univs.data.toy.layouts.LAYOUTS`; what they require is added.
        processes: how many render videos at once. With more than one, a script that calls this
            must do so under ``if __name__ == "__main__":``.
        progress: show a progress bar.

    Returns:
        The folder that holds the benchmarks' folders (:func:`preset_root`). It can serve as the
        root of data sets for readers of the real benchmarks.

    Raises:
        ValueError: an argument is out of range or names nothing.
        FileExistsError: a benchmark's folder is there but was not made by this function.
        OSError: the root cannot be written to.
    """
    difficulty = difficulty_of(preset)
    if min(size) < MIN_SIDE:
        raise ValueError(
            f"size is {size[0]}x{size[1]}, but toy videos need at least {MIN_SIDE} pixels a side."
        )
    for name, value in (("num_train_videos", num_train_videos), ("num_val_videos", num_val_videos)):
        if value < 0:
            raise ValueError(f"{name} must not be negative, but is {value}.")
    for name, value in (("num_frames", num_frames), ("processes", processes)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but is {value}.")
    parameters = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "num_train_videos": num_train_videos,
        "num_val_videos": num_val_videos,
        "size": list(size),
        "num_frames": num_frames,
        "preset": preset,
        "difficulty": json.loads(json.dumps(asdict(difficulty))),  # tuples as JSON has them
    }
    target = preset_root(root, preset)
    wanted = _with_requirements(layouts)
    pending = [
        name for name in wanted if not _is_complete(target / LAYOUTS[name].folder, parameters)
    ]
    pending += _outdated_dependents(target, pending, parameters)
    if not pending:
        return target
    _make_writable(target)

    numbers = [("train", index) for index in range(num_train_videos)]
    numbers += [("val", index) for index in range(num_val_videos)]
    videos = render_videos(
        numbers,
        processes=processes,
        seed=seed,
        size=size,
        num_frames=num_frames,
        difficulty=difficulty,
    )
    with ExitStack() as stack:
        stack.callback(videos.close)  # leaves no process behind when writing fails
        writers = [
            stack.enter_context(_replacing(LAYOUTS[name], target, parameters)) for name in pending
        ]
        label = f"toy {preset}: {pending[0] if len(pending) == 1 else f'{len(pending)} layouts'}"
        for (split, _), video in zip(
            track(numbers, description=label, disable=not progress), videos, strict=True
        ):
            for writer in writers:
                writer.add(split, video)
    return target


def _with_requirements(names: Iterable[str]) -> list[str]:
    """The layouts asked for and those they require, each once."""
    ordered: dict[str, None] = {}
    for name in names:
        if name not in LAYOUTS:
            raise ValueError(f"There is no toy layout {name!r}; choose from {', '.join(LAYOUTS)}.")
        ordered |= dict.fromkeys((*LAYOUTS[name].requires, name))
    return list(ordered)


def _outdated_dependents(target: Path, pending: list[str], parameters: dict) -> list[str]:
    """Layouts on disk whose images are about to be replaced, and which would no longer fit."""
    return [
        name
        for name, layout in LAYOUTS.items()
        if name not in pending
        and set(layout.requires) & set(pending)
        and (target / layout.folder).exists()
        and not _is_complete(target / layout.folder, parameters)
    ]


def _is_complete(folder: Path, parameters: dict) -> bool:
    """Whether ``folder`` was made with ``parameters``; refuses folders that are not ours."""
    stamp = folder / STAMP
    if stamp.is_file():
        return json.loads(stamp.read_text()) == parameters
    if folder.exists():
        raise FileExistsError(
            f"{folder} exists and was not made by the toy generator (it has no {STAMP}). Move it "
            "away, or generate into another root."
        )
    return False


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise type(error)(
            f"Toy data cannot be written to {folder}: {error.strerror}. Choose another root."
        ) from error


@contextmanager
def _replacing(layout: type[Layout], target: Path, parameters: dict) -> Iterator[Layout]:
    """Fill a temporary folder; on success put it in the place of the benchmark's folder."""
    final = target / layout.folder
    prefix = f".{layout.folder.replace('/', '-')}.partial-"
    _remove_abandoned(target, prefix)
    partial = target / f"{prefix}{os.getpid()}"
    partial.mkdir()
    try:
        writer = layout(partial)
        yield writer
        writer.finish()
        (partial / STAMP).write_text(json.dumps(parameters))
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            old = target / f"{prefix}{os.getpid()}-old"
            os.replace(final, old)
            os.replace(partial, final)
            shutil.rmtree(old)
        else:
            os.replace(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove temporary folders of runs that were killed."""
    for path in folder.glob(f"{prefix}*"):
        owner = int(path.name.removeprefix(prefix).split("-")[0])
        if owner == os.getpid() or not _is_running(owner):
            shutil.rmtree(path)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
