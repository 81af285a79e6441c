"""Entities of a video: found by learnable queries, followed by prompts made of their masks.

This is the unified inference of UniVS (section 3.5); instances and panoptic segments differ in how
new entities are found, and in what results are made of them.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.mask_statistics import quality_counts, quality_of
from univs.modeling.meta_arch.univs import PromptedClipPrediction, UnivsBase
from univs.modeling.prompts.prompt_memory import PromptMemory
from univs.modeling.prompts.prompt_types import VisualPrompts
from univs.modeling.prompts.visual_tokens import FrameFeatures
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_discovery import Discovery
from univs.tracking.univs_entities import Detections, Entities
from univs.tracking.univs_frames import UnivsClip
from univs.tracking.univs_masks import owners_of_pixels
from univs.tracking.univs_matching import consistency
from univs.tracking.univs_task import UnivsTask

_SEED = 0  # of the choice of prompt tokens, so that a video always has the same result


@dataclass(frozen=True)
class EntityOptions:
    """How entities are followed.

    Attributes:
        clip_length: frames of a clip.
        num_remembered: frames whose queries an entity is compared to, whatever the stride.
        stride: frames from one clip to the next.
        consistency: an entity is lost in a clip if its query is less like those before; half of it
            counts in the first clips.
        least_won: an instance keeps its mask in a clip if it wins this share of its pixels.
        discovery_interval: frames between looks for new entities.
        max_absent: frames after which an entity without a mask is no longer looked for; 0: always.
        window: W, frames that the original makes results of at once, some time after they were
            seen. These windows show in the scores of instances and in all of panoptic results.
        published: as the original does, see ``MODEL.UniVS.PUBLISHED_BEHAVIOUR``.
    """

    clip_length: int
    num_remembered: int
    stride: int
    consistency: float
    least_won: float
    discovery_interval: int
    max_absent: int
    window: int
    published: bool


class EntityTask(UnivsTask):
    """Finds and follows entities. Subclasses make results of them.

    Attributes:
        entities: what is known.
    """

    #: Whether entities compete for pixels, and those that lose theirs are lost.
    competes: bool

    def __init__(self, vocabulary: str, discovery: Discovery, options: EntityOptions) -> None:
        """
        Args:
            vocabulary: class list of the concept table.
            discovery: finds new entities.
            options: see there.
        """
        self.vocabulary = vocabulary
        self.discovery = discovery
        self.options = options
        self.entities = Entities(num_remembered=options.num_remembered // options.stride)
        self.size: FrameSize | None = None
        self._prompts: PromptMemory | None = None
        self._frame_before: FrameFeatures | None = None
        self._num_final = 0
        self._num_windows = 0
        self._latest_start = 0  # of a clip

    @property
    def num_final(self) -> int:
        return self._num_final

    @torch.no_grad()
    def add(self, model: UnivsBase, clip: UnivsClip) -> None:
        if self._prompts is None:
            generator = torch.Generator().manual_seed(_SEED)
            self._prompts = model.prompt_memory(generator)
        if self.options.published and self._latest_start >= self._end_of_window:
            self._close_window()
            self._num_windows += 1
        self.size, self._latest_start = clip.size, clip.frames.start
        self.entities.begin_clip(clip)
        prediction = model.decode(clip.memory, clip.mask_features, self._prompts_for(clip))
        if prediction.num_learnable < len(prediction.queries):
            self._follow(clip, prediction)
        if not len(self.entities) or clip.frames.start % self.options.discovery_interval == 0:
            learnable = slice(prediction.num_learnable)
            self._discover(
                clip,
                Detections.of(
                    prediction.class_logits[learnable, model.concepts.rows(self.vocabulary)],
                    prediction.mask_logits[learnable],
                    prediction.queries[learnable],
                ),
            )
        self._emit(clip.next_start)
        if self.options.max_absent:
            self._retire_absent(clip.frames.start)
        # The frames before the next clip may prompt it.
        self.entities.masks.forget(min(self._num_final, clip.frames.start))

    @property
    def _end_of_window(self) -> int:
        """The start of the clip after which the original makes results of the next window."""
        # The original waits for exactly this start, which not every stride meets.
        return self.options.num_remembered + (self._num_windows + 1) * self.options.window

    @abstractmethod
    def _close_window(self) -> None:
        """Do what the original does when it makes results of a window that is not the last."""

    @abstractmethod
    def _emit(self, next_start: int) -> None:
        """Make results of the frames before ``next_start``, with which the next clip begins.

        Frames of which there are results count as final.
        """

    def _prompts_for(self, clip: UnivsClip) -> VisualPrompts | None:
        """Prompts that show entities where they were in the frames before the new ones."""
        if not len(self.entities):
            self._remember_last_frame(clip)
            return None
        # A new prompt memory, or one that shares no frame with this clip, looks further back.
        shared = range(clip.frames.start, clip.new_frames.start)
        earlier = range(max(clip.frames.start - clip.num_new, 0), clip.frames.start)
        is_needed = self._prompts.features is None or not len(shared)
        wanted = [*(earlier if is_needed else ()), *shared]
        sums = self.entities.masks.sums
        masks = {
            frame: resized(sums[frame], clip.padded_size) > 0 for frame in wanted if frame in sums
        }
        prompts = self._prompts.update(
            clip.memory,
            clip.frames.start,
            clip.num_new,
            masks,
            before=None if self.options.published else self._frame_before,
        )
        self._remember_last_frame(clip)
        return prompts

    def _remember_last_frame(self, clip: UnivsClip) -> None:
        if clip.next_start < clip.frames.stop or self.options.published:
            return  # the next clip has it, or does without
        last = FrameFeatures.of(clip.memory, 0, len(clip.frames) - 1)
        self._frame_before = FrameFeatures(
            last.features.clone(), last.positions.clone(), last.frame_position.clone()
        )

    def _follow(self, clip: UnivsClip, prediction: PromptedClipPrediction) -> None:
        """Give entities the masks of their prompts in a clip, if they are plausible."""
        masks = prediction.mask_logits[prediction.num_learnable :].float()  # N T h w
        queries = prediction.queries[prediction.num_learnable :]
        similarity = consistency(self.entities.queries, queries)
        is_early = clip.frames.start < self.options.clip_length
        is_found = similarity > self.options.consistency / (2 if is_early else 1)
        height, width = clip.size.resized
        quality = quality_of(
            sum(
                quality_counts(resized(frame, clip.padded_size)[:, :height, :width])
                for frame in masks.unbind(1)
            )
        )
        if self.competes:
            strength = self.entities.scores.amax(1) * similarity * quality
            is_found &= holds_its_own(
                masks, strength, clip.padded_size, least_won=self.options.least_won
            )
        rows = is_found.nonzero().flatten()
        self.entities.add_masks(clip.frames, rows, masks[rows], quality[rows])
        self.entities.update_queries(rows, queries[rows].float())

    def _retire_absent(self, start: int) -> None:
        """Follow entities no longer that had no mask for long; all results have those they had."""
        latest = min(start - self.options.max_absent, self._num_final)
        is_absent = self.entities.last_frames < latest
        if is_absent.any():
            self._prompts.keep(self.entities.retire(is_absent))
        if not len(self.entities):
            self._prompts = None  # it would miss clips until there are entities again

    def _discover(self, clip: UnivsClip, found: Detections) -> None:
        if clip.is_first:
            new = self.discovery.first(found)
        else:
            new = self.discovery.update(self.entities, clip.frames, found)
        if len(new.quality):
            self.entities.append(clip.frames, new)
            self._prompts.add(torch.full((len(new.quality),), clip.frames.start))


def holds_its_own(
    mask_logits: Tensor, strength: Tensor, size: tuple[int, int], *, least_won: float
) -> Tensor:
    """Which masks keep enough of their pixels when every pixel goes to the strongest one.

    Args:
        mask_logits: ``(N, T, h, w)``.
        strength: ``(N,)``, multiplied by the probability of each pixel.
        size: at which pixels are counted.
        least_won: share of pixels to be won, of those with a probability of at least one half.

    Returns:
        bool ``(N,)``.
    """
    count = len(mask_logits)
    own, won, sure = torch.zeros(3, count, dtype=torch.int64, device=mask_logits.device)
    for frame in mask_logits.unbind(1):
        probabilities = resized(frame, size).sigmoid()  # N H W
        owner, claimed, is_owned = owners_of_pixels(probabilities, strength)
        is_sure = probabilities.gather(0, owner[None])[0] > 0.5
        own += claimed
        won += torch.bincount(owner[is_owned], minlength=count)
        sure += torch.bincount(owner[is_sure], minlength=count)
    return (won / own.clamp(min=1) > least_won) & (sure > 0)


def resized(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask logits ``(N, h, w)`` -> ``(N, H, W)``, bilinear; N may be 0."""
    return F.interpolate(masks[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
