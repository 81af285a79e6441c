"""Frames put aside until they are needed again, on disk when there are many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from univs.structures.spooled_blocks import SpooledBlocks


class FrameStore:
    """Frames of one size, appended one by one and read in order."""

    def __init__(self) -> None:
        self._frames = SpooledBlocks()
        self._shape: torch.Size | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, frame: Tensor) -> None:
        """Add a frame, uint8 ``(3, h, w)``."""
        self._shape = frame.shape
        self._frames.append(frame.contiguous().numpy().tobytes())

    def batches(self, size: int) -> Iterator[list[Tensor]]:
        """All frames in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield [self._frame(index) for index in range(start, min(start + size, len(self)))]

    def _frame(self, index: int) -> Tensor:
        pixels = np.frombuffer(self._frames[index], dtype=np.uint8)
        return torch.from_numpy(pixels.reshape(self._shape).copy())

    def close(self) -> None:
        """Delete the frames."""
        self._frames.close()
