"""Masks that may overlap -> one id per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from univs.structures.mask_rle import Rle, decode_masks


def compose_id_map(
    rles: Sequence[Rle | None],
    ids: Sequence[int],
    scores: Sequence[float],
    size: tuple[int, int],
    dtype: type[np.unsignedinteger] | np.dtype | None = None,
) -> np.ndarray:
    """Give every pixel the id of the highest-scoring mask that covers it; 0 where none does.

    Of masks with equal scores the first in the list wins.

    Args:
        rles: N masks of one size; None is an empty mask.
        ids: N ids, 1 or more.
        scores: N scores.
        size: height and width.
        dtype: type of the map; by default the smallest of `id_map_dtype` that holds the ids.

    Returns:
        [H, W] of ``dtype``.
    """
    dtype = id_map_dtype(ids) if dtype is None else np.dtype(dtype)
    if len(rles) == 0:
        return np.zeros(size, dtype=dtype)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    masks = decode_masks([rles[index] for index in order], size)  # [N, H, W], best first
    # The background is one more, all-covering mask behind the others, so that argmax finds it last.
    first = np.concatenate([masks, np.ones((1, *size), bool)]).argmax(axis=0)  # [H, W]
    values = np.append(np.asarray(ids)[order], 0).astype(dtype)  # [N + 1]
    return values[first]


def id_map_dtype(ids: Sequence[int]) -> np.dtype:
    """The smallest type for an id map: uint8 for ids to 254 (255 is void in PNGs), then uint16.

    Raises:
        ValueError: an id is below 1 or above 65534.
    """
    if len(ids) and (min(ids) < 1 or max(ids) > 65534):
        raise ValueError(f"Ids of an id map must lie in 1 to 65534: {min(ids)} to {max(ids)}.")
    return np.dtype(np.uint8 if not len(ids) or max(ids) <= 254 else np.uint16)
