"""Objects that expressions refer to, found and followed through a video by UniVS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from univs.modeling.meta_arch.base import resize_masks
from univs.modeling.meta_arch.univs import UnivsBase
from univs.modeling.prompts.prompt_types import ExpressionPrompts, VisualPrompts
from univs.structures import Target, TextTarget
from univs.tracking.univs_frames import UnivsClip
from univs.tracking.univs_matching import consistency
from univs.tracking.univs_target_states import TargetStates
from univs.tracking.univs_target_task import FollowedTargets

# Expressions that are decoded together. They do not see one another, so results do not depend on
# it, except with MASKDEC_SELF_ATTN_MASK_TYPE "all".
_MOST_AT_ONCE = 30


class ExpressionTask(FollowedTargets):
    """Referring video object segmentation: one track for each expression.

    In clips with the frame of the target the prediction replaces earlier ones; from then on
    predictions add up as long as the query of the target stays like itself. Masks may overlap.
    (UniVS, section 3.5; details as published.)
    """

    masks_overlap = True

    def __init__(
        self,
        encode_expressions: Callable[[Sequence[str]], ExpressionPrompts],
        *,
        published: bool,
        consistency_threshold: float = 0.5,
        with_masks: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        """
        Args:
            encode_expressions: turns expressions into prompts; that of the model.
            published: see :class:`~univs.tracking.univs_target_task.FollowedTargets`.
            consistency_threshold, generator: see
                :class:`~univs.tracking.univs_target_task.FollowedTargets`.
            with_masks: prompt expressions by their masks of earlier frames as well.
        """
        super().__init__(
            published=published, consistency_threshold=consistency_threshold, generator=generator
        )
        self.encode_expressions = encode_expressions
        self.with_masks = with_masks
        self._is_first = True
        self._prompts: dict[str, ExpressionPrompts] = {}  # by expression

    def accept(self, target: Target) -> None:
        if not isinstance(target, TextTarget):
            raise ValueError(
                f"target {target.id} is a {type(target).__name__}: this task takes a TextTarget"
            )
        if target.text in self._prompts:
            return
        try:
            self._prompts[target.text] = self.encode_expressions([target.text])
        except FileNotFoundError as error:
            raise ValueError(
                f"target {target.id} is an expression, but the text encoder of the model is "
                f"missing: {error}"
            ) from error

    def begin(self, clip: UnivsClip) -> None:
        self._is_first = True

    def segment(self, model: UnivsBase, clip: UnivsClip, states: TargetStates) -> None:
        of_masks = self._prompts_of_masks(clip, states)
        for first in range(0, len(states.ids), _MOST_AT_ONCE):
            rows = list(range(first, min(first + _MOST_AT_ONCE, len(states.ids))))
            self._segment(model, clip, states, rows, of_masks)
        self._is_first = False

    def _prompts_of_masks(self, clip: UnivsClip, states: TargetStates) -> VisualPrompts | None:
        if not self.with_masks or self._is_first:  # nothing has a mask before
            return None
        return self.prompt_memory.update(
            clip.memory, clip.frames.start, clip.num_new, states.masks_before(clip)
        )

    def _segment(
        self,
        model: UnivsBase,
        clip: UnivsClip,
        states: TargetStates,
        rows: list[int],
        of_masks: VisualPrompts | None,
    ) -> None:
        current = [self.given[states.ids[row]][-1] for row in rows]
        expressions = [self._prompts[target.text] for target in current]
        visual = None
        if of_masks is not None:
            visual = of_masks.attended.select(torch.tensor(rows, device=states.queries.device))
        prompts = ExpressionPrompts(
            torch.cat([x.words for x in expressions], dim=1),
            torch.cat([x.sentences for x in expressions], dim=1),
            visual,
        )
        prediction = model.decode(clip.memory, clip.mask_features, prompts)
        prompted = slice(prediction.num_learnable, None)
        logits = resize_masks(prediction.mask_logits[prompted].float(), clip.padded_size)
        queries = prediction.queries[prompted].float()
        is_same = consistency(states.queries[rows], queries) > self.consistency_threshold
        stored = states.of_clip(clip)
        for index, (row, target) in enumerate(zip(rows, current, strict=True)):
            if self.is_old(target.id, clip):
                stored[row] += logits[index] * is_same[index]
                states.average_queries([row], queries[index : index + 1])
            else:
                first = target.frame_index - clip.frames.start
                stored[row, first:] = logits[index, first:]
                states.queries[row, -len(clip.frames) :] = queries[index]
