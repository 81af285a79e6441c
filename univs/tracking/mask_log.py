"""The run-length masks of a video, in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from univs.structures import Rle


class MaskLog(Sequence):
    """Masks by frame, then by the number of their object; frames are added one after another.

    It reads like a list of dictionaries, but holds a few large buffers instead of several objects
    per mask, which take ten times the memory of short run lengths and keep the allocator from
    using the large blocks between them again.
    """

    def __init__(self) -> None:
        self._size = [0, 0]
        self._counts = bytearray()  # of all masks, one after another
        self._ends = array("q", [0])  # in the counts, of each mask; one entry before the first
        self._objects = array("q")  # of each mask
        self._frames = array("q", [0])  # masks up to each frame; one entry before the first

    def __len__(self) -> int:
        """The number of frames."""
        return len(self._frames) - 1

    def __getitem__(self, frame: int) -> dict[int, Rle]:
        """The masks of a frame by object."""
        if not -len(self) <= frame < len(self):
            raise IndexError(f"there is no frame {frame} among {len(self)}")
        frame %= len(self)
        return dict(self._masks(self._frames[frame], self._frames[frame + 1]))

    def append(self, masks: Mapping[int, Rle]) -> None:
        """Add a frame. All masks of a log have one size."""
        for number, rle in masks.items():
            self._size = list(rle["size"])
            self._counts += rle["counts"].encode("ascii")
            self._ends.append(len(self._counts))
            self._objects.append(number)
        self._frames.append(len(self._objects))

    def segmentations(self, objects: Iterable[int]) -> dict[int, list[Rle | None]]:
        """For each of some objects its mask in every frame; None where it has none."""
        found: dict[int, list[Rle | None]] = {number: [None] * len(self) for number in objects}
        for frame in range(len(self)):
            for index in range(self._frames[frame], self._frames[frame + 1]):
                if self._objects[index] in found:
                    found[self._objects[index]][frame] = self._rle(index)
        return found

    def _masks(self, first: int, stop: int) -> Iterator[tuple[int, Rle]]:
        for index in range(first, stop):
            yield self._objects[index], self._rle(index)

    def _rle(self, index: int) -> Rle:
        counts = self._counts[self._ends[index] : self._ends[index + 1]].decode("ascii")
        return {"size": list(self._size), "counts": counts}
