"""Visual prompts over time: masks of earlier frames prompt later ones (UniVS, section 3.5).

Every frame has a slot with R tokens for each target. Prompts attend to the slot in which their
target first appeared and to the last M; older ones are forgotten, so memory does not grow with the
length of a video.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.prompts.prompt_types import PromptTokens, VisualPrompts
from univs.modeling.prompts.visual_tokens import FrameFeatures, VisualTokenSampler


@dataclass
class ShownTargets:
    """Tokens of P' targets that are shown in a frame, other than by masks known before.

    Attributes:
        targets: int64 ``(P',)``, which targets.
        features, positions: ``(P', R, C)``.
    """

    targets: Tensor
    features: Tensor
    positions: Tensor


class PromptMemory:
    """The prompt tokens of P targets of one video.

    Attributes:
        features, positions: ``(P, S, R, C)`` of the last S slots; empty before the first clip.
        first_features, first_positions: ``(P, R, C)``, the slot of the first appearance, once it is
            older than these.
        first_frames: int64 ``(P,)``, the frame in which each target first appeared; -1: not yet.
        num_slots: number of frames that have had a slot.
    """

    def __init__(
        self,
        sampler: VisualTokenSampler,
        *,
        num_remembered: int,
        generator: torch.Generator | None = None,
    ) -> None:
        """
        Args:
            sampler: samples the tokens of a prompt.
            num_remembered: M, slots that prompts attend to besides the first; never less than the
                frames of a clip.
            generator: draws on the CPU; default: torch's own.
        """
        self.sampler = sampler
        self.num_remembered = num_remembered
        self.generator = generator
        self.first_frames = torch.zeros(0, dtype=torch.int64)
        self.features = self.positions = None
        self.first_features = self.first_positions = None
        self.num_slots = 0
        self._origin = 0  # frame of the first slot that there ever was

    def __len__(self) -> int:
        """The number of targets P."""
        return len(self.first_frames)

    def add(self, first_frames: Tensor) -> None:
        """Add targets, whose slots so far are blank.

        Args:
            first_frames: int64 ``(P',)``, the frame in which each first appeared; -1: not yet.
        """
        count = len(first_frames)
        self.first_frames = torch.cat((self.first_frames, first_frames.to(self.first_frames)))
        for name in ("features", "positions", "first_features", "first_positions"):
            stored = getattr(self, name)
            if stored is not None:
                blank = stored.new_zeros(count, *stored.shape[1:])
                setattr(self, name, torch.cat((stored, blank)))

    def keep(self, targets: Tensor) -> None:
        """Forget all targets but those of the given indices, int64 ``(P',)``."""
        self.first_frames = self.first_frames[targets.to(self.first_frames.device)]
        for name in ("features", "positions", "first_features", "first_positions"):
            stored = getattr(self, name)
            if stored is not None:
                setattr(self, name, stored[targets.to(stored.device)])

    def restart(self, target: int, frame: int) -> None:
        """Let a target appear anew in a frame: forget its prompts from there on."""
        self.first_frames[target] = frame
        self.blank(target, frame)

    def blank(self, target: int, frame: int) -> None:
        """Forget the prompts of a target from a frame on."""
        if self.features is not None:
            oldest = self._origin + self.num_slots - self.features.shape[1]
            for stored in (self.features, self.positions):
                stored[target, max(frame - oldest, 0) :] = 0

    def skip(self, memory: ClipMemory, num_frames: int) -> None:
        """Give blank slots to the first frames of a video, as if no target had been seen in them.

        Args:
            memory: any pixel features of the video.
            num_frames: how many frames there are before the new ones of the next clip.
        """
        kept = min(num_frames, max(self.num_remembered, memory.frame_positions.shape[1]))
        self.num_slots += num_frames - kept
        self._append(memory, kept)

    def update(
        self,
        memory: ClipMemory,
        start: int,
        num_new: int,
        masks: Mapping[int, Tensor],
        *,
        shown: Mapping[int, ShownTargets] | None = None,
        before: FrameFeatures | None = None,
    ) -> VisualPrompts | None:
        """Take in the masks that are known when a clip begins, and prompt the clip.

        Args:
            memory: pixel features of the clip, of T frames.
            start: frame of the video in which the clip begins.
            num_new: how many of the last frames of the clip were in no earlier clip.
            masks: bool ``(P, H, W)`` of the padded frame, by frame of the video: for the first
                clip frame 0; later the frames that this clip shares with the one before, and the
                ``num_new`` frames before the clip if nothing has been prompted yet or T is 1.
            shown: targets that are prompted otherwise, by frame of the video, in this clip.
            before: of the frame before the clip. If the clip shares no frame with the one before,
                that frame prompts it. Default: as published, not at all, or, if T is 1, with
                features of the wrong frame.

        Returns:
            prompts for the clip; None if there are no targets, or no masks in the first clip.
        """
        num_frames = memory.frame_positions.shape[1]
        if not len(self) or (start == 0 and 0 not in masks):
            return None
        known = range(num_frames - num_new)
        if start == 0:
            self._append(memory, num_frames)
            known = range(1)
        else:
            is_new = self.features is None
            if is_new:
                self._origin = start - num_new
            self._append(memory, num_frames + num_new if is_new else num_new)
            if num_new == num_frames and before is not None:
                self._prompt_with_frame_before(before, start, num_frames, masks)
            elif (is_new or num_frames == 1) and self.sampler.published:
                self._prompt_frames_before(memory, start, num_new, masks)
        for key_frame in range(num_frames):
            slot = self.features.shape[1] - num_frames + key_frame
            if key_frame in known:
                of_frame = masks[start + key_frame]
                sampled = self._sample(memory, key_frame, of_frame)
                self._write(sampled, slot=slot, rows=of_frame.flatten(1).any(1))
            if shown and start + key_frame in shown:
                self._show(shown[start + key_frame], slot=slot)
        self._forget(max(self.num_remembered, num_frames))
        return self._prompts(num_frames)

    def _prompt_frames_before(
        self, memory: ClipMemory, start: int, num_new: int, masks: Mapping[int, Tensor]
    ) -> None:
        # With the features of this clip's frames, because those before it are gone (as published).
        num_frames = memory.frame_positions.shape[1]
        for index in range(min(num_new, num_frames)):
            frame = start - num_new + index
            if frame not in masks:
                continue
            sampled = self._sample(memory, index, masks[frame])
            has_appeared = (self.first_frames >= 0) & (self.first_frames <= frame)
            slot = self.features.shape[1] - num_frames - num_new + index
            self._write(
                sampled, slot=slot, rows=has_appeared.to(masks[frame].device), until=slot + 1
            )

    def _prompt_with_frame_before(
        self, before: FrameFeatures, start: int, num_frames: int, masks: Mapping[int, Tensor]
    ) -> None:
        if start - 1 not in masks:
            return
        sampled = self._sample_frame(before, masks[start - 1])
        slot = self.features.shape[1] - num_frames - 1
        self._write(sampled, slot=slot, rows=masks[start - 1].flatten(1).any(1))

    def _sample(self, memory: ClipMemory, frame: int, masks: Tensor) -> tuple[Tensor, Tensor]:
        return self._sample_frame(FrameFeatures.of(memory, 0, frame), masks)

    def _sample_frame(self, frame: FrameFeatures, masks: Tensor) -> tuple[Tensor, Tensor]:
        if len(masks) != len(self):
            raise ValueError(f"There are {len(self)} targets, but masks of {len(masks)}.")
        return self.sampler.from_masks(frame, masks, generator=self.generator)

    def _show(self, shown: ShownTargets, *, slot: int) -> None:
        """Write tokens of some targets into all slots from ``slot`` on."""
        for stored, tokens in (
            (self.features, shown.features),
            (self.positions, shown.positions),
        ):
            stored[shown.targets.to(stored.device), slot:] = tokens[:, None].to(stored)

    def _append(self, memory: ClipMemory, count: int) -> None:
        """Add blank slots."""
        template = memory.features[-1]
        shape = (len(self), count, self.sampler.num_tokens, template.shape[2])
        blank = template.new_zeros(shape)
        self.num_slots += count
        if self.features is None:
            self.features, self.positions = blank, blank.clone()
            self.first_features = blank.new_zeros(shape[0], *shape[2:])
            self.first_positions = self.first_features.clone()
        else:
            self.features = torch.cat((self.features, blank), dim=1)
            self.positions = torch.cat((self.positions, blank), dim=1)

    def _write(
        self, sampled: tuple[Tensor, Tensor], *, slot: int, rows: Tensor, until: int | None = None
    ) -> None:
        """Write tokens ``(P, R, C)`` of the given rows into all slots from ``slot`` on."""
        for stored, tokens in zip((self.features, self.positions), sampled, strict=True):
            part = stored[:, slot:until]
            part.copy_(torch.where(rows[:, None, None, None], tokens[:, None], part))

    def _forget(self, most: int) -> None:
        surplus = self.features.shape[1] - most
        if surplus <= 0:
            return
        oldest = self.num_slots - self.features.shape[1]
        slots = (self.first_frames - self._origin - oldest).to(self.features.device)
        leaves = (self.first_frames.to(slots.device) >= 0) & (slots >= 0) & (slots < surplus)
        rows = torch.arange(len(self), device=slots.device)
        for first, name in ((self.first_features, "features"), (self.first_positions, "positions")):
            stored = getattr(self, name)
            saved = stored[rows, slots.clamp(0, stored.shape[1] - 1)]
            first.copy_(torch.where(leaves[:, None, None], saved, first))
            setattr(self, name, stored[:, surplus:].clone())

    def _prompts(self, num_frames: int) -> VisualPrompts:
        kept = self.features.shape[1]
        slots = self.first_frames.to(self.features.device) - self._origin
        # A target that appears in the newest frame, or has not yet, takes the last slot.
        slots = torch.where((slots < 0) | (slots >= self.num_slots - 1), self.num_slots - 1, slots)
        slots = slots - (self.num_slots - kept)
        rows = torch.arange(len(self), device=slots.device)
        own, attended = [], []
        for stored, first in (
            (self.features, self.first_features),
            (self.positions, self.first_positions),
        ):
            is_kept = (slots >= 0)[:, None, None]
            first = torch.where(is_kept, stored[rows, slots.clamp(min=0)], first)
            attended.append(torch.cat((first, stored.flatten(1, 2)), dim=1)[None, None])
            own.append(stored[:, -num_frames:].transpose(0, 1)[None])
        return VisualPrompts(own=PromptTokens(*own), attended=PromptTokens(*attended))
