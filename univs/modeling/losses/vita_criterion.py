"""Losses of VITA on the predictions of its video queries (VITA, section 3.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.decoder.predictions import DecoderOutput, QueryPredictions
from univs.modeling.losses.criterion import SetCriterion, mask_losses_at_points, matched_masks
from univs.modeling.losses.matcher import Match
from univs.modeling.targets import ClipTargets


class VitaCriterion(SetCriterion):
    """Class, mask and dice losses of whole clips, and a similarity loss.

    It differs from the criterion of images in that the frames of an object are one mask, and in the
    similarity loss. Predictions hold G = L * B groups, one for each of L frame decoder layers and B
    clips, layer by layer; all layers have the same targets.
    """

    #: Names of losses are ``loss_SYSTEM_KIND``.
    system = "vita"

    def forward(
        self,
        output: DecoderOutput,
        targets: list[ClipTargets],
        frame_identities: Tensor | None = None,
        frame_matches: list[list[Match]] | None = None,
    ) -> dict[str, Tensor]:
        """Unweighted losses.

        Args:
            output: predictions for G groups; the ``queries`` of the final head are similarity
                embeddings.
            targets: of each of the B clips.
            frame_identities: ``(G, T, fQ, C)`` similarity embeddings of the frame queries; without
                them there is no similarity loss.
            frame_matches: of each of the L frame decoder layers, the matches of the frame queries
                with ``targets[b].frame(t)`` for all t of the first clip, all t of the second, ...

        Returns:
            ``loss_vita_ce``, ``loss_vita_mask`` and ``loss_vita_dice`` of the final head,
            ``loss_vita_sim``, and the first three with suffix ``_i`` of auxiliary head i.
        """
        targets = self.repeated(targets, output)
        matches = self.match(output, targets)
        losses = self.losses(output, targets, matches)
        if frame_identities is not None:
            losses["loss_sim"] = self.similarity_loss(
                output.final.queries, frame_identities, targets, matches[0], frame_matches
            )
        return self.named(losses)

    @staticmethod
    def repeated(targets: list[ClipTargets], output: DecoderOutput) -> list[ClipTargets]:
        """The targets of all G groups."""
        return targets * (len(output.final.class_logits) // len(targets))

    def named(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Put the name of the system into the names of losses."""
        return {
            name.replace("loss_", f"loss_{self.system}_"): loss for name, loss in losses.items()
        }

    def weighted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Multiply losses by the weight of their kind, whatever their suffix."""
        return {
            name: loss * self.weights[f"loss_{name.split('_')[2]}"] for name, loss in losses.items()
        }

    def mask_losses(
        self,
        head: QueryPredictions,
        targets: list[ClipTargets],
        matches: list[Match],
        num_masks: Tensor,
    ) -> dict[str, Tensor]:
        """Mask and dice losses of matched pairs, all frames of a pair one mask.

        Each frame has points of its own; a frame in which the object is absent has an empty mask.
        """
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
            frames_per_mask=head.mask_logits.shape[2],
        )

    @staticmethod
    def similarity_loss(
        video_identities: Tensor | None,
        frame_identities: Tensor,
        targets: list[ClipTargets],
        matches: list[Match],
        frame_matches: list[list[Match]],
    ) -> Tensor:
        """Frame queries and video queries of one object should be similar, of two dissimilar.

        Args:
            video_identities: ``(G, Q, C)``; None to compare frame queries only.
            frame_identities: ``(G, T, fQ, C)``.
            targets: of each group.
            matches: of the video queries of each group.
            frame_matches: see :meth:`forward`.
        """
        device, num_frames = frame_identities.device, frame_identities.shape[1]
        in_frames = [match for layer in frame_matches for match in layer]  # G*T
        embeddings, ids, groups = [], [], []
        for group, target in enumerate(targets):
            found = []  # embeddings and ids
            for frame in range(num_frames):
                queries, objects = in_frames[group * num_frames + frame]
                visible = target.ids[:, frame]
                visible = visible[visible >= 0]
                found.append(
                    (
                        frame_identities[group, frame, queries.to(device)],
                        visible[objects.to(device)],
                    )
                )
            if video_identities is not None:
                queries, objects = matches[group]
                object_ids = target.ids[objects.to(device)].amax(1)
                found.append((video_identities[group, queries.to(device)], object_ids))
            embeddings += [embedding for embedding, _ in found]
            ids += [number for _, number in found]
            groups += [torch.full_like(number, group) for _, number in found]
        return pairwise_similarity_loss(
            torch.cat(embeddings), torch.cat(ids), torch.cat(groups).to(device)
        )


def pairwise_similarity_loss(embeddings: Tensor, ids: Tensor, groups: Tensor) -> Tensor:
    """Binary cross entropy of the dot products of all pairs of a group; 0 without any pair.

    Args:
        embeddings: ``(R, C)``.
        ids: int64 ``(R,)``, which object each shows; rows with a negative id are left out.
        groups: int64 ``(R,)``; only rows of the same group are compared.
    """
    known = ids >= 0
    embeddings, ids, groups = embeddings[known].float(), ids[known], groups[known]
    same_group = groups[:, None] == groups
    same_object = (ids[:, None] == ids).float()
    with torch.autocast(device_type=embeddings.device.type, enabled=False):
        similarity = embeddings @ embeddings.T
    loss = F.binary_cross_entropy_with_logits(similarity, same_object, reduction="none")
    return (loss * same_group).sum() / (same_group.sum() + 1e-6)
