"""Frames put aside until they are needed again, on disk when there are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_MOST_BYTES_IN_MEMORY = 16 * 2**20


class FrameStore:
    """Frames of one size, appended one by one and read in order.

    They lie in memory up to 16 MB and beyond that in an unnamed temporary file, which goes away
    with the object.
    """

    def __init__(self) -> None:
        # Closed with this object.
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_BYTES_IN_MEMORY)  # noqa: SIM115
        self._shape: torch.Size | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, frame: Tensor) -> None:
        """Add a frame, uint8 ``(3, h, w)``."""
        self._shape = frame.shape
        self._file.seek(0, 2)
        self._file.write(frame.contiguous().numpy().tobytes())
        self._count += 1

    def batches(self, size: int) -> Iterator[list[Tensor]]:
        """All frames in order, ``size`` at a time."""
        for start in range(0, self._count, size):
            count = min(size, self._count - start)
            num_bytes = self._shape.numel()
            self._file.seek(start * num_bytes)
            data = np.frombuffer(self._file.read(count * num_bytes), dtype=np.uint8)
            yield list(torch.from_numpy(data.reshape(count, *self._shape).copy()))

    def close(self) -> None:
        """Delete the frames."""
        self._file.close()
