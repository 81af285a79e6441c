"""Sampling of masks at points, and the choice of points where a mask is uncertain (PointRend)."""

from __future__ import annotations

from collections.abc import Callable

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
    grid = 2 * points.to(maps.dtype) - 1
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
    columns, column_weights = _neighbours(points[..., 0], width)
    lines, line_weights = _neighbours(points[..., 1], height)
    starts = rows[:, None] * (height * width)
    lines = [line * width + starts for line in lines]
    flat = masks.flatten()
    sampled = torch.zeros_like(points[..., 0])
    for line, line_weight in zip(lines, line_weights, strict=True):
        for column, column_weight in zip(columns, column_weights, strict=True):
            sampled += flat[line + column] * (line_weight * column_weight)
    return sampled


def _neighbours(coordinates: Tensor, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """The two pixels of a line on either side of each point, and their bilinear weights.

    Args:
        coordinates: 0 and 1 are the outer edges of the line.
        size: pixels of the line.

    Returns:
        int64 indices of both pixels, inside of the line, and weights, 0 for pixels outside of it.
    """
    positions = coordinates * size - 0.5
    first = positions.floor()
    indices, weights = [], []
    for pixels in (first, first + 1):
        inside = (pixels >= 0) & (pixels < size)
        weights.append((1 - (positions - pixels).abs()) * inside)
        indices.append(pixels.long().clamp_(0, size - 1))
    return indices, weights


def sample_label_maps(labels: Tensor, points: Tensor) -> Tensor:
    """Sample maps of integers at the nearest pixels.

    Args:
        labels: int64 ``(R, H, W)``.
        points: ``(R, P, 2)`` as (x, y) in [0, 1), where 0 and 1 are the outer edges of the map.

    Returns:
        int64 ``(R, P)``.
    """
    height, width = labels.shape[-2:]
    columns = (points[..., 0] * width - 0.5).round().long().clamp(0, width - 1)
    rows = (points[..., 1] * height - 0.5).round().long().clamp(0, height - 1)
    return labels.flatten(1).gather(1, rows * width + columns)


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

    def uncertainty(candidates: Tensor) -> Tensor:
        return -sample_points(mask_logits, candidates).squeeze(1).abs()

    return points_by_uncertainty(
        uncertainty,
        len(mask_logits),
        num_points,
        oversample_ratio,
        importance_sample_ratio,
        device=mask_logits.device,
    )


@torch.no_grad()
def points_by_uncertainty(
    uncertainty: Callable[[Tensor], Tensor],
    num_maps: int,
    num_points: int,
    oversample_ratio: float,
    importance_sample_ratio: float,
    *,
    device: torch.device,
) -> Tensor:
    """Draw points in R maps, most of them where the uncertainty is greatest.

    Args:
        uncertainty: tells it for points ``(R, X, 2)`` as ``(R, X)``.
        num_maps: R.
        num_points, oversample_ratio, importance_sample_ratio: see :func:`uncertain_points`.
        device: where the points are drawn.

    Returns:
        ``(R, P, 2)`` as (x, y) in [0, 1).
    """
    candidates = torch.rand(num_maps, int(num_points * oversample_ratio), 2, device=device)
    num_uncertain = int(importance_sample_ratio * num_points)
    chosen = uncertainty(candidates).topk(num_uncertain, dim=1).indices
    points = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
    rest = torch.rand(num_maps, num_points - num_uncertain, 2, device=device)
    return torch.cat((points, rest.to(points)), dim=1)
