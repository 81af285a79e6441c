"""Any amount of bytes in little memory."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Sequence

_MOST_BYTES_IN_MEMORY = 2**20


class SpooledBlocks(Sequence):
    """A growing list of byte strings, in memory up to 1 MiB, beyond that in an unnamed file.

    The file lies in the folder for temporary files (``TMPDIR``) and goes away with the object.
    """

    def __init__(self) -> None:
        # Closed with this object.
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_BYTES_IN_MEMORY)  # noqa: SIM115
        self.close = weakref.finalize(self, self._file.close)  # may be called early
        self._ends = array("q", [0])  # of each block in the file; one entry before the first

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no block {index} among {len(self)}")
        index %= len(self)
        self._file.seek(self._ends[index])
        return self._file.read(self._ends[index + 1] - self._ends[index])

    def append(self, block: bytes) -> None:
        """Add a block."""
        self._file.seek(self._ends[-1])
        self._file.write(block)
        self._ends.append(self._ends[-1] + len(block))
