"""Frames of a camera or of a stream over the network, which can be seen only once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from univs.data.video_source import VideoSource, VideoSourceError, upright

_OPEN_SECONDS, _READ_SECONDS = 15, 15
# FFmpeg's input devices for cameras, and how they call camera N.
_CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("vfwcap", "{}"),
}


def is_live(source: str) -> bool:
    """Whether a source is a camera ("0", "1", ...) or a URL, and not a file or folder."""
    return source.isdecimal() or "://" in source


@dataclass(eq=False, kw_only=True)
class LiveSource(VideoSource):
    """The frames of a camera or stream from now on; see `VideoSource`. Iterate it once.

    Attributes:
        url: what FFmpeg opens.
        format: FFmpeg's name of the input device; None for streams.
    """

    url: str
    format: str | None

    @property
    def name(self) -> str:
        """``camera0``, or the last part of the URL without its ending."""
        if self.format is not None:
            return f"camera{self.path}"
        return Path(self.url.partition("?")[0].rstrip("/")).stem or "stream"

    @property
    def is_live(self) -> bool:
        return True

    def __iter__(self) -> Iterator[np.ndarray]:
        with _open(self.url, self.format) as container:
            try:
                for frame in container.decode(container.streams.video[0]):
                    yield self._check_size(upright(frame), "a frame")
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                raise VideoSourceError(
                    f"{self.url}: the stream broke ({error.strerror})."
                ) from error


def open_live(source: str) -> LiveSource:
    """Open a camera or a stream.

    Args:
        source: the number of a camera, or the URL of a stream (rtsp://, http://, udp://, ...).

    Raises:
        VideoSourceError: it cannot be opened, or has no video.
    """
    url, device = source, None
    if source.isdecimal():
        device, name = _CAMERAS.get(sys.platform, _CAMERAS["linux"])
        url = name.format(source)
    with _open(url, device) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        size = (stream.height, stream.width)
    return LiveSource(
        path=Path(source),
        size=size,
        fps=float(rate) if rate else None,
        num_frames=None,
        url=url,
        format=device,
    )


def _open(url: str, device: str | None) -> av.container.InputContainer:
    what = f"camera {url}" if device else url
    options = {"rtsp_transport": "tcp"} if url.startswith("rtsp://") else {}
    try:
        container = av.open(
            url, format=device, options=options, timeout=(_OPEN_SECONDS, _READ_SECONDS)
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoSourceError(f"{what} cannot be opened ({reason}).") from error
    if not container.streams.video:
        container.close()
        raise VideoSourceError(f"{what} has no video stream.")
    return container
