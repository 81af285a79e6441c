"""Objects that are given by masks, boxes or points, followed through a video by UniVS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from univs.modeling.mask_statistics import mask_quality
from univs.modeling.meta_arch.base import resize_masks
from univs.modeling.meta_arch.univs import PromptedClipPrediction, UnivsBase
from univs.modeling.prompts.prompt_memory import ShownTargets
from univs.modeling.prompts.visual_tokens import FrameFeatures
from univs.structures import MaskTarget, Target
from univs.tracking.univs_frames import UnivsClip
from univs.tracking.univs_matching import consistency
from univs.tracking.univs_pixel_competition import pairwise_iou, win_pixels, won_share
from univs.tracking.univs_prompts import check_kind, padded_masks, tokens_of_targets
from univs.tracking.univs_stuff import StuffClasses, category_map
from univs.tracking.univs_target_states import TargetStates
from univs.tracking.univs_target_task import FollowedTargets

# A new object is believed if its mask overlaps the given one more than this; less if it is smaller
# than a square of _FULL_SIZE pixels.
_LEAST_IOU = 0.15
_FULL_SIZE = 96
# An object keeps its pixels in a clip if it wins more than this share of them.
_LEAST_WON_SHARE = 0.25
# Mask logits of stuff where the semantic segmentation finds it.
_STUFF_LOGIT = 10.0


class ObjectTask(FollowedTargets):
    """Segmentation of objects that are given in any frame: VOS, PVOS, and PET.

    In the clips that contain the frame of a target, the prediction replaces earlier ones, if it
    agrees with the given mask; from then on predictions add up as long as the query of the target
    stays like itself. Objects compete for pixels, so their masks are disjoint. (UniVS, section 3.5;
    details as published.)

    With ``stuff``, targets that are known to be stuff take the pixels that the learnable queries
    give to their category. This uses the categories of given masks, which benchmarks of panoptic
    video object segmentation provide, and the published numbers do so too.
    """

    def __init__(
        self,
        *,
        published: bool,
        consistency_threshold: float = 0.5,
        stuff: StuffClasses | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """
        Args:
            published: as the original does: targets are in the network before they appear, those
                that appear later are prompted from the next clip on, and given masks come out as
                the network's input shows them. Otherwise they are prompted in the clip that they
                appear in, and given masks come out as they are.
            consistency_threshold, generator: see
                :class:`~univs.tracking.univs_target_task.FollowedTargets`.
            stuff: which targets are stuff; None: do not tell stuff from things.
        """
        super().__init__(
            published=published, consistency_threshold=consistency_threshold, generator=generator
        )
        self.stuff = stuff
        self._frame_before: FrameFeatures | None = None

    def accept(self, target: Target) -> None:
        check_kind(target)

    def takes_part(self, target: Target, clip: UnivsClip) -> bool:
        return self.published or super().takes_part(target, clip)

    def begin(self, clip: UnivsClip) -> None:
        self._frame_before = None
        if not clip.is_first:
            self.prompt_memory.skip(clip.memory, clip.frames.stop - clip.num_new)

    def segment(self, model: UnivsBase, clip: UnivsClip, states: TargetStates) -> None:
        self._write_given(clip, states)
        prompts = self.prompt_memory.update(
            clip.memory,
            clip.frames.start,
            clip.num_new,
            {0: states.of_frame(0) > 0} if clip.is_first else states.masks_before(clip),
            shown=self._shown(model, clip, states),
            before=self._frame_before,
        )
        prediction = model.decode(clip.memory, clip.mask_features, prompts)
        self._write_predicted(clip, states, prediction)
        self._remember_last_frame(clip)

    def _remember_last_frame(self, clip: UnivsClip) -> None:
        """Keep what prompts the next clip if that shares no frame with this one."""
        self._frame_before = None
        if clip.next_start >= clip.frames.stop:
            last = FrameFeatures.of(clip.memory, 0, len(clip.frames) - 1)
            # Copies, so that they do not keep the features of the whole clip.
            self._frame_before = FrameFeatures(
                last.features.clone(), last.positions.clone(), last.frame_position.clone()
            )

    def _write_given(self, clip: UnivsClip, states: TargetStates) -> None:
        for row, target_id in enumerate(states.ids):
            for target in self.given_in(target_id, clip):
                if isinstance(target, MaskTarget):
                    mask = padded_masks([target], clip.size, clip.padded_size)[0]
                    states.of_frame(target.frame_index)[row] = mask.to(states.mask_logits)

    def _shown(
        self, model: UnivsBase, clip: UnivsClip, states: TargetStates
    ) -> dict[int, ShownTargets]:
        """Targets that are prompted in this clip, although no mask of an earlier clip shows them.

        These are boxes and points without a predicted mask, and masks in new frames; the latter, as
        published, only if the next clip cannot show them either.
        """
        by_frame: dict[int, list[tuple[int, Target]]] = {}
        for row, target_id in enumerate(states.ids):
            for target in self.given_in(target_id, clip)[-1:]:
                frame = target.frame_index
                if isinstance(target, MaskTarget):
                    is_late = not self.published or frame < clip.next_start
                    is_shown = frame in clip.new_frames and frame > 0 and is_late
                else:
                    is_shown = not bool((states.of_frame(frame)[row] > 0).any())
                if is_shown:
                    by_frame.setdefault(frame, []).append((row, target))
        shown = {}
        for frame, pairs in sorted(by_frame.items()):
            rows, targets = zip(*pairs, strict=True)
            tokens = tokens_of_targets(
                model.token_sampler,
                FrameFeatures.of(clip.memory, 0, frame - clip.frames.start),
                targets,
                clip.size,
                clip.padded_size,
                self.generator,
            )
            shown[frame] = ShownTargets(torch.tensor(rows), *tokens)
        return shown

    def _write_predicted(
        self, clip: UnivsClip, states: TargetStates, prediction: PromptedClipPrediction
    ) -> None:
        prompted = slice(prediction.num_learnable, None)
        logits = resize_masks(prediction.mask_logits[prompted].float(), clip.padded_size)
        queries = prediction.queries[prompted].float()
        height, width = clip.size.resized
        quality = mask_quality(logits[..., :height, :width])  # N
        stuff_pixels = self._stuff_pixels(clip, states.ids, prediction)
        started = [row for row, k in enumerate(states.ids) if self.given_in(k, clip)]
        followed = [row for row, k in enumerate(states.ids) if self.is_old(k, clip)]
        for rows, write in ((started, self._write_started), (followed, self._write_followed)):
            if rows:
                of_rows = {row: pixels for row, pixels in stuff_pixels.items() if row in rows}
                stuff = {rows.index(row): pixels for row, pixels in of_rows.items()}
                write(clip, states, rows, logits[rows], queries[rows], quality[rows], stuff)

    def _stuff_pixels(
        self, clip: UnivsClip, ids: Sequence[int], prediction: PromptedClipPrediction
    ) -> dict[int, Tensor]:
        """Pixels ``(T, H, W)`` of the categories of targets that are stuff, by row."""
        if self.stuff is None:
            return {}
        categories = {
            row: self.given[target_id][0].category
            for row, target_id in enumerate(ids)
            if getattr(self.given[target_id][0], "category", None) in self.stuff.categories
        }
        if not categories:
            return {}
        labels = category_map(prediction, self.stuff.rows, clip.size, clip.padded_size)
        return {row: labels == category for row, category in categories.items()}

    def _write_started(
        self,
        clip: UnivsClip,
        states: TargetStates,
        rows: list[int],
        logits: Tensor,
        queries: Tensor,
        quality: Tensor,
        stuff: dict[int, Tensor],
    ) -> None:
        """Replace the masks of targets that are given in a frame of the clip."""
        given = [self.given_in(states.ids[row], clip) for row in rows]
        places = [targets[-1].frame_index - clip.frames.start for targets in given]
        has_mask = torch.tensor([isinstance(x[-1], MaskTarget) for x in given]).to(logits.device)
        everyone = torch.arange(len(rows), device=logits.device)
        true_masks = states.of_clip(clip)[rows, places] > 0  # of boxes and points: not looked at
        agreement = pairwise_iou(logits[everyone, places] > 0, true_masks)
        agreement = agreement.where(has_mask, torch.ones_like(agreement))
        scores = (agreement**2 * quality)[:, None, None, None] * logits.sigmoid()
        won = win_pixels(logits, scores)
        cut = logits * won
        iou = pairwise_iou(won[everyone, places], true_masks)
        areas = true_masks.flatten(1).sum(1)
        accepted = (iou > _LEAST_IOU * (areas / _FULL_SIZE**2).clamp(max=1)) | ~has_mask
        for index, pixels in stuff.items():
            accepted[index] = True
            cut[index] = cut[index].masked_fill(pixels, _STUFF_LOGIT)
        written = self._written_frames(clip, given).to(accepted.device) & accepted[:, None]
        stored = states.of_clip(clip)
        stored[rows] = torch.where(written[..., None, None], cut, stored[rows])
        states.queries[rows, -len(clip.frames) :] = queries

    def _written_frames(self, clip: UnivsClip, given: list[list[Target]]) -> Tensor:
        """Frames in which targets, given by these in the clip, take their prediction: ``(N, T)``.

        Those from the given one on, without frames whose mask is given.
        """
        written = torch.zeros(len(given), len(clip.frames), dtype=torch.bool)
        for row, targets in enumerate(given):
            begins_here = targets[0] is self.given[targets[0].id][0]
            replaced = targets if begins_here else targets[-1:]
            first = min(target.frame_index for target in replaced)
            written[row, first - clip.frames.start :] = True
            for target in targets:
                if isinstance(target, MaskTarget):
                    written[row, target.frame_index - clip.frames.start] = False
        return written

    def _write_followed(
        self,
        clip: UnivsClip,
        states: TargetStates,
        rows: list[int],
        logits: Tensor,
        queries: Tensor,
        quality: Tensor,
        stuff: dict[int, Tensor],
    ) -> None:
        """Add to the masks of targets that appeared before the clip, if they are still the same."""
        similarity = consistency(states.queries[rows], queries)
        is_same = similarity > self.consistency_threshold
        logits = logits * is_same[:, None, None, None]
        probabilities = logits.sigmoid()
        for index, pixels in stuff.items():
            logits[index] = logits[index].masked_fill(pixels, _STUFF_LOGIT)
            probabilities[index] = probabilities[index].masked_fill(pixels, 1.0)
        weights = similarity**2 * quality * is_same
        won = win_pixels(logits, weights[:, None, None, None] * probabilities)
        kept = won & (won_share(won, logits) > _LEAST_WON_SHARE)[:, None, None, None]
        states.of_clip(clip)[rows] += logits * kept
        states.average_queries(rows, queries)
