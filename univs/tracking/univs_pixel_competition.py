"""Overlapping masks compete for pixels (UniVS, section 3.5).

Letters: N masks of clips of T frames of h x w pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def win_pixels(mask_logits: Tensor, scores: Tensor) -> Tensor:
    """The pixels that each mask wins: the best score has them, and no one those of background.

    Args:
        mask_logits: ``(N, *)``; where all are negative or 0 there is background.
        scores: ``(N, *)``, probabilities weighted by how much each mask is trusted.

    Returns:
        bool ``(N, *)``, disjoint.
    """
    if not len(mask_logits):
        return mask_logits > 0
    owner = scores.argmax(0).masked_fill((mask_logits <= 0).all(0), -1)
    rows = torch.arange(len(mask_logits), device=owner.device)
    return owner == rows.view(-1, *[1] * owner.dim())


def won_share(won: Tensor, mask_logits: Tensor) -> Tensor:
    """The area that each mask won relative to its own area: ``(N, *)`` twice -> ``(N,)``."""
    own = (mask_logits > 0).flatten(1).sum(1)
    return won.flatten(1).sum(1) / own.clamp(min=1)


def pairwise_iou(masks: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of mask k with mask k: bool ``(N, *)`` twice -> ``(N,)``."""
    intersection = (masks & others).flatten(1).sum(1)
    return intersection / (masks | others).flatten(1).sum(1).clamp(min=1)
