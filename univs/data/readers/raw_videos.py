"""Videos without annotations: video files, folders of frames, and single images."""

from __future__ import annotations

import re
from pathlib import Path

import av

from univs.data.frames import FrameError, FrameSequence, ImageFrames, VideoFileFrames
from univs.data.readers.folders import IMAGE_SUFFIXES, frame_size
from univs.data.record import VideoRecord

VIDEO_SUFFIXES = frozenset((".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"))


def read_raw_videos(root: str | Path, *, dataset: str) -> list[VideoRecord]:
    """Read a folder of videos: every video file and every folder of images in it is one.

    Sorted by name; numbers in the names of videos and of frames count by their value. Other files
    are left out.

    Args:
        root: the folder.
        dataset: registered name.

    Raises:
        FrameError: there are no videos, or one cannot be opened.
    """
    records = []
    for path in sorted(Path(root).iterdir(), key=lambda item: natural_key(item.name)):
        if path.is_dir():
            frames: FrameSequence | None = _image_folder(Path(root), path)
            if frames is None:
                continue
            size, fps = frame_size(frames), None
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            frames = VideoFileFrames(path)
            size, fps = _video_size(path), frames.fps
        else:
            continue
        records.append(
            _record(dataset, path.name if path.is_dir() else path.stem, frames, size, fps)
        )
    if not records:
        raise FrameError(f"Folder {root} holds neither video files nor folders of images.")
    names = [record.video_id for record in records]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise FrameError(f"Folder {root} holds two videos called {repeated!r}; rename one.")
    return records


def read_raw_images(root: str | Path, *, dataset: str) -> list[VideoRecord]:
    """Read every image in a folder as a video of one frame, sorted by name.

    Raises:
        FrameError: there are no images.
    """
    names = [p.name for p in Path(root).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
    if not names:
        raise FrameError(f"Folder {root} holds no images.")
    records = []
    for name in sorted(names, key=natural_key):
        frames = ImageFrames(root, (name,))
        records.append(_record(dataset, Path(name).stem, frames, frame_size(frames), None))
    return records


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """A sort key that puts ``frame_10`` after ``frame_9``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts if part]


def _image_folder(root: Path, folder: Path) -> ImageFrames | None:
    names = [p.name for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
    if not names:
        return None
    return ImageFrames(root, [f"{folder.name}/{name}" for name in sorted(names, key=natural_key)])


def _video_size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.height, stream.width


def _record(
    dataset: str, name: str, frames: FrameSequence, size: tuple[int, int], fps: float | None
) -> VideoRecord:
    return VideoRecord(
        dataset=dataset,
        domain=None,
        video_id=name,
        official_id=name,
        frames=frames,
        size=size,
        fps=fps,
    )
