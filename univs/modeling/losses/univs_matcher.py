"""How UniVS pairs queries with targets: learnable ones by cost, prompted ones by construction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from univs.modeling.losses.matcher import HungarianMatcher, Match
from univs.modeling.univs_targets import PromptTargets, UnivsTargets

# Scores are sigmoids; this makes their softmax over the classes of a data set distinctive.
_SCORE_SCALE = 5.0


class UnivsMatcher(HungarianMatcher):
    """Hungarian matching where every data set has classes of its own, or none."""

    def class_costs(self, class_logits: Tensor, target: UnivsTargets) -> Tensor:
        """Minus a softmax over the scores of the data set's classes; 0 if it has none.

        Args:
            class_logits: ``(Q, K)`` for all rows of the class table.
            target: N objects.

        Returns:
            ``(Q, N)``.
        """
        if target.class_rows is None:
            return class_logits.new_zeros(len(class_logits), len(target))
        scores = class_logits[:, target.class_rows].sigmoid()
        return -(_SCORE_SCALE * scores).softmax(-1)[:, target.labels]


def prompt_matches(prompts: Sequence[PromptTargets]) -> list[Match]:
    """The fixed assignment: every prompt query that asks for a mask, and the row of that mask."""
    matches = []
    for clip in prompts:
        queries = torch.nonzero(clip.rows >= 0).flatten()
        matches.append((queries, clip.rows[queries]))
    return matches
