"""Set prediction loss with deep supervision (Mask2Former, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.utils import comm
from univs.modeling.decoder.predictions import DecoderOutput, QueryPredictions
from univs.modeling.losses.mask_losses import foreground_weights, mask_bce_loss, mask_dice_loss
from univs.modeling.losses.matcher import HungarianMatcher, Match
from univs.modeling.losses.point_sampling import sample_masks, sample_points, uncertain_points
from univs.modeling.losses.precision import at_least_float32
from univs.modeling.targets import ClipTargets


class SetCriterion(nn.Module):
    """Classification of all queries; mask and dice losses of matched ones, at sampled points."""

    def __init__(
        self,
        *,
        num_classes: int,
        matcher: HungarianMatcher,
        weights: dict[str, float],
        no_object_weight: float,
        num_points: int,
        oversample_ratio: float,
        importance_sample_ratio: float,
    ) -> None:
        """
        Args:
            num_classes: K, without "no object".
            matcher: pairs queries with targets, for every head anew.
            weights: weight of each kind of loss (``loss_ce``, ``loss_mask``, ``loss_dice``), the
                same for every head.
            no_object_weight: class weight of "no object".
            num_points, oversample_ratio, importance_sample_ratio: see
                :func:`~univs.modeling.losses.point_sampling.uncertain_points`.
        """
        super().__init__()
        self.num_classes = num_classes
        self.matcher = matcher
        self.weights = weights
        self.num_points = num_points
        self.oversample_ratio = oversample_ratio
        self.importance_sample_ratio = importance_sample_ratio
        self.register_buffer("empty_weight", foreground_weights(num_classes, no_object_weight))

    def forward(self, output: DecoderOutput, targets: list[ClipTargets]) -> dict[str, Tensor]:
        """Unweighted losses of every head.

        Args:
            output: predictions for B clips.
            targets: of each of the B clips.

        Returns:
            ``loss_ce``, ``loss_mask`` and ``loss_dice`` of the final head, and the same names with
            suffix ``_i`` of auxiliary head i.
        """
        return self.losses(output, targets, self.match(output, targets))

    def match(self, output: DecoderOutput, targets: list[ClipTargets]) -> list[list[Match]]:
        """Matches of every head, the final one first, and of every clip."""
        return self.matcher([output.final, *output.auxiliary], targets)

    def losses(
        self,
        output: DecoderOutput,
        targets: list[ClipTargets],
        matches: list[list[Match]],
        num_masks: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """As :meth:`forward`, for matches that are given as :meth:`match` returns them.

        Mask losses are divided by ``num_masks``; by default the average number of targets.
        """
        if num_masks is None:
            num_masks = average_number_of_masks(targets, output.final.class_logits.device)
        losses = {}
        heads = [output.final, *output.auxiliary]
        for index, (head, head_matches) in enumerate(zip(heads, matches, strict=True)):
            suffix = "" if index == 0 else f"_{index - 1}"
            head_losses = {
                "loss_ce": self.class_loss(head, targets, head_matches),
                **self.mask_losses(head, targets, head_matches, num_masks),
            }
            losses.update({name + suffix: loss for name, loss in head_losses.items()})
        return losses

    def weighted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Multiply losses by the weight of their kind, whatever their suffix."""
        return {
            name: loss * self.weights["_".join(name.split("_")[:2])]
            for name, loss in losses.items()
        }

    def class_loss(
        self, head: QueryPredictions, targets: list[ClipTargets], matches: list[Match]
    ) -> Tensor:
        """Weighted cross entropy over all queries; unmatched ones are "no object"."""
        logits = at_least_float32(head.class_logits)  # B Q K+1
        labels = torch.full(logits.shape[:2], self.num_classes, device=logits.device)
        for clip, (queries, objects) in enumerate(matches):
            labels[clip, queries.to(labels.device)] = targets[clip].labels[
                objects.to(labels.device)
            ]
        return F.cross_entropy(logits.transpose(1, 2), labels, self.empty_weight)

    def mask_losses(
        self,
        head: QueryPredictions,
        targets: list[ClipTargets],
        matches: list[Match],
        num_masks: Tensor,
    ) -> dict[str, Tensor]:
        """Mask and dice losses of matched pairs, each frame of a pair a mask of its own."""
        logits, masks = matched_masks(
            head.mask_logits, [target.masks for target in targets], matches
        )
        return mask_losses_at_points(
            logits,
            masks,
            num_masks,
            num_points=self.num_points,
            oversample_ratio=self.oversample_ratio,
            importance_sample_ratio=self.importance_sample_ratio,
        )


def matched_masks(
    mask_logits: Tensor, masks: list[Tensor], matches: list[Match]
) -> tuple[Tensor, Tensor]:
    """Gather the masks of matched pairs, each frame of a pair a mask of its own.

    Args:
        mask_logits: ``(B, Q, T, h, w)``.
        masks: of each of the B clips, bool ``(N, T, H, W)``.
        matches: of each of the B clips.

    Returns:
        logits ``(R, 1, h, w)`` in float32 and masks ``(R, H, W)`` of R = pairs * T.
    """
    device = mask_logits.device
    predicted = [
        clip[queries.to(device)] for clip, (queries, _) in zip(mask_logits, matches, strict=True)
    ]
    true = [clip[objects.to(device)] for clip, (_, objects) in zip(masks, matches, strict=True)]
    logits = torch.cat(predicted).flatten(0, 1)[:, None]
    return at_least_float32(logits), torch.cat(true).flatten(0, 1)


def mask_losses_at_points(
    mask_logits: Tensor,
    masks: Tensor,
    num_masks: Tensor | float,
    *,
    num_points: int,
    oversample_ratio: float,
    importance_sample_ratio: float,
    frames_per_mask: int = 1,
) -> dict[str, Tensor]:
    """``loss_mask`` and ``loss_dice`` of R pairs at points drawn for each pair.

    Args:
        mask_logits: ``(R, 1, h, w)``.
        masks: bool ``(R, H, W)``.
        num_masks: normaliser.
        num_points, oversample_ratio, importance_sample_ratio: see
            :func:`~univs.modeling.losses.point_sampling.uncertain_points`.
        frames_per_mask: adjacent pairs that are frames of one mask: their points are compared
            together.
    """
    points = uncertain_points(mask_logits, num_points, oversample_ratio, importance_sample_ratio)
    rows = torch.arange(len(masks), device=masks.device)
    point_targets = sample_masks(masks, rows, points)  # R P
    point_logits = sample_points(mask_logits, points).squeeze(1)  # R P
    together = frames_per_mask * num_points
    point_targets, point_logits = point_targets.view(-1, together), point_logits.view(-1, together)
    return {
        "loss_mask": mask_bce_loss(point_logits, point_targets, num_masks),
        "loss_dice": mask_dice_loss(point_logits, point_targets, num_masks),
    }


def average_number_of_masks(targets: Sequence[Sized], device: torch.device) -> Tensor:
    """Number of targets per process, averaged over all processes, at least 1."""
    count = torch.as_tensor(float(sum(len(target) for target in targets)), device=device)
    if comm.get_world_size() > 1:
        torch.distributed.all_reduce(count)
    return (count / comm.get_world_size()).clamp(min=1)
