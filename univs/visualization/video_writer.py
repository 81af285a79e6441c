"""Frames -> an MP4 file that plays everywhere."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

_ENCODERS = ("libx264", "mpeg4")  # the first that this FFmpeg has


class VideoWriter:
    """Write frames to an MP4 file; a context manager.

    The file appears under its name when the block ends without an error, and not at all otherwise::

        with VideoWriter("out.mp4", fps=25) as writer:
            for frame in frames:
                writer.write(frame)

    H.264, or MPEG-4 where FFmpeg was built without it, with colours at half resolution (yuv420p),
    which every player reads. Sides of odd length get one more row or column, a copy of the last.

    Args:
        path: the file; its folder must exist.
        fps: frames per second, above 0.
        quality: constant rate factor of H.264: 0 (best) to 51.
    """

    def __init__(self, path: str | Path, fps: float, *, quality: int = 20) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be above 0, but is {fps}.")
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path.parent}: there is no such folder to write into.")
        self._rate = Fraction(fps).limit_denominator(65535)  # the limit of MPEG-4
        self._quality = quality
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._size: tuple[int, int] | None = None

    def write(self, frame: np.ndarray) -> None:
        """Add a frame: uint8 RGB [H, W, 3], of the size of the first one.

        Raises:
            ValueError: another type or size.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"A frame must be uint8 [H, W, 3]: {frame.dtype} {list(frame.shape)}.")
        if self._container is None:
            self._open(frame.shape[:2])
        if frame.shape[:2] != self._size:
            raise ValueError(f"A frame is {frame.shape[:2]}, but the first one was {self._size}.")
        odd = [(0, length % 2) for length in self._size]
        if any(extra for _, extra in odd):
            frame = np.pad(frame, (*odd, (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            ValueError: no frame was written; there is no file then.
        """
        if self._container is None:
            raise ValueError(f"{self.path}: no frame was written, so there is no video.")
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
            os.replace(self._temporary, self.path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Give up: nothing is left on disk. Without effect after `close`."""
        if self._container is not None:
            self._container.close()
        self._container = self._stream = None
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _open(self, size: tuple[int, int]) -> None:
        encoder = find_encoder()
        self._size = size
        self._container = av.open(
            str(self._temporary), "w", format="mp4", options={"movflags": "+faststart"}
        )
        stream = self._container.add_stream(encoder, rate=self._rate)
        stream.height, stream.width = (length + length % 2 for length in size)
        stream.pix_fmt = "yuv420p"
        if encoder == "libx264":
            stream.options = {"crf": str(self._quality), "preset": "veryfast"}
        else:
            stream.bit_rate = 4_000_000
        self._stream = stream


def find_encoder() -> str:
    """The encoder that `VideoWriter` uses: "libx264", or "mpeg4" where there is no other.

    Raises:
        RuntimeError: there is neither.
    """
    for name in _ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except ValueError:  # not in this FFmpeg, or only as a decoder
            continue
        return name
    raise RuntimeError("This FFmpeg has no encoder for MP4; reinstall it: pip install av.")
