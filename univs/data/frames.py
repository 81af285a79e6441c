"""Frames of a video, decoded one at a time and only when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps


class FrameError(ValueError):
    """A frame is missing or cannot be decoded; the message names file and frame."""


class FrameSequence(ABC):
    """A video as a sequence of frames that are decoded on access.

    Indexing with an integer (negative ones count from the end) returns the frame as
    ``[H, W, 3]`` uint8 RGB. Nothing is kept in memory between two accesses.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def _decode(self, index: int) -> np.ndarray:
        """Frame ``index`` (``0 <= index < len(self)``) as ``[H, W, 3]`` uint8 RGB."""

    @abstractmethod
    def name(self, index: int) -> str:
        """The file of frame ``index``, or a readable address of it inside a video file."""

    def __getitem__(self, index: int) -> np.ndarray:
        length = len(self)
        if not -length <= index < length:
            raise IndexError(f"Frame {index} was asked for, but the video has {length} frames.")
        return self._decode(index % length)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    @property
    def names(self) -> list[str]:
        """The name of every frame."""
        return [self.name(index) for index in range(len(self))]


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as ``[H, W, 3]`` uint8 RGB, upright if it carries an EXIF orientation.

    Raises:
        FrameError: the file is missing, truncated or not an image.
    """
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError:
        raise FrameError(f"Image {path} does not exist.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FrameError(f"Image {path} cannot be decoded ({error}); fetch it again.") from error


class ImageFrames(FrameSequence):
    """Frames stored as one image file each.

    Args:
        root: folder that ``file_names`` are relative to.
        file_names: one file per frame, in temporal order.
    """

    def __init__(self, root: str | Path, file_names: list[str] | tuple[str, ...]) -> None:
        self.root = str(root)
        self.file_names = tuple(file_names)

    def __len__(self) -> int:
        return len(self.file_names)

    def name(self, index: int) -> str:
        return f"{self.root}/{self.file_names[index]}"

    def _decode(self, index: int) -> np.ndarray:
        try:
            return read_image(self.name(index))
        except FrameError as error:
            raise FrameError(f"Frame {index} of {len(self)}: {error}") from error.__cause__


class VideoFileFrames(FrameSequence):
    """Frames of a video file, decoded with PyAV.

    Reading frames in ascending order decodes the file once; going back starts from the beginning
    of the file. The decoder is opened on first use and is not pickled, so an instance may be sent
    to a worker process.

    Args:
        path: the video file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not Path(path).is_file():
            raise FrameError(f"Video {path} does not exist.")
        self._decoder: Iterator[av.VideoFrame] | None = None
        self._container: av.container.InputContainer | None = None
        self._next = 0

    def __getstate__(self) -> dict:
        state = {"path": self.path, "_decoder": None, "_container": None, "_next": 0}
        if "_length_and_rate" in self.__dict__:
            state["_length_and_rate"] = self._length_and_rate
        return state

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(self.path)
        except (av.FFmpegError, OSError) as error:
            raise FrameError(f"Video {self.path} cannot be opened ({error}).") from error
        if not container.streams.video:
            container.close()
            raise FrameError(f"{self.path} holds no video stream.")
        return container

    @cached_property
    def _length_and_rate(self) -> tuple[int, float | None]:
        # Packets are counted because the frame count in a container's header is often absent or
        # wrong.
        with self._open() as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate) if stream.average_rate else None
            try:
                length = sum(packet.size > 0 for packet in container.demux(stream))
            except av.FFmpegError as error:
                raise FrameError(f"Video {self.path} is damaged ({error}).") from error
        return length, rate

    def __len__(self) -> int:
        return self._length_and_rate[0]

    @property
    def fps(self) -> float | None:
        """Frames per second, or None if the file does not say."""
        return self._length_and_rate[1]

    def name(self, index: int) -> str:
        return f"{self.path}#frame={index}"

    def close(self) -> None:
        """Close the file; the next access opens it again."""
        if self._container is not None:
            self._container.close()
        self._container, self._decoder, self._next = None, None, 0

    def _decode(self, index: int) -> np.ndarray:
        if self._decoder is None or index < self._next:
            self.close()
            self._container = self._open()
            self._container.streams.video[0].thread_type = "AUTO"
            self._decoder = self._container.decode(video=0)
        try:
            while True:
                frame = next(self._decoder)
                self._next += 1
                if self._next > index:
                    return frame.to_ndarray(format="rgb24")
        except (StopIteration, av.FFmpegError) as error:
            reached = self._next
            self.close()
            raise FrameError(
                f"Video {self.path}: frame {index} of {len(self)} cannot be decoded (decoding "
                "ended "
                f"after {reached} frames); the file is probably damaged."
            ) from error


class TransformedFrames(FrameSequence):
    """Another sequence with a function applied to every frame on access.

    Args:
        frames: the sequence to read from.
        transform: maps ``[H, W, 3]`` uint8 RGB to ``[H', W', 3]`` uint8 RGB.
    """

    def __init__(
        self, frames: FrameSequence, transform: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self.frames = frames
        self.transform = transform

    def __len__(self) -> int:
        return len(self.frames)

    def name(self, index: int) -> str:
        return self.frames.name(index)

    def _decode(self, index: int) -> np.ndarray:
        return self.transform(self.frames[index])


class ResizedFrames(TransformedFrames):
    """Frames that are stored at another size than the one that is annotated.

    Args:
        frames: the sequence to read from.
        size: height and width that frames are resized to, bilinearly.
    """

    def __init__(self, frames: FrameSequence, size: tuple[int, int]) -> None:
        super().__init__(frames, self._resize)
        self.size = size

    def _resize(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] == self.size:
            return image
        height, width = self.size
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
