"""Joining the overlapping clips of a long video (TarViS, section 3.5).

Stitchers take the predictions of one clip after another and give back frames as soon as no later
clip can change them. They hold the frames that two clips share, whatever the length of the video.
Every clip but the last one shares its last ``overlap`` frames with the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def check_overlap(clip_length: int, overlap: int) -> None:
    """Refuse clips of which one frame could be in three, or that share no frame.

    Raises:
        ValueError: the overlap is not between 1 and half the length of a clip.
    """
    if not 1 <= overlap <= clip_length // 2:
        raise ValueError(
            f"clips of {clip_length} frames cannot share {overlap}: set MODEL.TARVIS.TEST."
            "FRAME_OVERLAP to 1 or more and to at most half of TEST.CLIP_LENGTH; --stride, if it "
            "is given, must be less than --clip-length, and at least half of it"
        )


@dataclass
class FrameMasks:
    """Masks of one frame that are final.

    Attributes:
        frame: index in the video.
        ids: of the M tracks that have a mask, which may be empty.
        mask_logits: ``(M, h, w)``.
    """

    frame: int
    ids: list[int]
    mask_logits: Tensor


class TrackStitcher:
    """Gives instances of successive clips the same id where their masks agree.

    Attributes:
        class_sums: sum of the class logits ``(1 + K,)`` of each track over its clips, by id.
        num_clips: number of clips of each track, by id.
    """

    def __init__(
        self,
        *,
        overlap: int,
        max_tracks_per_clip: int,
        score_threshold: float,
        iou_threshold: float,
        keep_earlier: bool,
    ) -> None:
        """
        Args:
            overlap: frames that successive clips share.
            max_tracks_per_clip: instances of a clip that are kept, best first.
            score_threshold: least probability of the best class of an instance that is kept.
            iou_threshold: instances of two clips are the same above this overlap.
            keep_earlier: shared frames keep the masks of the earlier clip, and instances without a
                pixel in them count as equal (as published); otherwise logits are averaged, and such
                instances never match.
        """
        self.overlap = overlap
        self.max_tracks_per_clip = max_tracks_per_clip
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.keep_earlier = keep_earlier
        self.class_sums: dict[int, Tensor] = {}
        self.num_clips: dict[int, int] = {}
        self._shared: list[FrameMasks] = []  # what the last clip predicts for its shared frames
        self._waiting: list[FrameMasks] = []  # what was not given out yet
        self._next_id = 1
        self.last_ids: list[int] = []

    def add(self, clip: range, class_logits: Tensor, mask_logits: Tensor) -> list[FrameMasks]:
        """Take the next clip.

        Args:
            clip: its T frames.
            class_logits: ``(Q, 1 + K)``, background first.
            mask_logits: ``(Q, T, h, w)``.

        Returns:
            the frames that are final and were not given out yet.
        """
        kept = self._kept(class_logits.float())
        class_logits, mask_logits = class_logits[kept].float(), mask_logits[kept].float()
        earlier = self._shared
        ids = self._associated(earlier, mask_logits[:, : len(earlier)])
        for track_id, logits in zip(ids, class_logits, strict=True):
            self.class_sums[track_id] = self.class_sums.get(track_id, 0) + logits
            self.num_clips[track_id] = self.num_clips.get(track_id, 0) + 1
        self.last_ids = ids
        masks = [
            FrameMasks(frame, ids, logits)
            for frame, logits in zip(clip, mask_logits.unbind(1), strict=True)
        ]
        self._shared = masks[-self.overlap :]
        if self.keep_earlier:
            return masks[len(earlier) :]
        means = [averaged(*pair) for pair in zip(earlier, masks, strict=False)]
        frames = means + masks[len(earlier) :]
        self._waiting = frames[-self.overlap :]
        return frames[: -self.overlap]

    def finish(self) -> list[FrameMasks]:
        """The frames that are left."""
        waiting, self._waiting, self._shared = self._waiting, [], []
        return waiting

    def class_logits(self) -> dict[int, Tensor]:
        """Class logits ``(1 + K,)`` of each track, averaged over its clips, by id."""
        return {
            track_id: total / self.num_clips[track_id]
            for track_id, total in self.class_sums.items()
        }

    def _kept(self, class_logits: Tensor) -> Tensor:
        """Indices of the instances to keep: all good enough ones, or the best, best first."""
        scores = class_logits.softmax(-1)[:, 1:].amax(-1)
        kept = (scores >= self.score_threshold).nonzero().squeeze(1)
        if len(kept) > self.max_tracks_per_clip:
            best = scores[kept].argsort(descending=True, stable=True)
            kept = kept[best[: self.max_tracks_per_clip]]
        return kept

    def _associated(self, earlier: list[FrameMasks], mask_logits: Tensor) -> list[int]:
        """Ids of the instances ``(M, shared, h, w)`` of a clip."""
        ids: list[int | None] = [None] * len(mask_logits)
        if earlier and len(mask_logits):
            before = torch.stack([frame.mask_logits for frame in earlier], dim=1)
            overlaps = mask_ious(before > 0, mask_logits > 0, empty_match=self.keep_earlier)
            overlaps = overlaps.cpu().numpy()
            for row, column in zip(*linear_sum_assignment(overlaps, maximize=True), strict=True):
                if overlaps[row, column] > self.iou_threshold:
                    ids[column] = earlier[0].ids[row]
        for index, track_id in enumerate(ids):
            if track_id is None:
                ids[index] = self._next_id
                self._next_id += 1
        return ids


class SemanticStitcher:
    """Averages the class maps of frames that clips share."""

    def __init__(self, *, overlap: int) -> None:
        """
        Args:
            overlap: frames that successive clips share.
        """
        self.overlap = overlap
        self._waiting: list[Tensor] = []

    def add(self, logits: Tensor) -> list[Tensor]:
        """Take the logits ``(K, T, h, w)`` of the next clip.

        Returns:
            logits ``(K, h, w)`` of the frames that are final and were not given out yet.
        """
        frames = list(logits.float().unbind(1))
        means = [(before + after) / 2 for before, after in zip(self._waiting, frames, strict=False)]
        frames = means + frames[len(means) :]
        self._waiting = frames[-self.overlap :]
        return frames[: -self.overlap]

    def finish(self) -> list[Tensor]:
        """The frames that are left."""
        waiting, self._waiting = self._waiting, []
        return waiting


class ObjectStitcher:
    """Joins the masks of given objects, whose ids are known."""

    def __init__(self, *, overlap: int, overwrite: bool) -> None:
        """
        Args:
            overlap: frames that successive clips share.
            overwrite: a clip replaces the shared frames of the clip before, unless it is the last
                one (as published); otherwise logits are averaged.
        """
        self.overlap = overlap
        self.overwrite = overwrite
        self._shared: list[list[FrameMasks]] = []  # layers of the frames that clips share
        self._newest: list[FrameMasks] = []  # of the last clip, not merged yet

    def add(self, clip: range, ids: list[int], mask_logits: Tensor) -> list[list[FrameMasks]]:
        """Take the next clip.

        Args:
            clip: its T frames.
            ids: of the N objects.
            mask_logits: ``(N, T, h, w)``.

        Returns:
            layers, see :func:`~univs.tracking.tarvis_objects.layered_masks`, of the frames that are
            final and were not given out yet. A frame has several layers where a clip replaced masks
            of another one.
        """
        final = self.proceed()
        self._newest = [
            FrameMasks(frame, ids, logits)
            for frame, logits in zip(clip, mask_logits.float().unbind(1), strict=True)
        ]
        # Whether this clip is the last one matters only if it replaces something.
        return final if self._shared and self.overwrite else final + self.proceed()

    def proceed(self) -> list[list[FrameMasks]]:
        """Learn that the video goes on after the last clip; what is final by that."""
        layers = self._merged(is_last=False)
        if not layers:
            return []
        self._shared = layers[-self.overlap :]
        return layers[: -self.overlap]

    def finish(self) -> list[list[FrameMasks]]:
        """The layers of the frames that are left; a new sequence of clips may follow."""
        layers = self._merged(is_last=True) or self._shared
        self._shared = []
        return layers

    def _merged(self, *, is_last: bool) -> list[list[FrameMasks]]:
        """Layers of the frames of the last clip, if they are not merged yet."""
        layers = [
            self._both(below, masks, is_last)
            for below, masks in zip(self._shared, self._newest, strict=False)
        ]
        layers += [[masks] for masks in self._newest[len(layers) :]]
        self._newest = []
        return layers

    def _both(self, below: list[FrameMasks], masks: FrameMasks, is_last: bool) -> list[FrameMasks]:
        if not self.overwrite:
            return [averaged(below[-1], masks)]
        return below if is_last else [*below, masks]


def mask_ious(first: Tensor, second: Tensor, *, empty_match: bool) -> Tensor:
    """Intersection over union of all pairs, all frames together.

    Args:
        first: bool ``(N, T, h, w)``.
        second: bool ``(M, T, h, w)``.
        empty_match: two empty masks have an overlap of 1 (as published), else of 0.

    Returns:
        ``(N, M)``.
    """
    first, second = first.flatten(1).float(), second.flatten(1).float()
    intersection = first @ second.T
    union = first.sum(1)[:, None] + second.sum(1) - intersection
    overlaps = (intersection + 1) / (union + 1)
    return overlaps if empty_match else overlaps * (union > 0)


def averaged(before: FrameMasks, after: FrameMasks) -> FrameMasks:
    """The mean of two predictions for a frame; a track of one of them only keeps that one."""
    place = {track_id: row for row, track_id in enumerate(dict.fromkeys(before.ids + after.ids))}
    logits = torch.cat((before.mask_logits, after.mask_logits))
    rows = [place[track_id] for track_id in (*before.ids, *after.ids)]
    rows = torch.tensor(rows, dtype=torch.long, device=logits.device)
    sums = logits.new_zeros(len(place), *logits.shape[1:]).index_add(0, rows, logits)
    counts = torch.bincount(rows, minlength=len(place))
    return FrameMasks(before.frame, list(place), sums / counts[:, None, None])
