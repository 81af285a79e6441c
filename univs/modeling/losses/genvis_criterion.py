"""Losses of GenVIS: VITA's, with one assignment of objects to queries for all clips of a video.

Source: GenVIS, section 3.3, "unified video label assignment". An object keeps the query that it was
given in the clip in which it appeared.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from univs.modeling.decoder.predictions import DecoderOutput, QueryPredictions
from univs.modeling.losses.criterion import average_number_of_masks
from univs.modeling.losses.matcher import HungarianMatcher, Match
from univs.modeling.losses.vita_criterion import VitaCriterion
from univs.modeling.targets import ClipTargets

# Which query each object has, as of the clips so far: indexed by head (the final one first), then
# by group, int64 (N,) on the CPU; -1 for objects that have not appeared yet, or found no query.
UnifiedAssignment = list[list[Tensor]]


class UnifiedMatcher:
    """Gives new objects queries, and lets all others keep theirs."""

    def __init__(self, matcher: HungarianMatcher, *, reuse_hidden_queries: bool) -> None:
        """
        Args:
            matcher: tells the cost of every pair.
            reuse_hidden_queries: a new object may get the query of an object that is hidden in the
                clip, so that both share it from then on (as published); otherwise a query belongs
                to at most one object of a video.
        """
        self.matcher = matcher
        self.reuse_hidden_queries = reuse_hidden_queries

    @torch.no_grad()
    def __call__(
        self,
        heads: list[QueryPredictions],
        targets: list[ClipTargets],
        previous: UnifiedAssignment | None,
    ) -> tuple[UnifiedAssignment, list[Tensor]]:
        """Extend the assignment by one clip.

        Args:
            heads: predictions of G groups, of each head.
            targets: of each group: all objects of the video, in the same order for every clip.
            previous: the assignment as of the clips before, None for the first clip.

        Returns:
            the assignment, and of each group the objects that are visible in this clip, bool
            ``(N,)`` on the CPU.
        """
        visible = [target.masks.flatten(1).any(1).cpu() for target in targets]
        if previous is None:
            unknown = [torch.full((len(target),), -1) for target in targets]
            previous = [unknown] * len(heads)
        costs = self.matcher.weighted_costs(heads, targets)
        assignment = [
            [self._assign(*of_group) for of_group in zip(of_head, queries, visible, strict=True)]
            for of_head, queries in zip(costs, previous, strict=True)
        ]
        return assignment, visible

    def _assign(self, costs: np.ndarray, queries: Tensor, visible: Tensor) -> Tensor:
        """Queries ``(N,)`` after a clip with costs ``(Q, N)``, given those before it."""
        has_query = queries >= 0
        new = (visible & ~has_query).nonzero().flatten().numpy()
        is_protected = has_query & visible if self.reuse_hidden_queries else has_query
        free = np.setdiff1d(np.arange(len(costs)), queries[is_protected].numpy())
        rows, columns = linear_sum_assignment(costs[np.ix_(free, new)])
        queries = queries.clone()
        queries[torch.from_numpy(new[columns])] = torch.from_numpy(free[rows])
        return queries


class GenvisCriterion(VitaCriterion):
    """Losses of one clip of a video."""

    system = "genvis"

    def __init__(self, *, reuse_hidden_queries: bool, matcher: HungarianMatcher, **options) -> None:
        """
        Args:
            reuse_hidden_queries: see :class:`UnifiedMatcher`.
            matcher, options: see :class:`~univs.modeling.losses.criterion.SetCriterion`.
        """
        super().__init__(matcher=matcher, **options)
        self.unified_matcher = UnifiedMatcher(matcher, reuse_hidden_queries=reuse_hidden_queries)

    def forward(
        self,
        output: DecoderOutput,
        targets: list[ClipTargets],
        frame_identities: Tensor | None = None,
        frame_matches: list[list[Match]] | None = None,
        previous: UnifiedAssignment | None = None,
    ) -> tuple[dict[str, Tensor], UnifiedAssignment]:
        """Unweighted losses of one clip.

        Objects that are not visible in the clip do not count, and their queries are trained to be
        "no object" (as published).

        Args:
            output, frame_identities, frame_matches: see :class:`VitaCriterion`.
            targets: of each of the B videos: all its objects, in the frames of this clip.
            previous: what the clip before returned; None for the first clip.

        Returns:
            the losses by name, as :class:`VitaCriterion` but with ``genvis``, and the assignment.
        """
        targets = self.repeated(targets, output)
        heads = [output.final, *output.auxiliary]
        assignment, visible = self.unified_matcher(heads, targets, previous)
        matches = [
            [matched_pairs(*pair) for pair in zip(queries, visible, strict=True)]
            for queries in assignment
        ]
        counted = [objects.nonzero() for objects in visible]
        num_masks = average_number_of_masks(counted, output.final.class_logits.device)
        losses = self.losses(output, targets, matches, num_masks)
        if frame_identities is not None:
            losses["loss_sim"] = self.similarity_loss(
                output.final.queries, frame_identities, targets, matches[0], frame_matches
            )
        return self.named(losses), assignment

    def class_loss(
        self, head: QueryPredictions, targets: list[ClipTargets], matches: list[Match]
    ) -> Tensor:
        """As of the base class; of objects that share a query the last one counts."""
        return super().class_loss(head, targets, [last_of_each_query(match) for match in matches])


def matched_pairs(queries: Tensor, visible: Tensor) -> Match:
    """Pairs of the visible objects that have a query, in the order of the objects."""
    objects = (visible & (queries >= 0)).nonzero().flatten()
    return queries[objects], objects


def last_of_each_query(match: Match) -> Match:
    """Keep only the last pair of each query."""
    last = dict(zip(match[0].tolist(), match[1].tolist(), strict=True))  # query to object
    return torch.tensor(list(last), dtype=torch.long), torch.tensor(
        list(last.values()), dtype=torch.long
    )
