"""Classification without a "no object" class: scores of single classes, and their ranking."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.losses.precision import at_least_float32


def sigmoid_focal_loss(
    logits: Tensor, targets: Tensor, *, alpha: float = 0.5, gamma: float = 2.0
) -> Tensor:
    """Focal loss (Lin et al. 2017) of every element.

    Args:
        logits: of any shape ``(*)``.
        targets: bool ``(*)``.
        alpha: weight of positive elements; negative ones weigh ``1 - alpha``.
        gamma: how strongly easy elements are discounted.

    Returns:
        ``(*)``.
    """
    loss = F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
    probability = logits.sigmoid()
    wrong = torch.where(targets, 1 - probability, probability)
    return torch.where(targets, alpha, 1 - alpha) * wrong**gamma * loss


def concept_loss(logits: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
    """Class loss of one clip: focal over all queries, softmax cross entropy of labelled ones.

    Args:
        logits: ``(Q, K)`` of the K classes of the data set.
        queries: int64 ``(M,)``, the queries that have a class; all others are negative for all
            classes.
        labels: int64 ``(M,)``, their classes.

    Returns:
        scalar.
    """
    logits = at_least_float32(logits)
    is_class = torch.zeros_like(logits, dtype=torch.bool)
    is_class[queries, labels] = True
    loss = sigmoid_focal_loss(logits, is_class).sum() / max(1, len(queries))
    if len(queries):
        loss = loss + F.cross_entropy(logits[queries], labels)
    return loss
