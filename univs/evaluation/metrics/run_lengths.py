"""Check of compressed run-length masks, many at a time.

pycocotools reads a mask whose runs end too early into memory that nobody has written, so that a
damaged file would give other numbers on every run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DIGITS = 12  # five bits each; a longer number is damaged and must not overflow


def damaged_masks(counts: Sequence[str | bytes], num_pixels: int) -> np.ndarray:
    """Find the masks whose runs do not cover the image exactly.

    Args:
        counts: N compressed counts of COCO.
        num_pixels: height times width of the image.

    Returns:
        Indices of the damaged masks, ascending, int64.
    """
    texts = [c if isinstance(c, bytes) else c.encode("latin-1", "replace") for c in counts]
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    damaged = lengths == 0
    present = np.flatnonzero(lengths)  # [M]
    if not present.size:
        return np.flatnonzero(damaged)
    codes = np.frombuffer(b"".join(texts), dtype=np.uint8) - np.uint8(48)  # wraps below "0"
    text_ends = np.cumsum(lengths[present]) - 1
    bad_codes = np.flatnonzero(codes > 63)
    damaged[present[np.searchsorted(text_ends, bad_codes)]] = True

    # A number ends with the first code whose bit 5 is clear; bit 4 of that code is the sign.
    is_last = codes & 0x20 == 0
    damaged[present[~is_last[text_ends]]] = True
    is_last[text_ends] = True
    ends = np.flatnonzero(is_last)  # [R], R numbers in all
    starts = np.r_[0, ends[:-1] + 1]
    last = np.searchsorted(ends, text_ends)  # [M], last number of each mask
    first = np.r_[0, last[:-1] + 1]
    num_digits = ends - starts + 1
    too_long = np.flatnonzero(num_digits > _DIGITS)
    damaged[present[np.searchsorted(last, too_long)]] = True
    numbers = np.zeros(len(ends), dtype=np.int64)
    active = np.arange(len(ends))
    for digit in range(min(int(num_digits.max()), _DIGITS)):
        active = active[num_digits[active] > digit]
        code = codes[starts[active] + digit].astype(np.int64)
        numbers[active] += (code & 0x1F) << (5 * digit)
    negative = np.flatnonzero(codes[ends] & 0x10)
    numbers[negative] -= np.int64(1) << (5 * np.minimum(num_digits[negative], _DIGITS))

    # From the fourth number of a mask on, a number is the difference to the one two places before:
    # the numbers at odd and at even places are two chains of sums that begin in every mask.
    counts_per_mask = last - first + 1
    place = np.arange(len(ends)) - np.repeat(first, counts_per_mask)
    is_odd = place % 2 == 1
    runs = numbers.copy()
    for in_chain in (is_odd, ~is_odd & (place > 0)):
        total = np.cumsum(np.where(in_chain, numbers, 0))
        before = np.where(first > 0, total[first - 1], 0)
        np.copyto(runs, total - np.repeat(before, counts_per_mask), where=in_chain)
    damaged[present[np.minimum.reduceat(runs, first) < 0]] = True
    damaged[present[np.add.reduceat(runs, first) != num_pixels]] = True
    return np.flatnonzero(damaged)
