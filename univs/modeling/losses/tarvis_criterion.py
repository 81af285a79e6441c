"""Losses of TarViS (Athar et al. 2023, section 3.4), summed over all prediction heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from univs.modeling.decoder.predictions import QueryPredictions
from univs.modeling.decoder.tarvis import TargetPredictions, merge_object_queries
from univs.modeling.losses.criterion import (
    average_number_of_masks,
    mask_losses_at_points,
    matched_masks,
)
from univs.modeling.losses.matcher import HungarianMatcher, Match
from univs.modeling.losses.semantic_points import SemanticPointLoss
from univs.modeling.targets import ClipTargets

Losses = dict[str, Tensor]


@dataclass
class CategoryTargets:
    """Truth of one clip of a data set with categories.

    Attributes:
        instances: things; labels are 1-based, because the class logits begin with background.
        class_map: int64 ``(T, H, W)``, :data:`~univs.modeling.losses.semantic_points.IGNORE_LABEL`
            where a pixel does not count. For panoptic data sets the 0-based class of each pixel;
            for the others see :func:`painted_class_map`.
    """

    instances: ClipTargets
    class_map: Tensor


class TarVisCriterion(nn.Module):
    """Losses of the queries for categories and of the queries for given objects."""

    def __init__(
        self,
        *,
        matcher: HungarianMatcher,
        instance_semantic_loss: SemanticPointLoss,
        panoptic_semantic_loss: SemanticPointLoss,
        weights: dict[str, float],
        background_weight: float,
        num_points: int,
        oversample_ratio: float,
        importance_sample_ratio: float,
    ) -> None:
        """
        Args:
            matcher: pairs instance queries with truth, for every head anew.
            instance_semantic_loss: of class queries, in data sets without stuff.
            panoptic_semantic_loss: of class queries, in panoptic data sets.
            weights: weight of each kind of loss, the same for every head: ``loss_ce``,
                ``loss_mask``, ``loss_dice``; the semantic losses are weighted already.
            background_weight: class weight of "background".
            num_points, oversample_ratio, importance_sample_ratio: of mask losses, see
                :func:`~univs.modeling.losses.point_sampling.uncertain_points`.
        """
        super().__init__()
        self.matcher = matcher
        self.instance_semantic_loss = instance_semantic_loss
        self.panoptic_semantic_loss = panoptic_semantic_loss
        self.weights = weights
        self.background_weight = background_weight
        self.sampling = {
            "num_points": num_points,
            "oversample_ratio": oversample_ratio,
            "importance_sample_ratio": importance_sample_ratio,
        }

    def weighted(self, losses: Losses) -> Losses:
        """Multiply losses by the weight of their kind, whatever their suffix."""
        return {
            name: loss * self.weights["_".join(name.split("_")[:2])]
            for name, loss in losses.items()
        }

    def category_losses(
        self, heads: list[TargetPredictions], targets: list[CategoryTargets], *, panoptic: bool
    ) -> Losses:
        """Unweighted losses of a pass for categories.

        Args:
            heads: predictions for B clips, of each head; the last one is the final one.
            targets: of each of the B clips.
            panoptic: classes are those of a panoptic data set, which cover every pixel; otherwise
                background is one more class.

        Returns:
            ``loss_ce``, ``loss_mask``, ``loss_dice`` and ``loss_semantic`` of the final head, and
            the same names with suffix ``_i`` of head i.
        """
        instances = [target.instances for target in targets]
        class_map = torch.cat([target.class_map for target in targets])  # B*T H W
        instance_heads = [_instance_predictions(head) for head in heads]
        matches = self.matcher(instance_heads, instances)
        losses: Losses = {}
        for index, (head, head_matches) in enumerate(zip(heads, matches, strict=True)):
            prediction = instance_heads[index]
            logits, masks = matched_masks(
                prediction.mask_logits, [target.masks for target in instances], head_matches
            )
            num_masks = average_number_of_masks(
                [queries for queries, _ in head_matches], logits.device
            )
            num_frames = prediction.mask_logits.shape[2]
            semantic_loss = self.instance_semantic_loss
            if panoptic:
                semantic_loss = self.panoptic_semantic_loss
            head_losses = {
                "loss_ce": self.class_loss(prediction, instances, head_matches),
                **mask_losses_at_points(logits, masks, num_masks * num_frames, **self.sampling),
                "loss_semantic": semantic_loss(
                    semantic_mask_logits(head, with_background=not panoptic), class_map
                ),
            }
            losses.update(_suffixed(head_losses, index, len(heads)))
        return losses

    def object_losses(
        self, heads: list[TargetPredictions], counts: list[int], masks: Tensor
    ) -> Losses:
        """Unweighted losses of a pass for given objects.

        Args:
            heads: predictions for B clips, of each head; the last one is the final one.
            counts: queries of each of the N objects, the same in all clips.
            masks: bool ``(B, N, T, H, W)``, truth.

        Returns:
            ``loss_mask`` and ``loss_dice`` of the final head, and the same names with suffix ``_i``
            of head i.
        """
        background = ~masks.any(1, keepdim=True)
        masks = torch.cat((background, masks), dim=1).flatten(0, 2)  # B*(1+N)*T H W
        losses: Losses = {}
        for index, head in enumerate(heads):
            logits = torch.cat(
                (
                    head.masks_of("background_vos").amax(1, keepdim=True),
                    merge_object_queries(head.masks_of("vos"), counts),
                ),
                dim=1,
            )  # B 1+N T h w
            logits = logits.flatten(0, 2)[:, None].float()
            head_losses = mask_losses_at_points(logits, masks, len(masks), **self.sampling)
            losses.update(_suffixed(head_losses, index, len(heads)))
        return losses

    def class_loss(
        self, prediction: QueryPredictions, targets: list[ClipTargets], matches: list[Match]
    ) -> Tensor:
        """Weighted cross entropy over all instance queries; unmatched ones are background."""
        logits = prediction.class_logits.float()  # B Q 1+K
        labels = torch.zeros(logits.shape[:2], dtype=torch.long, device=logits.device)
        for clip, (queries, objects) in enumerate(matches):
            labels[clip, queries.to(labels.device)] = targets[clip].labels[
                objects.to(labels.device)
            ]
        weights = logits.new_ones(logits.shape[-1])
        weights[0] = self.background_weight
        return F.cross_entropy(logits.transpose(1, 2), labels, weights)


def semantic_mask_logits(head: TargetPredictions, *, with_background: bool) -> Tensor:
    """Mask logits of the classes, ``(B, K, T, h, w)``, with background before them if wanted."""
    logits = head.masks_of("semantic")
    if not with_background:
        return logits
    return torch.cat((head.masks_of("background").amax(1, keepdim=True), logits), dim=1)


def painted_class_map(instances: ClipTargets) -> Tensor:
    """Class of each pixel where only instances are known.

    Args:
        instances: labels 1-based. Where instances overlap the one with fewer pixels in the clip
            wins.

    Returns:
        int64 ``(T, H, W)``, 0 outside of all instances.
    """
    class_map = torch.zeros(
        instances.masks.shape[1:], dtype=torch.long, device=instances.masks.device
    )
    largest_first = instances.masks.flatten(1).sum(1).argsort(descending=True, stable=True)
    for index in largest_first.tolist():
        class_map[instances.masks[index]] = instances.labels[index]
    return class_map


def _instance_predictions(head: TargetPredictions) -> QueryPredictions:
    return QueryPredictions(
        class_logits=head.class_logits,
        mask_logits=head.masks_of("instance"),
        queries=head.queries[:, head.slices["instance"]],
    )


def _suffixed(losses: Losses, head: int, num_heads: int) -> Losses:
    suffix = "" if head == num_heads - 1 else f"_{head}"
    return {name + suffix: loss for name, loss in losses.items()}
