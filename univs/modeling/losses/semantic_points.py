"""Semantic segmentation loss at points where the two best classes are closest (PointRend)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from univs.modeling.losses.point_sampling import (
    points_by_uncertainty,
    sample_label_maps,
    sample_points,
)

IGNORE_LABEL = -100
_IGNORED_UNCERTAINTY = -1000.0
_NULL_LOGIT = -1000.0
_REGULARIZATION = 1e-3


class SemanticPointLoss(nn.Module):
    """Cross entropy over classes at sampled points of every frame, weighted."""

    def __init__(
        self,
        *,
        weight: float,
        num_points: int,
        oversample_ratio: float,
        importance_sample_ratio: float,
        ignore_null_classes: bool,
        regularize: bool,
        interpolate_labels: bool = False,
    ) -> None:
        """
        Args:
            weight: of the cross entropy.
            num_points, oversample_ratio, importance_sample_ratio: see
                :func:`~univs.modeling.losses.point_sampling.points_by_uncertainty`.
            ignore_null_classes: leave out classes that neither the truth nor the prediction of any
                point of the batch holds.
            regularize: add a thousandth of the mean norm of the logits.
            interpolate_labels: sample class numbers bilinearly and round down, which makes other
                classes of pixels at borders. It is a fault of the original, whose published weights
                were trained with it.
        """
        super().__init__()
        self.weight = weight
        self.num_points = num_points
        self.oversample_ratio = oversample_ratio
        self.importance_sample_ratio = importance_sample_ratio
        self.ignore_null_classes = ignore_null_classes
        self.regularize = regularize
        self.interpolate_labels = interpolate_labels

    def forward(self, mask_logits: Tensor, class_map: Tensor) -> Tensor:
        """
        Args:
            mask_logits: ``(B, K, T, h, w)``.
            class_map: int64 ``(B * T, H, W)``, channels of ``mask_logits`` or :data:`IGNORE_LABEL`.

        Returns:
            scalar; 0 if no sampled point counts.
        """
        logits = mask_logits.transpose(1, 2).flatten(0, 1).float()  # B*T K h w
        points = self.points(logits.detach(), class_map)
        labels = self.labels(class_map, points)  # B*T P
        logits = sample_points(logits, points)  # B*T K P
        if self.ignore_null_classes:
            logits = logits.masked_fill(null_classes(logits, labels)[:, None], _NULL_LOGIT)
        entropy = F.cross_entropy(logits, labels, ignore_index=IGNORE_LABEL, reduction="sum")
        loss = self.weight * entropy / (labels != IGNORE_LABEL).sum().clamp(min=1)
        if self.regularize:
            loss = loss + _REGULARIZATION * logits.norm(dim=1).mean()
        return loss

    @torch.no_grad()
    def points(self, logits: Tensor, class_map: Tensor) -> Tensor:
        """Draw points ``(B * T, P, 2)``, most of them where the classes are closest."""
        ignored = (class_map == IGNORE_LABEL).float()[:, None]
        # Ignored areas, and what touches them, are told at the resolution of the logits.
        ignored = (F.interpolate(ignored, size=logits.shape[-2:], mode="area") > 0.5).float()

        def uncertainty(candidates: Tensor) -> Tensor:
            best, second = sample_points(logits, candidates).topk(2, dim=1).values.unbind(1)
            is_ignored = sample_points(ignored, candidates).squeeze(1) > 0
            return (second - best).masked_fill(is_ignored, _IGNORED_UNCERTAINTY)

        return points_by_uncertainty(
            uncertainty,
            len(logits),
            self.num_points,
            self.oversample_ratio,
            self.importance_sample_ratio,
            device=logits.device,
        )

    @torch.no_grad()
    def labels(self, class_map: Tensor, points: Tensor) -> Tensor:
        """Label of each point, ``(B * T, P)``."""
        if self.interpolate_labels:
            return sample_points(class_map.float()[:, None], points).squeeze(1).long()
        return sample_label_maps(class_map, points)


def null_classes(logits: Tensor, labels: Tensor) -> Tensor:
    """Which classes no point of the batch has as its label or as its best class.

    Args:
        logits: ``(R, K, P)``.
        labels: ``(R, P)``, channels of ``logits`` or :data:`IGNORE_LABEL`.

    Returns:
        bool ``(K,)``.
    """
    is_null = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
    is_null[logits.argmax(1).flatten()] = False
    is_null[labels[labels != IGNORE_LABEL]] = False
    return is_null
