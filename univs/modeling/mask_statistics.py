"""Quality, boxes and overlaps of predicted masks, as UniVS measures them.

Letters: N masks of clips of T frames of h x w pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_UNION = 1e-3  # of boxes relative to the frame, as published


def quality_counts(mask_logits: Tensor) -> Tensor:
    """Pixels of ``(N, *)`` that are certain, and that are likely: int64 ``(2, N)``."""
    flat = mask_logits.flatten(1)
    return torch.stack(((flat > 1).sum(1), (flat > -1).sum(1)))


def quality_of(counts: Tensor) -> Tensor:
    """Quality in [0, 1] from the counts ``(2, N)``, which may be sums over frames: ``(N,)``."""
    return counts[0] / counts[1].clamp(min=1)


def mask_quality(mask_logits: Tensor) -> Tensor:
    """How certain masks are: of likely pixels the share that is certain, ``(N, *)`` -> ``(N,)``.

    A pixel is likely if its probability is above 0.27, and certain if above 0.73.
    """
    return quality_of(quality_counts(mask_logits))


def boxes_of_masks(masks: Tensor) -> Tensor:
    """Boxes around masks, relative to the frame: bool ``(N, T, h, w)`` -> ``(N, T, 4)``, xyxy.

    They span from the first to the last pixel, without the width of a pixel (as published); an
    empty mask has the box 0.
    """
    height, width = masks.shape[-2:]
    x_first, x_last = _extent(masks.any(-2))
    y_first, y_last = _extent(masks.any(-1))
    scale = torch.tensor([width, height, width, height], device=masks.device)
    return torch.stack((x_first, y_first, x_last, y_last), dim=-1) / scale


def without_duplicates(
    boxes: Tensor, threshold: float, *, categories: Tensor | None = None
) -> Tensor:
    """Which objects are no duplicates of better ones: bool ``(N,)``.

    Args:
        boxes: ``(N, T, 4)``, relative to the frame, best first.
        threshold: an object is a duplicate if its box overlaps that of any better one, itself a
            duplicate or not, in any frame with at least this intersection over union.
        categories: ``(N,)``; only objects of one category can be duplicates. Default: all can.
    """
    top_left = torch.maximum(boxes[:, None, :, :2], boxes[None, :, :, :2])
    bottom_right = torch.minimum(boxes[:, None, :, 2:], boxes[None, :, :, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(-1)  # N N T
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)  # N T
    union = (areas[:, None] + areas[None] - intersection).clamp(min=_LEAST_UNION)
    is_duplicate = (intersection / union).amax(-1).triu(1) >= threshold  # N N
    if categories is not None:
        is_duplicate &= categories[:, None] == categories
    return ~is_duplicate.any(0)


def _extent(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last true index of ``(*, L)``, 0 if there is none: ``(*)`` each."""
    first = occupied.int().argmax(-1)
    last = occupied.shape[-1] - 1 - occupied.flip(-1).int().argmax(-1)
    return first, last * occupied.any(-1)
