"""Many COCO run-length masks at once: runs, areas and soundness, without a call per mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_DIGITS = 12  # base-32 digits of one run length; more cannot come from a real image

# Value of a last digit, whose bit 4 is the sign; indexed by six-bit code.
_SIGNED = np.array([(code & 0x1F) - ((code & 0x10) << 1) for code in range(64)], dtype=np.int64)


class RleRuns(NamedTuple):
    """The runs of N masks.

    Attributes:
        runs: [R, 2] int64, lengths of a background run and the foreground run behind it; the rows
            of one mask follow those of the mask before.
        rows: [N] int64, number of rows of each mask.
        areas: [N] int64, foreground pixels.
        pixels: [N] int64, foreground and background pixels; must be height * width.
        sound: [N] bool, the text can be decoded and no run is negative.
    """

    runs: np.ndarray
    rows: np.ndarray
    areas: np.ndarray
    pixels: np.ndarray
    sound: np.ndarray


def decode_rles(counts: Sequence[bytes]) -> RleRuns:
    """Decode the compressed counts of N masks.

    The code is COCO's: a run is a group of characters, each 48 + a five-bit digit, lowest digit
    first; bit 5 says that another digit follows; bit 4 of the last digit is the sign. From the
    fourth run on, the number is the difference from the run two places before.

    Args:
        counts: N byte strings; may be empty.
    """
    lengths = np.fromiter(map(len, counts), dtype=np.int64, count=len(counts))
    sound = np.ones(len(counts), dtype=bool)
    if not lengths.any():
        zeros = np.zeros((3, len(counts)), dtype=np.int64)
        return RleRuns(np.zeros((0, 2), dtype=np.int64), *zeros, sound)
    numbers, last = _read_numbers(b"".join(counts), np.cumsum(lengths), lengths > 0, sound)
    num_runs = np.zeros(len(counts), dtype=np.int64)
    num_runs[lengths > 0] = np.diff(last, prepend=-1)

    rows = (num_runs + 1) // 2
    first_row = np.cumsum(rows) - rows
    runs = np.zeros((int(rows.sum()), 2), dtype=np.int64)
    is_odd = (num_runs & 1).astype(bool)  # ends with background; the last foreground run is 0
    padding = np.cumsum(is_odd) - is_odd
    runs.reshape(-1)[np.arange(len(numbers)) + np.repeat(padding, num_runs)] = numbers

    # Undo the differences by sums over all masks, from which each mask's beginning is taken. The
    # third run is no difference, so the first one must not enter its sum.
    third = first_row[num_runs > 2] + 1
    runs[third, 0] -= runs[third - 1, 0]
    np.cumsum(runs, axis=0, out=runs)
    before = np.zeros((len(counts), 2), dtype=np.int64)
    before[first_row > 0] = runs[first_row[first_row > 0] - 1]
    runs -= np.repeat(before, rows, axis=0)
    runs[first_row[is_odd] + rows[is_odd] - 1, 1] = 0

    if runs.min() < 0:
        sound[np.repeat(np.arange(len(counts)), rows)[(runs < 0).any(axis=1)]] = False
    sums = np.zeros((len(counts), 2), dtype=np.int64)
    sums[rows > 0] = np.add.reduceat(runs, first_row[rows > 0], axis=0)
    return RleRuns(runs, rows, sums[:, 1], sums.sum(axis=1), sound)


def _read_numbers(
    text: bytes, text_ends: np.ndarray, present: np.ndarray, sound: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of all masks, and the index of the last number of each mask that has any.

    ``sound`` is cleared for masks with foreign characters, endless or cut-off numbers.
    """
    codes = np.frombuffer(text, dtype=np.uint8) - np.uint8(48)  # wraps below the first code

    def spoil(places: np.ndarray) -> None:
        sound[np.searchsorted(text_ends, places, side="right")] = False

    if codes.max() > 63:
        spoil(np.flatnonzero(codes > 63))
    is_last = (codes & np.uint8(0x20)) == 0
    final = text_ends[present] - 1
    spoil(final[~is_last[final]])
    is_last[final] = True
    ends = np.flatnonzero(is_last)
    numbers = _SIGNED[codes[ends] & np.uint8(63)]
    earlier = np.diff(ends, prepend=-1) - 1  # digits before the last one
    longer = np.flatnonzero(earlier)
    earlier = earlier[longer]
    if len(earlier) and earlier.max() >= MAX_DIGITS:
        spoil(ends[longer[earlier >= MAX_DIGITS]])
        earlier = np.minimum(earlier, MAX_DIGITS - 1)
    numbers[longer] <<= 5 * earlier
    for digit in range(int(earlier.max(initial=0))):
        has = earlier > digit
        code = codes[ends[longer[has]] - earlier[has] + digit].astype(np.int64)
        numbers[longer[has]] += (code & 0x1F) << (5 * digit)
    return numbers, np.searchsorted(ends, final)
