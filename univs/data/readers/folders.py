"""Datasets that are folders of frames: lists of videos, listings, sizes, ids in masks."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from univs.data.frames import FrameError, ImageFrames
from univs.data.mask_source import IdMaps, read_id_map
from univs.data.readers.json_file import AnnotationError

logger = logging.getLogger(__name__)

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


def read_video_list(path: str | Path) -> list[str]:
    """Names of videos from a text file with one per line; empty lines are skipped.

    Raises:
        AnnotationError: the file has no line, or names a video twice.
    """
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
    names = sorted(p.name for p in path.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
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
    videos: Sequence[IdMaps], *, index_folder: str | Path | None, name: str
) -> list[dict[int, tuple[int, ...]]]:
    """Which ids occur in which frames of which videos.

    All masks are decoded once, with several threads, which takes minutes for a big dataset. The
    result is kept in ``index_folder`` and read back as long as the files have the same names,
    sizes and times.

    Args:
        videos: id maps of each video.
        index_folder: where the result is kept; None keeps nothing.
        name: name of the dataset, part of the file name.

    Returns:
        per video, the ascending frames of each id in ascending order of ids; 0 and void are left
        out.
    """
    digest = hashlib.sha256()
    for maps in videos:
        for frame in range(len(maps.file_names)):
            path = maps.path(frame)
            if path is not None:
                status = os.stat(path)
                digest.update(f"{path}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    path = None
    if index_folder is not None:
        path = Path(index_folder, f"{name}-{digest.hexdigest()[:16]}.json")
        if path.is_file():
            tables = json.loads(path.read_text())
            return [{int(k): tuple(v) for k, v in table.items()} for table in tables]
    logger.info("%s: looking through the masks of %d videos once", name, len(videos))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        tables = list(pool.map(_presence_in_video, videos))
    if path is not None:
        _write_index(path, tables)
    return tables


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


def _write_index(path: Path, tables: list[dict[int, tuple[int, ...]]]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(tables, separators=(",", ":")))
        os.replace(temporary, path)
    except OSError as error:  # datasets are often mounted read-only
        logger.warning(
            "The index %s could not be kept (%s); it is made anew each time.", path, error
        )
