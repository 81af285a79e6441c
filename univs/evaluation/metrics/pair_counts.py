"""How often each pair of labels occurs in two maps, which most metrics of this package sum up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PairCounts(NamedTuple):
    """Pairs of labels that share a pixel, sorted by the first label, then by the second.

    Attributes:
        first: [N] int64 labels of the first map.
        second: [N] int64 labels of the second map.
        counts: [N] int64 numbers of pixels, all above 0.
    """

    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray


def count_pairs(first: np.ndarray, second: np.ndarray) -> PairCounts:
    """Count the pairs of labels of two maps of one shape.

    Label maps are piecewise constant, so only the ends of runs of equal pairs are sorted.

    Args:
        first, second: integer arrays, labels 0 to 2^31 - 1.

    Raises:
        ValueError: shapes differ, or a map holds no integers or a negative one.
    """
    if first.shape != second.shape:
        raise ValueError(f"Two label maps have the sizes {first.shape} and {second.shape}.")
    for labels in (first, second):
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"Label maps must hold integers, not {labels.dtype}.")
    first, second = first.ravel(), second.ravel()
    if first.size == 0:
        return PairCounts(*np.zeros((3, 0), dtype=np.int64))
    ends = np.append(
        np.flatnonzero((first[1:] != first[:-1]) | (second[1:] != second[:-1])), first.size - 1
    )
    lengths = np.diff(ends, prepend=-1)
    run_first, run_second = first[ends].astype(np.int64), second[ends].astype(np.int64)
    if min(run_first.min(), run_second.min()) < 0:
        raise ValueError("Label maps must not hold negative labels.")
    if max(run_first.max(), run_second.max()) >= 1 << 31:
        raise ValueError("Label maps must not hold labels above 2^31 - 1.")
    return sum_pairs(run_first, run_second, lengths)


def sum_pairs(first: np.ndarray, second: np.ndarray, counts: np.ndarray) -> PairCounts:
    """Add up the counts of equal pairs: [N] int64 each, labels 0 to 2^31 - 1, any order."""
    if len(counts) == 0:
        return PairCounts(*np.zeros((3, 0), dtype=np.int64))
    keys = (first << 32) | second
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    keys = keys[starts]
    return PairCounts(keys >> 32, keys & 0xFFFFFFFF, np.add.reduceat(counts[order], starts))
