"""The run-length masks of a video of any length, in memory that does not grow with it."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping, Sequence

from univs.structures.mask_rle import Rle, rle_is_empty
from univs.structures.spooled_blocks import SpooledBlocks

_FRAMES_PER_BLOCK = 32


class MaskLog(Sequence):
    """Masks by frame, then by the number of their object; frames are added one after another.

    It reads like a list of dictionaries, whose keys are in ascending order; masks without a pixel
    are left out. But only the latest frames are held like that. Those before are compressed, 32 at
    a time, and written to a file when there are many.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None  # of all masks; unknown before the first
        self._latest: list[dict[int, str]] = []  # run lengths by object, of frames in no block
        self._blocks = SpooledBlocks()
        # The block that was read last, by object; most readers ask for its frames one by one.
        self._read: tuple[int, dict[int, list[str]]] = (-1, {})

    def __len__(self) -> int:
        """The number of frames."""
        return len(self._blocks) * _FRAMES_PER_BLOCK + len(self._latest)

    def __getitem__(self, frame: int) -> dict[int, Rle]:
        """The masks of a frame by object."""
        if not -len(self) <= frame < len(self):
            raise IndexError(f"there is no frame {frame} among {len(self)}")
        block, place = divmod(frame % len(self), _FRAMES_PER_BLOCK)
        if block == len(self._blocks):
            masks = self._latest[place]
        else:
            if self._read[0] != block:
                self._read = (block, _unpacked(self._blocks[block]))
            masks = {n: texts[place] for n, texts in self._read[1].items() if texts[place]}
        return {number: self._rle(counts) for number, counts in masks.items()}

    def append(self, masks: Mapping[int, Rle]) -> None:
        """Add a frame. All masks of a log have one size.

        Raises:
            ValueError: a mask has another size than those before.
        """
        visible = {k: rle for k, rle in sorted(masks.items()) if not rle_is_empty(rle)}
        for number, rle in visible.items():
            height, width = rle["size"]
            if self.size not in (None, (height, width)):
                raise ValueError(
                    f"the mask of object {number} has the size {[height, width]}, but those before "
                    f"have {list(self.size)}"
                )
            self.size = (height, width)
        self._latest.append({number: rle["counts"] for number, rle in visible.items()})
        if len(self._latest) == _FRAMES_PER_BLOCK:
            self._blocks.append(_packed(self._latest))
            self._latest = []

    def track(self, number: int) -> LoggedMasks:
        """The masks of one object in all frames so far."""
        return LoggedMasks(self, number)

    def counts_in_block(self, block: int, number: int) -> list[str]:
        """The run lengths of an object in the frames of a block; "" where it has no mask."""
        if block == len(self._blocks):
            return [masks.get(number, "") for masks in self._latest]
        is_at_hand = self._read[0] == block
        texts = self._read[1] if is_at_hand else _unpacked(self._blocks[block], number)
        return texts.get(number, [""] * _FRAMES_PER_BLOCK)

    def _rle(self, counts: str) -> Rle:
        return {"size": list(self.size), "counts": counts}


class LoggedMasks(Sequence):
    """The masks of one object in the frames that a log had at the time; None where it has none.

    It equals a list of the same masks, and becomes one when it is copied or pickled.

    Attributes:
        size: height and width of the masks of the log; None if there is none.
    """

    def __init__(self, log: MaskLog, number: int) -> None:
        """
        Args:
            log: has the masks; it may grow.
            number: of the object.
        """
        self.size = log.size
        self._log = log
        self._number = number
        self._length = len(log)
        self._read: tuple[int, list[str]] = (-1, [])  # the latest block

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int | slice) -> Rle | None | list[Rle | None]:
        if isinstance(index, slice):
            return [self[frame] for frame in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no frame {index} among {len(self)}")
        block, place = divmod(index % len(self), _FRAMES_PER_BLOCK)
        if self._read[0] != block:
            self._read = (block, self._log.counts_in_block(block, self._number))
        counts = self._read[1][place]
        return {"size": list(self.size), "counts": counts} if counts else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | LoggedMasks):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None

    def __repr__(self) -> str:
        return repr(list(self))

    def __reduce__(self) -> tuple:
        return list, (list(self),)


def _packed(frames: Sequence[Mapping[int, str]]) -> bytes:
    """One block: the number of objects; number and bytes of each; the run lengths of each."""
    header, parts = array("q"), []
    for number in sorted(set().union(*frames)):
        text = "\n".join(masks.get(number, "") for masks in frames)
        parts.append(zlib.compress(text.encode("ascii"), level=1))
        header.extend((number, len(parts[-1])))
    return b"".join((array("q", [len(parts)]).tobytes(), header.tobytes(), *parts))


def _unpacked(block: bytes, wanted: int | None = None) -> dict[int, list[str]]:
    """The run lengths of all objects of a block by frame, or of one object only."""
    numbers = array("q")
    numbers.frombytes(block[: numbers.itemsize])
    start = (1 + 2 * numbers[0]) * numbers.itemsize
    numbers.frombytes(block[numbers.itemsize : start])
    texts = {}
    for number, size in zip(numbers[1::2], numbers[2::2], strict=True):
        if wanted in (None, number):
            texts[number] = zlib.decompress(block[start : start + size]).decode("ascii").split("\n")
        start += size
    return texts
