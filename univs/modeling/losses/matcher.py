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
        points = [
            [self._random_points(head.mask_logits) for _ in targets] for head in heads
        ]  # drawn head by head
        by_clip = [
            self.costs_of_clip(
                heads, clip, target, torch.cat([of_head[clip] for of_head in points])
            )
            for clip, target in enumerate(targets)
        ]
        costs = [self._weighted(clip[head]) for head in range(len(heads)) for clip in by_clip]
        on_cpu = torch.cat([cost.flatten() for cost in costs]).cpu().numpy()
        on_cpu = np.nan_to_num(on_cpu, nan=_WORST_COST, posinf=_WORST_COST, neginf=-_WORST_COST)
        ends = np.cumsum([cost.numel() for cost in costs])[:-1]
        finite = [
            flat.reshape(cost.shape)
            for flat, cost in zip(np.split(on_cpu, ends), costs, strict=True)
        ]
        return [finite[i : i + len(targets)] for i in range(0, len(finite), len(targets))]

    def _random_points(self, mask_logits: Tensor) -> Tensor:
        points = torch.rand(1, self.num_points, 2, device=mask_logits.device)
        return points.to(at_least_float32(mask_logits).dtype)

    def costs_of_clip(
        self,
        heads: list[QueryPredictions],
        clip: int,
        target: ClipTargets,
        points: Tensor,
    ) -> list[MatchingCosts]:
        """Unweighted costs of one clip of the batch, of each of the L heads.

        Args:
            heads: predictions of all clips.
            clip: which one.
            target: of this clip.
            points: ``(L, P, 2)``: all masks of a head are compared at the same points, in all
                frames.
        """
        num_frames = target.masks.shape[1]
        num_masks = len(target) * num_frames
        rows = torch.arange(num_masks, device=points.device).repeat(len(heads))
        sampled = sample_masks(
            target.masks.flatten(0, 1), rows, points.repeat_interleave(num_masks, dim=0)
        ).view(len(heads), len(target), num_frames * self.num_points)  # L N T*P
        return [
            self._costs(head, clip, target, *of_head)
            for head, *of_head in zip(heads, points, sampled, strict=True)
        ]

    def _costs(
        self,
        head: QueryPredictions,
        clip: int,
        target: ClipTargets,
        points: Tensor,
        sampled: Tensor,
    ) -> MatchingCosts:
        """Unweighted costs between the queries and the targets of one clip of the batch.

        Args:
            head: predictions of all clips.
            clip: which one.
            target: of this clip.
            points: ``(P, 2)``, where masks are compared in every frame.
            sampled: ``(N, T * P)``, the masks of the targets there.
        """
        with torch.autocast(device_type=head.class_logits.device.type, enabled=False):
            mask_logits = at_least_float32(head.mask_logits[clip])  # Q T h w
            logits = sample_points(mask_logits.flatten(0, 1)[None], points[None])[0]  # Q*T P
            logits = logits.view(len(mask_logits), -1)  # Q T*P
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
