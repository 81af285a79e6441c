"""What all tasks of UniVS that follow targets share: who is followed, and the results."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from univs.modeling.meta_arch.univs import UnivsBase
from univs.modeling.prompts.prompt_memory import PromptMemory
from univs.structures import (
    FrameResult,
    MaskTarget,
    Segment,
    Target,
    Track,
    VideoResult,
    encode_masks,
)
from univs.structures.mask_log import MaskLog
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_frames import UnivsClip
from univs.tracking.univs_prompts import check_fits, is_visible
from univs.tracking.univs_target_states import TargetStates
from univs.tracking.univs_task import TargetTask


class FollowedTargets(TargetTask):
    """Follows targets clip by clip; subclasses say how a clip is segmented.

    What is kept of the video are the states of the targets in the frames of the latest clip, the
    prompts of the latest frames, and a log of final masks.

    Attributes:
        given: what says where the targets are that are followed, by id: the first as it was given,
            then the corrections that a clip has seen.
        states: of the targets that take part so far; None before the first clip.
        prompt_memory: has a row for each row of the states.
    """

    # Whether masks of the result may overlap; otherwise those of smaller ids are on top.
    masks_overlap = False

    def __init__(
        self,
        *,
        published: bool,
        consistency_threshold: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        """
        Args:
            published: do as the original does, see ``MODEL.UniVS.PUBLISHED_BEHAVIOUR``.
            consistency_threshold: a target is lost in a clip if the cosine similarity of its query
                to its earlier ones is not larger.
            generator: draws prompt tokens, on the CPU; default: torch's own.
        """
        self.published = published
        self.consistency_threshold = consistency_threshold
        self.generator = generator
        self.given: dict[int, list[Target]] = {}
        self.states: TargetStates | None = None
        self.prompt_memory: PromptMemory | None = None
        self._corrections: list[Target] = []  # that no clip has seen so far
        self._shown_ids: set[int] = set()  # of targets that were visible where they were given
        self._known_ids: set[int] = set()  # also of targets that were removed
        self._categories: dict[int, int | None] = {}
        self._size: FrameSize | None = None
        self._masks = MaskLog()  # of final frames, by id

    @abstractmethod
    def accept(self, target: Target) -> None:
        """Take note of a target, or refuse it by a ValueError if the task cannot follow it."""

    @abstractmethod
    def segment(self, model: UnivsBase, clip: UnivsClip, states: TargetStates) -> None:
        """Write what is seen of the targets in a clip into ``states``."""

    def begin(self, clip: UnivsClip) -> None:
        """Called before the first clip, and before one that does not continue the last."""

    def add_target(self, target: Target, *, next_start: int) -> None:
        if target.id in self._known_ids:
            raise ValueError(f"target {target.id} is given twice: every target needs its own id")
        self._check(target, next_start)
        self.given[target.id] = [target]
        self._known_ids.add(target.id)
        self._categories[target.id] = getattr(target, "category", None)

    def refine_target(self, target_id: int, target: Target, *, next_start: int) -> None:
        self._check_followed(target_id)
        if target.id != target_id:
            raise ValueError(f"the correction of target {target_id} has the id {target.id}")
        self._check(target, next_start)
        first = self.given[target_id][0]
        if not self._has_begun(target_id) and target.frame_index <= first.frame_index:
            self.given[target_id] = [target]
        else:
            self._corrections.append(target)

    def remove_target(self, target_id: int) -> None:
        self._check_followed(target_id)
        del self.given[target_id]
        self._corrections = [x for x in self._corrections if x.id != target_id]
        if self.states is not None and target_id in self.states.ids:
            rows = [row for row, k in enumerate(self.states.ids) if k != target_id]
            self.states.keep(rows)
            self.prompt_memory.keep(torch.tensor(rows, dtype=torch.int64))

    def check_size(self, size: tuple[int, int]) -> None:
        """Refuse targets that do not fit frames of the given height and width.

        Raises:
            ValueError: see :func:`~univs.tracking.univs_prompts.check_fits`.
        """
        for target in [*(x for given in self.given.values() for x in given), *self._corrections]:
            check_fits(target, size)

    def _check(self, target: Target, next_start: int) -> None:
        self.accept(target)
        if target.frame_index < next_start:
            raise ValueError(
                f"target {target.id} is given in frame {target.frame_index}, but the frames before "
                f"{next_start} were segmented already: give it in a later one"
            )
        if self._size is not None:
            check_fits(target, self._size.original)

    def _check_followed(self, target_id: int) -> None:
        if target_id not in self.given:
            followed = ", ".join(map(str, sorted(self.given))) or "none"
            raise ValueError(f"there is no target {target_id}; those followed: {followed}")

    def _has_begun(self, target_id: int) -> bool:
        states = self.states
        first = self.given[target_id][0].frame_index
        return states is not None and target_id in states.ids and first < states.frames.stop

    def begins_at(self) -> int | None:
        return min((given[0].frame_index for given in self.given.values()), default=None)

    def add(self, model: UnivsBase, clip: UnivsClip) -> None:
        self.check_size(clip.size.original)
        self._size = clip.size
        states = self.states
        if states is None or states.frames.stop != clip.frames.stop - clip.num_new:
            states = self.states = TargetStates(clip, model.num_remembered)
            self.prompt_memory = model.prompt_memory(self.generator)
            self.begin(clip)
        else:
            states.advance(clip)
        new = [
            first
            for target_id, (first, *_) in self.given.items()
            if target_id not in states.ids and self.takes_part(first, clip)
        ]
        states.append([target.id for target in new])
        first_frames = torch.tensor([target.frame_index for target in new], dtype=torch.int64)
        self.prompt_memory.add(first_frames)
        self._correct(clip, states)
        if states.ids:
            self.segment(model, clip, states)
        self._finalise(min(clip.next_start, clip.frames.stop))

    def takes_part(self, target: Target, clip: UnivsClip) -> bool:
        """Whether a target is prompted in a clip, even though its frame may come later."""
        return target.frame_index < clip.frames.stop

    def given_in(self, target_id: int, clip: UnivsClip) -> list[Target]:
        """What says where a target is in the frames of a clip, the valid one last."""
        return [x for x in self.given[target_id] if x.frame_index in clip.frames]

    def is_old(self, target_id: int, clip: UnivsClip) -> bool:
        """Whether a target appeared before a clip, and was not corrected since."""
        latest = max(x.frame_index for x in self.given[target_id])
        return target_id in self._shown_ids and latest < clip.frames.start

    def _correct(self, clip: UnivsClip, states: TargetStates) -> None:
        """Apply the corrections in frames of the clip, and forget those that no one needs."""
        waiting = sorted(self._corrections, key=lambda x: x.frame_index)
        self._corrections = [x for x in waiting if x.frame_index >= clip.frames.stop]
        for target in waiting[: len(waiting) - len(self._corrections)]:
            self.given[target.id].append(target)
            row = states.ids.index(target.id)
            first = max(target.frame_index - states.frames.start, 0)
            states.mask_logits[row, first:] = 0
            if is_visible(target):
                self.prompt_memory.restart(row, target.frame_index)
            else:  # it may come back as what it was
                self.prompt_memory.blank(row, target.frame_index)
        for target_id, given in self.given.items():
            if any(is_visible(x) and x.frame_index < clip.frames.stop for x in given):
                self._shown_ids.add(target_id)
            recent = [x for x in given[1:] if x.frame_index >= states.frames.start]
            self.given[target_id] = [given[0], *recent] if recent else [given[0], *given[1:][-1:]]

    @property
    def num_final(self) -> int:
        return len(self._masks)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        # Frames before the first target are in no clip of this task.
        masks = self._masks[frame] if frame < len(self._masks) else {}
        segments = [
            Segment(track_id=target_id, rle=rle, category=self._categories[target_id])
            for target_id, rle in masks.items()
        ]
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """One track for each target, with its id; removed ones and those not seen included."""
        self._finalise(num_frames)
        tracks = [
            Track(
                id=target_id,
                target_id=target_id,
                category=self._categories[target_id],
                size=size,
                segmentations=self._masks.track(target_id),
            )
            for target_id in sorted(self._known_ids)
        ]
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)

    def _finalise(self, stop: int) -> None:
        """Keep the masks of all frames before ``stop`` as run lengths."""
        for frame in range(len(self._masks), stop):
            masks = {}
            if self.states is not None and frame in self.states.frames:
                masks = self._final_masks(frame)
            rles = encode_masks(np.stack([*masks.values()])) if masks else []
            self._masks.append(dict(zip(masks, rles, strict=True)))

    def _final_masks(self, frame: int) -> dict[int, np.ndarray]:
        """Masks ``(H, W)`` bool of a frame at its original size, by id in ascending order."""
        states = self.states
        height, width = self._size.resized
        logits = states.of_frame(frame)[:, :height, :width]
        if self._size.resized != self._size.original:
            logits = self._size.to_original(logits)
        masks = dict(zip(states.ids, (logits > 0).cpu().numpy(), strict=True))
        if not self.published:
            # Restored from the network's input they would be a pixel wider.
            for target_id in masks:
                for target in self.given[target_id]:
                    if isinstance(target, MaskTarget) and target.frame_index == frame:
                        masks[target_id] = target.mask
        masks = dict(sorted(masks.items()))
        if not self.masks_overlap:
            taken = np.zeros(self._size.original, dtype=bool)
            for target_id, mask in masks.items():
                masks[target_id] = mask & ~taken
                taken |= mask
        return masks
