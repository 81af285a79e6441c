"""Losses of UniVS: learnable queries by matching, prompt queries by what they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from univs.modeling.decoder.predictions import DecoderOutput, QueryPredictions
from univs.modeling.losses.class_losses import concept_loss
from univs.modeling.losses.criterion import (
    average_number_of_masks,
    mask_losses_at_points,
    matched_masks,
)
from univs.modeling.losses.matcher import Match
from univs.modeling.losses.point_sampling import (
    sample_label_maps,
    sample_points,
    uncertain_points,
)
from univs.modeling.losses.precision import at_least_float32
from univs.modeling.losses.query_identities import (
    matched_embeddings,
    prompt_embeddings,
    prompted_embeddings,
)
from univs.modeling.losses.reidentification import (
    IdentifiedEmbeddings,
    contrastive_loss,
    cosine_loss,
    cosine_similarity,
    same_target,
    scaled_similarity,
)
from univs.modeling.losses.univs_matcher import UnivsMatcher, prompt_matches
from univs.modeling.univs_targets import PromptTargets, UnivsTargets


class UnivsCriterion(nn.Module):
    """Class, mask, dice and re-identification losses of learnable and of prompt queries.

    Losses that both kinds of queries have are averaged over the two kinds, so that without prompts
    those of learnable queries count one half (as published).
    """

    def __init__(
        self,
        *,
        num_queries: int,
        matcher: UnivsMatcher,
        class_weight: float,
        mask_weight: float,
        dice_weight: float,
        reid_weight: float,
        num_points: int,
        oversample_ratio: float,
        importance_sample_ratio: float,
    ) -> None:
        """
        Args:
            num_queries: number of learnable queries, which come before prompt queries.
            matcher: pairs learnable queries with objects, for every head anew.
            class_weight, mask_weight, dice_weight: weights of losses.
            reid_weight: weight of every re-identification loss.
            num_points, oversample_ratio, importance_sample_ratio: see
                :func:`~univs.modeling.losses.point_sampling.uncertain_points`.
        """
        super().__init__()
        self.num_queries = num_queries
        self.matcher = matcher
        self.weights = {
            "ce": class_weight,
            "mask": mask_weight,
            "dice": dice_weight,
            "reid": reid_weight,
        }
        self.sampling = {
            "num_points": num_points,
            "oversample_ratio": oversample_ratio,
            "importance_sample_ratio": importance_sample_ratio,
        }

    def forward(
        self,
        output: DecoderOutput,
        targets: Sequence[UnivsTargets],
        prompts: Sequence[PromptTargets],
    ) -> dict[str, Tensor]:
        """Unweighted losses of every head.

        Args:
            output: predictions for B clips of T frames; ``queries`` are ``(B, Q, T, C)`` and
                ``class_logits`` are for all rows of the class table. Queries after the learnable
                ones are prompt queries; there are none in a batch without prompts.
            targets: of each of the B clips.
            prompts: of each of the B clips; where there are prompt queries, one entry for each.

        Returns:
            seven losses of the final head, and the same names with suffix ``_i`` of head i, counted
            from the predictions of undecoded queries.
        """
        return self.losses_and_embeddings(output, targets, prompts)[0]

    def losses_and_embeddings(
        self,
        output: DecoderOutput,
        targets: Sequence[UnivsTargets],
        prompts: Sequence[PromptTargets],
    ) -> tuple[dict[str, Tensor], list[IdentifiedEmbeddings]]:
        """As :meth:`forward`, and what the clips of a long video are compared by.

        Returns:
            the losses; and of each head, in the order of computation, the embeddings that show an
            object, of prompt and of learnable queries.
        """
        learnable, prompted = zip(
            *(split_queries(head, self.num_queries) for head in output.heads), strict=True
        )
        matches = self.matcher(list(learnable), list(targets))
        device, num_frames = output.final.mask_logits.device, output.final.mask_logits.shape[2]
        num_masks = average_number_of_masks(targets, device) * num_frames
        num_prompt_masks = average_number_of_masks(prompts, device) * num_frames
        losses, embeddings = {}, []
        for index, head_matches in enumerate(matches):
            head_losses, seen = self.learnable_losses(
                learnable[index], targets, head_matches, num_masks
            )
            theirs = {}
            if prompted[index].queries.shape[1]:
                theirs = self.prompt_losses(prompted[index], targets, prompts, num_prompt_masks)
                by_label = prompts[0].are_categories
                columns = prompted_embeddings(prompted[index].queries, prompts, by_label=by_label)
                rows = matched_embeddings(
                    learnable[index].queries, targets, head_matches, by_label=by_label
                )
                mutual = reidentification_losses(rows, columns)
                if by_label:
                    mutual["loss_reid_aux"] = torch.zeros_like(mutual["loss_reid_aux"])
                else:
                    seen = IdentifiedEmbeddings.cat([columns, seen])
            else:
                mutual = dict.fromkeys(
                    ("loss_reid", "loss_reid_aux"), torch.zeros((), device=device)
                )
            combined = {
                name: (loss + theirs.get(name, 0)) / 2 for name, loss in head_losses.items()
            }
            for name, loss in mutual.items():
                combined[name.replace("loss_reid", "loss_reid_l2p")] = loss
            suffix = "" if index == len(matches) - 1 else f"_{index}"
            losses.update({name + suffix: loss for name, loss in combined.items()})
            embeddings.append(seen)
        return losses, embeddings

    def weighted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Multiply losses by the weight of their kind, whatever the rest of their name."""
        return {name: loss * self.weights[name.split("_")[1]] for name, loss in losses.items()}

    def learnable_losses(
        self,
        head: QueryPredictions,
        targets: Sequence[UnivsTargets],
        matches: Sequence[Match],
        num_masks: Tensor,
    ) -> tuple[dict[str, Tensor], IdentifiedEmbeddings]:
        """Losses of the learnable queries of one head, and their embeddings that show an object."""
        logits, masks = matched_masks(head.mask_logits, [clip.masks for clip in targets], matches)
        embeddings = matched_embeddings(head.queries, targets, matches, by_label=False)
        losses = {
            "loss_ce": class_loss(head, targets, matches, [clip.labels for clip in targets]),
            **mask_losses_at_points(logits, masks, num_masks, **self.sampling),
            **reidentification_losses(embeddings, embeddings),
        }
        return losses, embeddings

    def prompt_losses(
        self,
        head: QueryPredictions,
        targets: Sequence[UnivsTargets],
        prompts: Sequence[PromptTargets],
        num_masks: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of the prompt queries of one head."""
        matches = prompt_matches(prompts)
        pairs = [(queries, queries) for queries, _ in matches]
        logits, masks = matched_masks(head.mask_logits, [clip.masks for clip in prompts], matches)
        embeddings = prompt_embeddings(head.queries, prompts)
        losses = {
            "loss_ce": class_loss(head, targets, pairs, [clip.labels for clip in prompts]),
            **mask_losses_at_points(logits, masks, num_masks, **self.sampling),
            **reidentification_losses(embeddings, embeddings),
        }
        if prompts[0].are_categories:
            losses["loss_mask"] = losses["loss_mask"] + self.semantic_loss(
                head.mask_logits, prompts
            )
        return losses

    def semantic_loss(self, mask_logits: Tensor, prompts: Sequence[PromptTargets]) -> Tensor:
        """Cross entropy over category prompts, at points that show one of the categories.

        Args:
            mask_logits: ``(B, P, T, h, w)``.
            prompts: of each of the B clips.
        """
        label_maps = torch.cat([clip.label_maps for clip in prompts])  # B*T H W
        logits = at_least_float32(mask_logits.transpose(1, 2).flatten(0, 1))  # B*T P h w
        points = uncertain_points(logits.amax(1, keepdim=True).detach(), **self.sampling)
        labels = sample_label_maps(label_maps, points)  # B*T points
        at_points = sample_points(logits, points)  # B*T P points
        total = F.cross_entropy(at_points, labels, ignore_index=-1, reduction="sum")
        return total / (labels >= 0).sum().clamp(min=1)


def split_queries(
    head: QueryPredictions, num_learnable: int
) -> tuple[QueryPredictions, QueryPredictions]:
    """The predictions of the first ``num_learnable`` queries, and those of the others."""
    parts = (slice(None, num_learnable), slice(num_learnable, None))
    return tuple(
        replace(
            head,
            class_logits=head.class_logits[:, part],
            mask_logits=head.mask_logits[:, part],
            queries=head.queries[:, part],
            attention_mask=None,
        )
        for part in parts
    )


def class_loss(
    head: QueryPredictions,
    targets: Sequence[UnivsTargets],
    matches: Sequence[Match],
    labels: Sequence[Tensor],
) -> Tensor:
    """Class loss of a batch: every clip weighs as much as it has matched queries.

    Args:
        head: predictions for B clips.
        targets: of each of the B clips.
        matches: queries, and what they are matched with, of each clip.
        labels: of each clip, the class of everything that queries can be matched with.

    Returns:
        scalar; 0 without a gradient if no matched query has a class.
    """
    device = head.class_logits.device
    losses, counts = [], []
    for logits, target, (queries, things), known in zip(
        head.class_logits, targets, matches, labels, strict=True
    ):
        if target.class_rows is not None and len(queries):
            own = known[things.to(known.device)]
            losses.append(concept_loss(logits[:, target.class_rows], queries.to(device), own))
            counts.append(len(queries))
    if not losses:
        return torch.zeros((), device=device)
    shares = losses[0].new_tensor(counts) / sum(counts)
    return (torch.stack(losses) * shares).sum()


def reidentification_losses(
    rows: IdentifiedEmbeddings, columns: IdentifiedEmbeddings
) -> dict[str, Tensor]:
    """``loss_reid`` and ``loss_reid_aux`` of ``rows`` compared with ``columns``."""
    same = same_target(rows, columns)
    similarity = scaled_similarity(rows.embeddings, columns.embeddings)
    cosine = cosine_similarity(rows.embeddings, columns.embeddings)
    return {
        "loss_reid": contrastive_loss(similarity, same),
        "loss_reid_aux": cosine_loss(cosine, same),
    }
