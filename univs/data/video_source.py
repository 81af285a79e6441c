"""Frames of a video file, a folder of images, a camera or a stream, one at a time.

A source checks what can be checked cheaply when it is opened and decodes a frame only when it is
asked for, so the length of a video does not matter. It can be iterated more than once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av
import numpy as np
from PIL import Image, ImageOps

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap height and width

OnBadFrame = Literal["stop", "skip"]


class VideoSourceError(ValueError):
    """A video or folder cannot be read; the message is one sentence for the user."""


@dataclass(eq=False, kw_only=True)
class VideoSource:
    """What a video file and a folder of images have in common; `open_source` makes one.

    Iterating yields the frames in order: uint8 RGB [H, W, 3].

    Attributes:
        path: where the frames come from.
        size: height and width of every frame in pixels, after rotation.
        fps: frames per second; None for a folder, which has no time.
        num_frames: how many frames the source announces; None if it does not say. A damaged file
            may yield fewer.
        on_bad_frame: "stop" raises at a frame that cannot be decoded, "skip" leaves it out.
        skipped: the frames that were left out, by name ("frame 14, at 0.56 s").
    """

    path: Path
    size: tuple[int, int]
    fps: float | None
    num_frames: int | None
    on_bad_frame: OnBadFrame = "stop"
    skipped: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the folder, or of the file without its suffix."""
        path = self.path.resolve()
        return path.name if path.is_dir() else path.stem

    @property
    def is_live(self) -> bool:
        """Whether the frames can be seen only once, as they happen."""
        return False

    def __iter__(self) -> Iterator[np.ndarray]:
        raise NotImplementedError

    def _bad_frame(self, name: str, reason: str) -> None:
        """Raise, or note that the frame is left out; a second pass does not note it twice."""
        if self.on_bad_frame == "stop":
            raise VideoSourceError(
                f"{self.path}: {name}, cannot be decoded ({reason}); repair the file, or leave "
                "such frames out with --on-bad-frame skip."
            )
        if name not in self.skipped:
            self.skipped.append(name)

    def _check_size(self, frame: np.ndarray, name: str) -> np.ndarray:
        if frame.shape[:2] != self.size:
            raise VideoSourceError(
                f"{self.path}: {name}, is {_size_text(frame.shape[:2])}, but the frames before it "
                f"are {_size_text(self.size)}; a video must keep one size."
            )
        return frame


def open_source(path: str | Path, *, on_bad_frame: OnBadFrame = "stop") -> VideoSource:
    """Open a video file, a folder of images, a camera or a stream.

    Args:
        path: a file that FFmpeg can read; a folder whose images, in natural order (``2.jpg``
            before ``10.jpg``), are the frames; the number of a camera ("0"); or the URL of a stream
            (``rtsp://...``). Rotation noted in the file is applied.
        on_bad_frame: what to do at a frame that cannot be decoded: "stop" or "skip".

    Raises:
        FileNotFoundError: nothing is there.
        VideoSourceError: the file is empty, is no video or has no frames; the folder has no images
            or images of different sizes. While iterating: a frame cannot be decoded, or its size
            changes.
    """
    if on_bad_frame not in ("stop", "skip"):
        raise ValueError(f"on_bad_frame must be 'stop' or 'skip', not {on_bad_frame!r}.")
    from univs.data.live_source import is_live, open_live  # which builds on this file

    if is_live(str(path)) and not Path(path).exists():
        return open_live(str(path))
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder; check the path.")
    if path.is_dir():
        return _open_folder(path, on_bad_frame)
    return _open_file(path, on_bad_frame)


# Video files


class VideoFile(VideoSource):
    """The frames of a video file; see `VideoSource`."""

    def __iter__(self) -> Iterator[np.ndarray]:
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            # With threads per frame, errors would surface some packets late and name wrong frames.
            stream.thread_type = "SLICE"
            for packet in _packets(container, stream, self):
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError as error:
                    self._bad_frame(_frame_name(packet, stream), error.strerror)
                    continue
                for frame in decoded:
                    name = _frame_name(frame, stream)
                    if frame.is_corrupt:
                        self._bad_frame(name, "its data is damaged")
                        continue
                    yield self._check_size(upright(frame), name)


