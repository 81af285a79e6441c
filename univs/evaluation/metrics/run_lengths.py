"""Many compressed COCO masks at once: runs, areas and soundness, without a call per mask.

pycocotools reads a mask whose runs end too early into memory that nobody has written, so that a
damaged file would give other numbers on every run. Whatever comes from a file is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_DIGITS = 7  # base-32 digits of one run length; longer ones do not fit into pycocotools either
_POWERS = 32.0 ** np.arange(MAX_DIGITS)


class RleRuns(NamedTuple):
    """The runs of N masks.

    Attributes:
        runs: [R, 2] float64 whole numbers, lengths of a background run and the foreground run
            behind it; the rows of one mask follow those of the mask before.
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
        return RleRuns(np.zeros((0, 2)), *zeros, sound)
    numbers, last = _read_numbers(b"".join(counts), np.cumsum(lengths), lengths > 0, sound)
    num_runs = np.zeros(len(counts), dtype=np.int64)
    num_runs[lengths > 0] = np.diff(last, prepend=-1)

    rows = (num_runs + 1) // 2
    ends = np.cumsum(rows)
    is_odd = (num_runs & 1).astype(bool)  # ends with background; the last foreground run is 0
    padding = 2 * ends[is_odd] - 1
    flat = np.zeros(2 * int(ends[-1]))
    if len(padding):
        is_number = np.ones(len(flat), dtype=bool)
        is_number[padding] = False
        flat[is_number] = numbers
    else:
        flat[:] = numbers

    # Undo the differences by one sum over all masks, begun anew in every mask. The third run is no
    # difference, so the first one must not enter its sum. A row is one complex number, because
    # numpy sums those about four times faster than the columns of a matrix.
    runs = flat.reshape(-1, 2)
    third = (ends - rows)[num_runs > 2] + 1
    runs[third, 0] -= runs[third - 1, 0]
    pairs = flat.view(np.complex128)
    present = np.flatnonzero(rows)
    first = (ends - rows)[present]
    pairs[first[1:]] -= np.add.reduceat(pairs, first)[:-1]
    np.cumsum(pairs, out=pairs)
    flat[padding] = 0

    if flat.min() < 0:
        sound[np.repeat(np.arange(len(counts)), rows)[(runs < 0).any(axis=1)]] = False
    sums = np.zeros(len(counts), dtype=np.complex128)
    sums[present] = np.add.reduceat(pairs, first)
    areas = sums.imag.astype(np.int64)
    return RleRuns(runs, rows, areas, sums.real.astype(np.int64) + areas, sound)


def damaged_masks(counts: Sequence[str | bytes], num_pixels: int) -> np.ndarray:
    """Find the masks whose runs do not cover the image exactly.

    Args:
        counts: N compressed counts of COCO.
        num_pixels: height times width of the image.

    Returns:
        Indices of the damaged masks, ascending, int64.
    """
    texts = [c if isinstance(c, bytes) else c.encode("latin-1", "replace") for c in counts]
    decoded = decode_rles(texts)
    return np.flatnonzero(~decoded.sound | (decoded.pixels != num_pixels) | (decoded.rows == 0))


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
    goes_on = (codes & np.uint8(0x20)).view(bool)
    final = text_ends[present] - 1
    spoil(final[goes_on[final]])
    goes_on[final] = False
    codes &= np.uint8(0x1F)
    signed = (codes ^ np.uint8(0x10)).view(np.int8) - np.int8(0x10)  # if it is a last digit
    numbers = signed[~goes_on].astype(np.float64)

    digits = np.flatnonzero(goes_on)  # all but the last ones; most numbers have none of them
    last = final - np.searchsorted(digits, final)
    if len(digits):
        order = np.arange(len(digits))
        owner = digits - order  # index of the number that a digit belongs to
        begins = np.flatnonzero(np.diff(owner, prepend=-1))
        sizes = np.diff(begins, append=len(digits))
        place = order - np.repeat(begins, sizes)
        if sizes.max() >= MAX_DIGITS:
            spoil(digits[place >= MAX_DIGITS - 1])
            place = np.minimum(place, MAX_DIGITS - 1)
            sizes = np.minimum(sizes, MAX_DIGITS - 1)
        owner = owner[begins]
        numbers[owner] *= _POWERS[sizes]
        numbers[owner] += np.add.reduceat(codes[digits] * _POWERS[place], begins)
    return numbers, last
