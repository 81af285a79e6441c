"""Masks of exemplars: background cells, parts of objects, and the most central point of a mask.

Parts are kept as lists of pixels, not as masks: ``pixels[i]`` belongs to ``owners[i]``.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor


def grid_cells(height: int, width: int, grid: tuple[int, int]) -> Tensor:
    """The cell of a coarse grid that each pixel lies in, ``(H, W)`` int64, row-major.

    Rounding is as published: ties between two cells go to the even one.
    """
    rows, columns = (
        torch.linspace(-0.499, cells - 0.501, size).round().long().clamp(0, cells - 1)
        for size, cells in zip((height, width), grid, strict=True)
    )
    return rows[:, None] * grid[1] + columns


def background_pixels(object_masks: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Pixels that belong to no object, by grid cell.

    Args:
        object_masks: bool ``(N, T, H, W)``, N may be 0.
        grid: rows and columns of the grid.

    Returns:
        ``owners`` int64 ``(P,)``, the cell of each pixel, and ``pixels`` int64 ``(P,)``, indices
        into the flattened ``(T, H, W)``.
    """
    cells = grid_cells(*object_masks.shape[-2:], grid).to(object_masks.device)
    free = ~object_masks.any(0)  # T H W
    pixels = free.flatten().nonzero().squeeze(1)
    return cells.expand_as(free).flatten()[pixels], pixels


def divided_pixels(masks: Tensor, num_parts: int) -> tuple[Tensor, Tensor]:
    """Cut the pixels of each mask, in raster order over frames, into equal runs.

    Run lengths differ by one at most, longer ones first. The pixels of a mask with fewer of them
    than parts are repeated as a whole until there are enough.

    Args:
        masks: bool ``(N, T, H, W)``, none of them empty.
        num_parts: p.

    Returns:
        ``owners`` int64 ``(P,)``: ``object * num_parts + part`` of each pixel, ascending, and
        ``pixels`` int64 ``(P,)``: indices into the flattened ``(T, H, W)``.

    Raises:
        ValueError: a mask is empty.
    """
    objects, pixels = masks.flatten(1).nonzero(as_tuple=True)  # sorted by object
    counts = torch.bincount(objects, minlength=len(masks))
    if (counts == 0).any():
        empty = (counts == 0).nonzero().flatten().tolist()
        raise ValueError(f"masks {empty} are empty: an exemplar needs at least one pixel")
    repeats = -(-num_parts // counts)  # 1 for all but tiny masks
    totals = counts * repeats
    objects = torch.arange(len(masks), device=masks.device).repeat_interleave(totals)
    rank = torch.arange(len(objects), device=masks.device) - (totals.cumsum(0) - totals)[objects]
    first = (counts.cumsum(0) - counts)[objects]
    pixels = pixels[first + rank % counts[objects]]
    short, longer = totals[objects] // num_parts, totals[objects] % num_parts
    # The first `longer` runs have one pixel more than `short`.
    in_longer = rank < longer * (short + 1)
    part = torch.where(
        in_longer, rank // (short + 1), longer + (rank - longer * (short + 1)) // short.clamp(min=1)
    )
    return objects * num_parts + part, pixels


def central_points(masks: Tensor) -> Tensor:
    """The pixel of each mask that is farthest from its outside.

    The border of the image is not outside. Among equally far pixels the one nearest to the centroid
    (sum of both distances) is taken, then the first in raster order.

    Args:
        masks: bool ``(N, H, W)``, none of them empty.

    Returns:
        float32 ``(N, 2)``: (x, y) of the pixel's centre, relative to the size of the image.

    Raises:
        ValueError: a mask is empty.
    """
    points = [_central_point(mask) for mask in masks.cpu().numpy()]
    return torch.as_tensor(np.array(points).reshape(-1, 2), dtype=torch.float32).to(masks.device)


def _central_point(mask: np.ndarray) -> tuple[float, float]:
    if not mask.any():
        raise ValueError("an empty mask has no central point")
    height, width = mask.shape
    y, x = mask.nonzero()
    # The transform has no meaning without any outside.
    depth = np.ones(len(y)) if mask.all() else distance_transform_edt(mask)[y, x]
    deepest = depth == depth.max()
    y, x = y[deepest], x[deepest]
    all_y, all_x = mask.nonzero()
    best = (np.abs(y - all_y.mean()) + np.abs(x - all_x.mean())).argmin()
    return (x[best] + 0.5) / width, (y[best] + 0.5) / height
