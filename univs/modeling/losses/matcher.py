"""Bipartite matching of queries and targets (DETR; Mask2Former, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from univs.modeling.decoder.predictions import QueryPredictions
from univs.modeling.losses.mask_losses import class_cost, pairwise_bce_cost, pairwise_dice_cost
from univs.modeling.losses.point_sampling import sample_masks, sample_points
from univs.modeling.losses.precision import at_least_float32
from univs.modeling.targets import ClipTargets

# Cost in place of NaN or infinity, so that matching goes on and the loss itself reports the fault.
_WORST_COST = 1e9

Match = tuple[Tensor, Tensor]  # query indices ascending, target indices; int64, on the CPU


@dataclass
class MatchingCosts:
    """Unweighted costs of one clip, each ``(Q, N)``."""

    classes: Tensor
    masks: Tensor
    dice: Tensor


class HungarianMatcher:
    """One-to-one matching that minimises class, mask and dice costs."""

    def __init__(
        self, *, class_weight: float, mask_weight: float, dice_weight: float, num_points: int
    ) -> None:
        """
        Args:
            class_weight, mask_weight, dice_weight: weights of the costs.
            num_points: points per frame at which masks are compared.
        """
        if class_weight == mask_weight == dice_weight == 0:
            raise ValueError("all matching weights are 0: set MODEL.MASK_FORMER.*_WEIGHT")
        self.class_weight, self.mask_weight = class_weight, mask_weight
        self.dice_weight, self.num_points = dice_weight, num_points

    @torch.no_grad()
    def __call__(
        self, heads: list[QueryPredictions], targets: list[ClipTargets]
    ) -> list[list[Match]]:
        """Match every prediction head with the targets of every clip.

        With more targets than queries only as many targets as queries are matched.

        Args:
            heads: predictions of B clips, of each head.
            targets: of each of the B clips.

        Returns:
            matches, indexed by head, then by clip.
        """
        return [
            [
                tuple(torch.from_numpy(side) for side in linear_sum_assignment(cost))
                for cost in of_clips
            ]
            for of_clips in self.weighted_costs(heads, targets)
        ]

    def weighted_costs(
        self, heads: list[QueryPredictions], targets: list[ClipTargets]
    ) -> list[list[np.ndarray]]:
        """Cost ``(Q, N)`` of every pair, finite, indexed by head, then by clip."""
        # All costs are computed first, so that a GPU is waited for once.
        costs = [
            self._weighted(self.costs(head, clip, target))
            for head in heads
            for clip, target in enumerate(targets)
        ]
        on_cpu = torch.cat([cost.flatten() for cost in costs]).cpu().numpy()
        on_cpu = np.nan_to_num(on_cpu, nan=_WORST_COST, posinf=_WORST_COST, neginf=-_WORST_COST)
        ends = np.cumsum([cost.numel() for cost in costs])[:-1]
        finite = [
            flat.reshape(cost.shape)
            for flat, cost in zip(np.split(on_cpu, ends), costs, strict=True)
        ]
        return [finite[i : i + len(targets)] for i in range(0, len(finite), len(targets))]

    def costs(self, head: QueryPredictions, clip: int, target: ClipTargets) -> MatchingCosts:
        """Unweighted costs between the queries and the targets of one clip of the batch.

        All masks of a clip are compared at the same points, in all its frames.
        """
        with torch.autocast(device_type=head.class_logits.device.type, enabled=False):
            mask_logits = at_least_float32(head.mask_logits[clip])  # Q T h w
            num_queries, num_frames = mask_logits.shape[:2]
            points = torch.rand(1, self.num_points, 2, device=mask_logits.device).to(mask_logits)
            logits = sample_points(mask_logits.flatten(0, 1)[None], points)[0]  # Q*T P
            rows = torch.arange(len(target) * num_frames, device=points.device)
            sampled = sample_masks(
                target.masks.flatten(0, 1), rows, points.expand(len(rows), -1, -1)
            )  # N*T P
            logits = logits.view(num_queries, -1)  # Q T*P
            sampled = sampled.view(len(target), num_frames * self.num_points)  # N T*P
            return MatchingCosts(
                classes=self.class_costs(at_least_float32(head.class_logits[clip]), target),
                masks=pairwise_bce_cost(logits, sampled),
                dice=pairwise_dice_cost(logits, sampled),
            )

    def class_costs(self, class_logits: Tensor, target: ClipTargets) -> Tensor:
        """Cost of giving each query the class of each target: ``(Q, K + 1)`` -> ``(Q, N)``."""
        return class_cost(class_logits, target.labels)

    def _weighted(self, costs: MatchingCosts) -> Tensor:
        return (
            self.class_weight * costs.classes
            + self.mask_weight * costs.masks
            + self.dice_weight * costs.dice
        )
