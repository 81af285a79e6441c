"""Label maps of many frames in little memory."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from univs.structures.spooled_blocks import SpooledBlocks


class CompressedMaps(Sequence):
    """A growing list of integer maps, all of one size and type, which are unpacked when read.

    It becomes a list of arrays when it is copied or pickled.
    """

    def __init__(self) -> None:
        self._packed = SpooledBlocks()
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype(int)

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        """The map ``(H, W)`` of a frame, which cannot be written to, or a list of maps."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        unpacked = np.frombuffer(zlib.decompress(self._packed[index]), dtype=self._dtype)
        return unpacked.reshape(self._shape)

    def __reduce__(self) -> tuple:
        return list, (list(self),)

    def append(self, label_map: np.ndarray) -> None:
        """Add a map ``(H, W)``.

        Raises:
            ValueError: it has another size or type than the first one.
        """
        if not self._packed:
            self._shape, self._dtype = label_map.shape, label_map.dtype
        if label_map.shape != self._shape or label_map.dtype != self._dtype:
            raise ValueError(
                f"a map is {label_map.dtype} {list(label_map.shape)}, but those before are "
                f"{self._dtype} {list(self._shape)}"
            )
        self._packed.append(zlib.compress(label_map.tobytes(), level=1))
