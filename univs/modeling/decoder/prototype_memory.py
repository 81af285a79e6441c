"""What GenVIS remembers of earlier clips, in a buffer that grows without copies for every clip."""

from __future__ import annotations

import torch
from torch import Tensor


class PrototypeMemory:
    """Keys and values of M clips, oldest first.

    Appending a clip gives a new memory and leaves this one as it is. Both share a buffer, with room
    for the clips to come, so that what is there already is copied rarely instead of for every clip.
    While gradients are recorded it is copied, because they must flow through all clips.
    """

    def __init__(self, buffer: Tensor, start: int, used: list[int]) -> None:
        """
        Args:
            buffer: ``(2, G, Q, S, C)``, slots for keys and values.
            start: the first slot that counts; all from there to ``used`` do.
            used: a single number, which memories of one buffer share: slots that are taken.
        """
        self._buffer = buffer
        self._start, self._stop = start, used[0]
        self._used = used

    @classmethod
    def of(cls, keys: Tensor, values: Tensor) -> PrototypeMemory:
        """The memory of one clip, ``(G, Q, C)`` each."""
        return cls(torch.stack((keys, values))[..., None, :], 0, [1])

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def keys(self) -> Tensor:
        """``(G, Q, M, C)``."""
        return self._buffer[0, :, :, self._start : self._stop]

    @property
    def values(self) -> Tensor:
        """``(G, Q, M, C)``."""
        return self._buffer[1, :, :, self._start : self._stop]

    def appended(self, keys: Tensor, values: Tensor, *, most: int = 0) -> PrototypeMemory:
        """This memory and one more clip.

        Args:
            keys, values: ``(G, Q, C)`` of the clip.
            most: number of clips to keep, the oldest is forgotten first; 0: no limit.
        """
        num_kept = min(len(self), most - 1) if most else len(self)
        start = self._stop - num_kept
        entry = torch.stack((keys, values))  # 2 G Q C
        if torch.is_grad_enabled():
            kept = self._buffer[:, :, :, start : self._stop]
            return PrototypeMemory(torch.cat((kept, entry[..., None, :]), 3), 0, [num_kept + 1])
        buffer, used = self._buffer, self._used
        is_last = used[0] == self._stop  # otherwise another memory has taken the next slot
        if not is_last or self._stop == buffer.shape[3]:
            num_slots = num_kept + max(8, num_kept // 4)
            buffer = entry.new_empty((*entry.shape[:3], num_slots, entry.shape[3]))
            buffer[:, :, :, :num_kept] = self._buffer[:, :, :, start : self._stop]
            start, used = 0, [num_kept]
        buffer[:, :, :, used[0]] = entry
        used[0] += 1
        return PrototypeMemory(buffer, start, used)