def _open_file(path: Path, on_bad_frame: OnBadFrame) -> VideoFile:
    if path.stat().st_size == 0:
        raise VideoSourceError(f"{path}: the file is empty (0 bytes); copy or download it again.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoSourceError(f"{path}: the file holds no video stream.")
            stream = container.streams.video[0]
            first = _first_frame(container, stream)
            rate = stream.average_rate or stream.guessed_rate
            announced = stream.frames
    except av.error.InvalidDataError as error:
        raise VideoSourceError(
            f"{path}: this is not a video that can be read, or it is damaged ({error.strerror})."
        ) from error
    except av.error.FFmpegError as error:
        raise VideoSourceError(f"{path}: the file cannot be opened ({error.strerror}).") from error
    if first is None:
        raise VideoSourceError(f"{path}: the video has no frame that can be decoded.")
    return VideoFile(
        path=path,
        size=upright(first).shape[:2],
        fps=float(rate) if rate else None,
        num_frames=announced or None,
        on_bad_frame=on_bad_frame,
    )


def _first_frame(container: av.container.InputContainer, stream) -> av.VideoFrame | None:
    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                return frame
        except av.error.InvalidDataError:
            continue  # reported, or skipped, when the frames are read
    return None


def _packets(container: av.container.InputContainer, stream, source: VideoSource) -> Iterator:
    """Demultiplex; a container that breaks off in the middle counts as a bad frame at its end."""
    packets = container.demux(stream)
    last = None
    while True:
        try:
            packet = next(packets, None)
        except av.error.InvalidDataError as error:
            name = (
                "the first frame" if last is None else f"what follows {_frame_name(last, stream)}"
            )
            source._bad_frame(name, error.strerror)
            return
        if packet is None:
            return
        last = packet if packet.pts is not None else last
        yield packet


def _frame_name(item: av.Packet | av.VideoFrame, stream) -> str:
    """``"frame 14, at 0.56 s"``, counted from 0, by the time stamp of a packet or frame."""
    if item.pts is None:
        return "a frame without a time stamp"
    seconds = float((item.pts - (stream.start_time or 0)) * item.time_base)
    rate = stream.average_rate or stream.guessed_rate
    index = f"frame {round(seconds * float(rate))}" if rate else "the frame"
    return f"{index}, at {seconds:.2f} s"


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Decode to uint8 RGB [H, W, 3], turned as the display matrix of the file says."""
    pixels = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise, as in np.rot90
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns)) if quarter_turns else pixels


# Folders of images


@dataclass(eq=False, kw_only=True)
class ImageFolder(VideoSource):
    """The images of a folder; see `VideoSource`.

    Attributes:
        files: the images in the order of the frames.
    """

    files: list[Path] = field(default_factory=list, repr=False)

    def __iter__(self) -> Iterator[np.ndarray]:
        for index, file in enumerate(self.files):
            name = f"frame {index} ({file.name})"
            try:
                with Image.open(file) as image:
                    pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"))
            except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on damage
                self._bad_frame(name, _first_line(error))
                continue
            yield self._check_size(pixels, name)


def _open_folder(path: Path, on_bad_frame: OnBadFrame) -> ImageFolder:
    files = [
        file
        for file in path.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    files.sort(key=lambda file: natural_key(file.name))
    if not files:
        kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise VideoSourceError(f"{path}: the folder holds no images ({kinds}).")
    size, first = None, None
    for file in files:
        try:
            file_size = _image_size(file)
        except (OSError, SyntaxError, ValueError):
            continue  # reported, or skipped, when the frames are read
        if size is None:
            size, first = file_size, file
        elif file_size != size:
            raise VideoSourceError(
                f"{path}: {file.name} is {_size_text(file_size)}, but {first.name} is "
                f"{_size_text(size)}; all images of a video must have one size."
            )
    if size is None:
        raise VideoSourceError(f"{path}: none of the {len(files)} images can be decoded.")
    return ImageFolder(
        path=path,
        size=size,
        fps=None,
        num_frames=len(files),
        on_bad_frame=on_bad_frame,
        files=files,
    )


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key by which ``frame2`` comes before ``frame10``."""
    # Text and digits alternate, beginning with text, so only like is compared with like. The name
    # itself settles ties such as 1.jpg and 01.jpg.
    parts = re.split(r"(\d+)", name.lower())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def _image_size(file: Path) -> tuple[int, int]:
    """Height and width of an image, from its header only."""
    with Image.open(file) as image:
        width, height = image.size
        sideways = image.getexif().get(_EXIF_ORIENTATION) in _SIDEWAYS
    return (width, height) if sideways else (height, width)


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"  # width first, as people say it


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
