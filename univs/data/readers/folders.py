"""Datasets that are folders of frames: lists of videos, listings, sizes, ids in masks."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import numpy as np
from PIL import Image

from univs.data.frames import FrameError, ImageFrames
from univs.data.mask_source import IdMaps, read_id_map
from univs.data.readers.index_file import file_digest, write_index
from univs.data.readers.json_file import AnnotationError, read_json

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}

#: Called by :func:`presence` with the number of videos done and of all.
progress: ContextVar[Callable[[int, int], None]] = ContextVar(
    "progress", default=lambda done, total: None
)


def read_video_list(path: str | Path) -> list[str]:
    """Names of videos from a text file with one per line; empty lines are skipped.

    The json files of TarViS, which list sequences by ``name`` or videos by ``video_id``, are read,
    too.

    Raises:
        AnnotationError: the file has no line, or names a video twice.
    """
    if Path(path).suffix == ".json":
        content = read_json(path)
        listed = content.get("sequences", content.get("videos")) or ()
        names = [str(item.get("name", item.get("video_id"))) for item in listed]
    else:
        names = [line.strip() for line in Path(path).read_text().splitlines() if line.strip()]
    if not names:
        raise AnnotationError(f"{path} lists no videos.")
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise AnnotationError(f"{path} lists {repeated!r} more than once.")
    return names


def list_folders(root: str | Path) -> list[str]:
    """Names of the folders in ``root``, sorted."""
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir())


def list_frames(root: str | Path, folder: str) -> ImageFrames:
    """The images in ``root/folder``, sorted by name.

    Raises:
        FrameError: the folder is missing or has no images.
    """
    path = Path(root, folder)
    if not path.is_dir():
        raise FrameError(f"Folder {path} does not exist.")
    names = sorted(p.name for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not names:
        raise FrameError(f"Folder {path} holds no images.")
    return ImageFrames(root, tuple(f"{folder}/{name}" for name in names))


def frame_size(frames: ImageFrames) -> tuple[int, int]:
    """Height and width of the first frame, from its header.

    Raises:
        FrameError: the file is missing or damaged.
    """
    path = frames.name(0)
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except OSError as error:
        raise FrameError(f"Image {path} cannot be read ({error}).") from error


def mask_names(frames: ImageFrames, mask_root: str | Path, folder: str) -> tuple[str | None, ...]:
    """The PNG in ``mask_root/folder`` with the name of each frame; None where there is none."""
    path = Path(mask_root, folder)
    present = {p.stem for p in path.glob("*.png")} if path.is_dir() else set()
    stems = [Path(name).stem for name in frames.file_names]
    return tuple(f"{folder}/{stem}.png" if stem in present else None for stem in stems)


# --------------------------------------------------------------------------------------------------
# Which ids a mask holds


def presence(
    videos: Sequence[IdMaps],
    *,
    index_folder: str | Path | None,
    name: str,
) -> list[dict[int, tuple[int, ...]]]:
    """Which ids occur in which frames of which videos.

    All masks are decoded once, with several threads, which takes minutes for a big dataset. The
    result is kept in ``index_folder`` and read back as long as the files have the same names,
    sizes and times. What was found before an interruption is kept there, too.

    Args:
        videos: id maps of each video.
        index_folder: where the result is kept; None keeps nothing.
        name: name of the dataset, part of the file name.

    Returns:
        per video, the ascending frames of each id in ascending order of ids; 0 and void are left
        out.
    """
    index = partial = None
    if index_folder is not None:
        paths = (maps.path(frame) for maps in videos for frame in range(len(maps.file_names)))
        digest = file_digest(path for path in paths if path is not None)
        index = Path(index_folder, f"{name}-{digest}.json")
        partial = index.with_suffix(".partial")
        if index.is_file():
            tables = json.loads(index.read_text())
            return [{int(k): tuple(v) for k, v in table.items()} for table in tables]
    logger.info("%s: looking through the masks of %d videos once", name, len(videos))
    found = _read_partial(partial)
    on_video = progress.get()
    left = [position for position in range(len(videos)) if position not in found]
    on_video(len(videos) - len(left), len(videos))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool, _append_to(partial) as keep:
        tables = pool.map(_presence_in_video, (videos[position] for position in left))
        for done, (position, table) in enumerate(zip(left, tables, strict=True), start=1):
            found[position] = table
            keep(position, table)
            on_video(len(videos) - len(left) + done, len(videos))
    tables = [found[position] for position in range(len(videos))]
    if index is not None and write_index(index, tables):
        partial.unlink(missing_ok=True)
    return tables


def _read_partial(path: Path | None) -> dict[int, dict[int, tuple[int, ...]]]:
    """Tables by position of the video.

    There is one per line. Several processes may have appended, so that positions come in any order
    and more than once; a line that was cut off is skipped.
    """
    tables: dict[int, dict[int, tuple[int, ...]]] = {}
    if path is None or not path.is_file():
        return tables
    for line in path.read_text().splitlines():
        with suppress(ValueError):
            position, table = json.loads(line)
            tables[position] = {int(k): tuple(v) for k, v in table.items()}
    return tables


@contextmanager
def _append_to(path: Path | None) -> Iterator[Callable[[int, dict], None]]:
    """A function that appends a position and its table to the file, if that can be written to."""
    file = None
    if path is not None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
            file.write("\n")  # ends a line that was cut off
    if file is None:
        yield lambda position, table: None
        return
    with file:

        def keep(position: int, table: dict) -> None:
            file.write(json.dumps([position, table], separators=(",", ":")) + "\n")
            file.flush()

        yield keep


def _presence_in_video(maps: IdMaps) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for frame in range(len(maps.file_names)):
        path = maps.path(frame)
        if path is None:
            continue
        for value in np.unique(read_id_map(path, maps.encoding)).tolist():
            if value not in (0, maps.void):
                found.setdefault(value, []).append(frame)
    return {value: tuple(frames) for value, frames in sorted(found.items())}
