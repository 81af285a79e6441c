"""Visual prompts of training, drawn from one frame of each clip (UniVS, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.prompts.cell_choice import random_pixels
from univs.modeling.prompts.prompt_types import (
    PromptKind,
    PromptObjects,
    PromptTokens,
    SampledPrompts,
    VisualPrompts,
)
from univs.modeling.prompts.visual_tokens import FrameFeatures, VisualTokenSampler

# Up to the first value of a uniform draw a prompt is a point, up to the second a box, else a mask.
_POINT_SHARE, _POINT_AND_BOX_SHARE = 0.25, 0.5


@dataclass(frozen=True)
class TrainingPromptSampler:
    """Draws visual prompts for a batch of clips.

    Attributes:
        tokens: samples the tokens of a prompt.
    """

    tokens: VisualTokenSampler

    def __call__(
        self,
        memory: ClipMemory,
        objects: Sequence[PromptObjects],
        generator: torch.Generator | None = None,
    ) -> SampledPrompts:
        """
        Args:
            memory: pixel features of B clips; no gradient flows into them.
            objects: of each of the B clips.
            generator: draws on the CPU; default: torch's own. The same state and the same objects
                give the same prompts.

        Returns:
            P prompts for every clip, where P is the number of objects drawn for one clip; with more
            clips the largest ``num_prompts``, up to which the objects of a clip are repeated. If a
            clip has no object to prompt with, none has prompts.
        """
        num_prompts = max(clip.num_prompts for clip in objects)
        num_frames = memory.frame_positions.shape[1]
        drawn, rows, kinds = [], [], []
        for index, clip in enumerate(objects):
            key_frame = _draw_key_frame(num_frames, generator)
            chosen = _draw_rows(clip, key_frame, generator)
            if not len(chosen):
                rows.append(torch.full((num_prompts,), -1, device=clip.visible.device))
                kinds.append(torch.zeros_like(rows[-1]))
                continue
            drawn_kinds = _draw_kinds(len(chosen), generator).to(chosen.device)
            frame = FrameFeatures.of(memory, index, key_frame)
            tokens = self._tokens_of(frame, clip, key_frame, chosen, drawn_kinds, generator)
            count = len(chosen) if len(objects) == 1 else num_prompts
            repeated = torch.arange(count, device=chosen.device) % len(chosen)
            drawn.append(tokens.select(repeated))
            rows.append(chosen[repeated])
            kinds.append(drawn_kinds[repeated])
        if len(drawn) < len(objects):
            return SampledPrompts(None, rows, kinds)
        position_from_features = bool(torch.rand(1, generator=generator) <= 0.5)
        prompts = VisualPrompts.of(
            PromptTokens(
                torch.cat([tokens.features for tokens in drawn]),
                torch.cat([tokens.positions for tokens in drawn]),
            ),
            position_from_features=position_from_features,
        )
        return SampledPrompts(prompts, rows, kinds)

    def _tokens_of(
        self,
        frame: FrameFeatures,
        clip: PromptObjects,
        key_frame: int,
        rows: Tensor,
        kinds: Tensor,
        generator: torch.Generator | None,
    ) -> PromptTokens:
        masks, boxes = clip.masks[rows, key_frame], clip.boxes[rows, key_frame]
        visible = clip.visible[rows, key_frame][:, None, None]
        shape = (len(rows), self.tokens.num_tokens, frame.features.shape[0])
        features, positions = frame.features.new_zeros(shape), frame.features.new_zeros(shape)
        for kind in PromptKind:
            which = kinds == kind
            if not bool(which.any()):
                continue
            if kind is PromptKind.MASK:
                sampled = self.tokens.from_masks(
                    frame, masks[which], training=True, generator=generator
                )
            elif kind is PromptKind.POINT:
                points = random_pixels(masks[which], generator)
                sampled = self.tokens.from_points(frame, points)
            else:
                sampled = self.tokens.from_boxes(
                    frame, boxes[which], training=True, generator=generator
                )
            features[which], positions[which] = sampled
        return PromptTokens((features * visible)[None, None], (positions * visible)[None, None])


def key_frame_tokens(
    sampler: VisualTokenSampler,
    memory: ClipMemory,
    masks: Tensor,
    key_frames: Sequence[int],
    generator: torch.Generator | None = None,
) -> PromptTokens:
    """Mask prompts from several frames of one clip, for the clips that follow (long videos).

    Args:
        sampler: samples the tokens of a prompt.
        memory: pixel features of the clip.
        masks: bool ``(P, T, H, W)`` of the prompted objects.
        key_frames: frames of the clip to prompt with.
        generator: draws on the CPU; default: torch's own.

    Returns:
        ``(1, 1, P, len(key_frames) * R, C)``, frame by frame.
    """
    sampled = [
        sampler.from_masks(FrameFeatures.of(memory, 0, frame), masks[:, frame], generator=generator)
        for frame in key_frames
    ]
    features, positions = (torch.cat(part, dim=1) for part in zip(*sampled, strict=True))
    return PromptTokens(features[None, None], positions[None, None])


def _draw_key_frame(num_frames: int, generator: torch.Generator | None) -> int:
    return int(torch.randperm(num_frames, generator=generator)[0])


def _draw_rows(clip: PromptObjects, key_frame: int, generator: torch.Generator | None) -> Tensor:
    if clip.rows is not None:
        return clip.rows if bool((clip.rows >= 0).all()) else clip.rows[:0]
    visible = torch.nonzero(clip.visible[:, key_frame]).flatten()
    order = torch.randperm(len(visible), generator=generator).to(visible.device)
    return visible[order[: clip.num_prompts]]


def _draw_kinds(count: int, generator: torch.Generator | None) -> Tensor:
    draw = torch.rand(count, generator=generator)
    kinds = torch.full((count,), int(PromptKind.MASK))
    kinds[draw <= _POINT_AND_BOX_SHARE] = int(PromptKind.BOX)
    kinds[draw <= _POINT_SHARE] = int(PromptKind.POINT)
    return kinds
