"""Losses and matching costs between mask logits and masks, both given at sampled points."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mask_bce_loss(logits: Tensor, targets: Tensor, num_masks: Tensor | float) -> Tensor:
    """Binary cross entropy, averaged over points, summed over masks, divided by ``num_masks``.

    Args:
        logits: ``(R, P)``.
        targets: ``(R, P)`` in [0, 1].
        num_masks: normaliser.
    """
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return loss.mean(1).sum() / num_masks


def mask_dice_loss(logits: Tensor, targets: Tensor, num_masks: Tensor | float) -> Tensor:
    """Dice loss with a smoothing of one, summed over masks, divided by ``num_masks``.

    Args:
        logits: ``(R, P)``.
        targets: ``(R, P)`` in [0, 1].
        num_masks: normaliser.
    """
    probabilities = logits.sigmoid()
    overlap = 2 * (probabilities * targets).sum(-1) + 1
    total = probabilities.sum(-1) + targets.sum(-1) + 1
    return (1 - overlap / total).sum() / num_masks


def pairwise_bce_cost(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy of every prediction with every target, averaged over points.

    Args:
        logits: ``(Q, P)``.
        targets: ``(N, P)`` in [0, 1].

    Returns:
        ``(Q, N)``.
    """
    # softplus(-x) t + softplus(x) (1 - t) = softplus(x) - x t
    return (F.softplus(logits).sum(-1, keepdim=True) - logits @ targets.T) / logits.shape[-1]


def pairwise_dice_cost(logits: Tensor, targets: Tensor) -> Tensor:
    """Dice loss of every prediction with every target: ``(Q, P)``, ``(N, P)`` -> ``(Q, N)``."""
    probabilities = logits.sigmoid()
    overlap = 2 * probabilities @ targets.T
    total = probabilities.sum(-1, keepdim=True) + targets.sum(-1)
    return 1 - (overlap + 1) / (total + 1)


def class_cost(logits: Tensor, labels: Tensor) -> Tensor:
    """Minus the probability of every target's class: ``(Q, K + 1)``, ``(N,)`` -> ``(Q, N)``."""
    return -logits.softmax(-1)[:, labels]


def foreground_weights(num_classes: int, no_object_weight: float) -> Tensor:
    """Class weights of the cross entropy: 1 for each class, less for the last, "no object"."""
    weights = torch.ones(num_classes + 1)
    weights[-1] = no_object_weight
    return weights
