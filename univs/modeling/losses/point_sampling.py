"""Sampling of masks at points, and the choice of points where a mask is uncertain (PointRend)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Sample maps bilinearly; outside of a map its value is 0.

    Args:
        maps: ``(R, C, H, W)``.
        points: ``(R, P, 2)`` as (x, y), where 0 and 1 are the outer edges of the map.

    Returns:
        ``(R, C, P)``.
    """
    grid = (2 * points - 1).to(maps.dtype)
    return F.grid_sample(maps, grid[:, None], align_corners=False).squeeze(2)


def sample_masks(masks: Tensor, rows: Tensor, points: Tensor) -> Tensor:
    """Sample binary masks bilinearly without copying or converting them.

    Args:
        masks: bool ``(N, H, W)``.
        rows: int64 ``(R,)``, the mask that each row of points is for.
        points: float ``(R, P, 2)`` as (x, y), where 0 and 1 are the outer edges of the mask.

    Returns:
        ``(R, P)`` in [0, 1], in the dtype of ``points``.
    """
    height, width = masks.shape[-2:]
    x = points[..., 0] * width - 0.5
    y = points[..., 1] * height - 0.5
    left, top = x.floor(), y.floor()
    sampled = torch.zeros_like(x)
    flat = masks.flatten()
    offset = rows[:, None] * (height * width)
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left.long() + dx, top.long() + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            index = offset + row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
            sampled += torch.where(flat[index] & inside, weight, 0.0)
    return sampled


@torch.no_grad()
def uncertain_points(
    mask_logits: Tensor, num_points: int, oversample_ratio: float, importance_sample_ratio: float
) -> Tensor:
    """Draw points, most of them where the masks are closest to undecided.

    Args:
        mask_logits: ``(R, 1, H, W)``.
        num_points: P, points per mask.
        oversample_ratio: candidates drawn uniformly, in units of P.
        importance_sample_ratio: share of P that is taken from the most uncertain candidates; the
            rest is drawn uniformly.

    Returns:
        ``(R, P, 2)`` as (x, y) in [0, 1).
    """
    num_masks, device = len(mask_logits), mask_logits.device
    candidates = torch.rand(num_masks, int(num_points * oversample_ratio), 2, device=device)
    uncertainty = -sample_points(mask_logits, candidates).squeeze(1).abs()  # R candidates
    num_uncertain = int(importance_sample_ratio * num_points)
    chosen = uncertainty.topk(num_uncertain, dim=1).indices
    points = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
    rest = torch.rand(num_masks, num_points - num_uncertain, 2, device=device)
    return torch.cat((points, rest), dim=1)
