"""Compressed run lengths, as the json of COCO has them: reading and decoding without loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

# Share of the pixels up to which it is faster to write the ones of a mask only.
_SPARSE = 0.1


def run_lengths(counts: str | bytes) -> np.ndarray:
    """The run lengths ``[N]`` int64 in the text of a compressed mask.

    Every number is written in groups of five bits, lowest first, one character per group; from the
    fourth on it is the difference to the number before the previous one (COCO's format).

    Raises:
        ValueError: the text ends within a number or holds other characters.
    """
    raw = counts.encode("ascii") if isinstance(counts, str) else counts
    codes = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError("not the run lengths of a mask")
    ends = np.flatnonzero(codes < 32)
    starts = np.append(0, ends[:-1] + 1)
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, ends - starts + 1))
    if shifts.max() > 30:
        raise ValueError("not the run lengths of a mask")
    values = np.add.reduceat((codes & 31) << shifts, starts)
    is_negative = (codes[ends] & 16) > 0
    values = np.where(is_negative, values - (1 << (shifts[ends] + 5)), values)
    # Numbers 1, 3, 5, ... and 2, 4, 6, ... are two chains of differences; number 0 stands alone.
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def decode_columns(counts: Sequence[bytes], size: tuple[int, int]) -> np.ndarray:
    """Decode compressed masks column by column, which is the order they are stored in.

    Args:
        counts: of N masks.
        size: height and width.

    Returns:
        ``[N, W, H]`` uint8, 0 or 1.

    Raises:
        ValueError: a text is no mask, or one of another size.
    """
    height, width = size
    masks = np.zeros((len(counts), width * height), dtype=np.uint8)
    for mask, text in zip(masks, counts, strict=True):
        lengths = run_lengths(text)
        if lengths.sum() > mask.size or (len(lengths) and lengths.min() < 0):
            raise ValueError(f"run lengths of {lengths.sum()} pixels for {height}x{width}")
        ones = lengths[1::2]
        total = int(ones.sum())
        if total > _SPARSE * mask.size:
            dense = coco_mask.decode({"size": list(size), "counts": text})
            mask[:] = dense.ravel(order="F")
        elif total:
            starts = np.cumsum(lengths)[0::2][: len(ones)]
            before = np.cumsum(ones) - ones
            mask[np.arange(total) + np.repeat(starts - before, ones)] = 1
    return masks.reshape(-1, width, height)
