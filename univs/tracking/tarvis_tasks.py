"""What TarViS can be asked of a video; any number of tasks share the features of its clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from univs.modeling.meta_arch.tarvis import TarViS
from univs.modeling.pixel_decoder import PixelFeatures
from univs.structures import (
    FrameResult,
    Segment,
    Track,
    VideoResult,
    encode_masks,
)
from univs.structures.mask_log import MaskLog
from univs.structures.mask_rle import decode_masks
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_stitching import FrameMasks, TrackStitcher


@dataclass
class EncodedClip:
    """The features of one clip, on which all tasks work.

    Attributes:
        frames: of the video.
        features: of the network.
        size: from frames to the network's input and back.
        padded_size: height and width of the network's input with padding.
    """

    frames: range
    features: PixelFeatures
    size: FrameSize
    padded_size: tuple[int, int]


class Task(ABC):
    """One question about a video, and what is known of the answer so far."""

    @abstractmethod
    def begins_at(self) -> int | None:
        """The first frame that the task needs; None if it needs none so far."""

    @property
    def latency(self) -> int:
        """How many frames must follow a clip before those that no later clip shares are final."""
        return 0

    def check_size(self, size: tuple[int, int]) -> None:  # noqa: B027  most tasks take any
        """Learn height and width of the frames.

        Raises:
            ValueError: something that was given does not fit them.
        """

    @abstractmethod
    def add(self, model: TarViS, clip: EncodedClip) -> None:
        """Segment the next clip."""

    def pass_over(self, stop: int) -> None:  # noqa: B027  most tasks begin with frame 0
        """Learn that no frame before ``stop`` is needed, because all lie before the first one."""

    def proceed(self) -> None:  # noqa: B027  most tasks know all after a clip
        """Learn that the video goes on after the last clip."""

    @property
    @abstractmethod
    def num_final(self) -> int:
        """How many frames, from the first on, no later clip can change."""

    @abstractmethod
    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        """The answer for a final frame, with the scores known so far."""

    @abstractmethod
    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """The answer for the whole video of frames of ``size``."""


class CategoryTask(Task):
    """Tracks of everything that belongs to a class of a vocabulary."""

    def __init__(
        self,
        vocabulary: str,
        *,
        overlap: int,
        max_tracks_per_clip: int,
        score_threshold: float,
        iou_threshold: float,
        published: bool,
    ) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            overlap: frames that successive clips share.
            max_tracks_per_clip, score_threshold, iou_threshold: see
                :class:`~univs.tracking.tarvis_stitching.TrackStitcher`.
            published: join clips as the original does.
        """
        self.vocabulary = vocabulary
        self.stitcher = TrackStitcher(
            overlap=overlap,
            max_tracks_per_clip=max_tracks_per_clip,
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            keep_earlier=published,
        )
        self.frame_size: FrameSize | None = None
        self.masks = MaskLog()  # of final frames, by track
        self._scores: dict[int, Tensor] | None = None  # as of the last clip

    def begins_at(self) -> int:
        return 0

    @property
    def num_final(self) -> int:
        return len(self.masks)

    def add_tracks(self, clip: range, class_logits: Tensor, mask_logits: Tensor) -> None:
        """Join the instances of the next clip with those of the clips before.

        Args:
            clip: its T frames.
            class_logits: ``(Q, 1 + K)``, background first.
            mask_logits: ``(Q, T, h, w)``.
        """
        self.keep(self.stitcher.add(clip, class_logits, mask_logits))
        self._scores = None

    def keep(self, frames: list[FrameMasks]) -> None:
        """Restore the masks of final frames to the size of the video, as run lengths."""
        for frame in frames:
            masks = self.frame_size.restore(frame.mask_logits) > 0
            rles = encode_masks(masks.cpu().numpy())
            self.masks.append(dict(zip(frame.ids, rles, strict=True)))

    def scores(self) -> dict[int, Tensor]:
        """Probabilities ``(1 + K,)`` of the classes of each track, background first, by id."""
        if self._scores is None:
            logits = self.stitcher.class_logits()
            table = torch.stack([*logits.values()]).softmax(-1).cpu() if logits else ()
            self._scores = dict(zip(logits, table, strict=True))
        return self._scores


class InstanceTask(CategoryTask):
    """Video instance segmentation."""

    def __init__(
        self, vocabulary: str, *, max_tracks: int, one_category_per_track: bool, **stitching
    ) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            max_tracks: tracks in the result.
            one_category_per_track: give every track its best class; otherwise it may appear once
                for every class, as average precision rewards.
            stitching: see :class:`CategoryTask`.
        """
        super().__init__(vocabulary, **stitching)
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.add_tracks(clip.frames, prediction.class_logits, prediction.mask_logits)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        scores, segments = self.scores(), []
        for track_id, rle in self.masks[frame].items():
            score, category = scores[track_id][1:].max(-1)
            segments.append(
                Segment(track_id=track_id, rle=rle, category=int(category), score=float(score))
            )
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """The best tracks; those of one class do not overlap: the better one keeps the pixels."""
        self.keep(self.stitcher.finish())
        pairs = best_pairs(self.scores(), self.max_tracks, self.one_category_per_track)
        categories = np.array([category for _, category, _ in pairs], dtype=int)
        disjoint = MaskLog()  # by pair
        for of_frame in self.masks:
            masks = decode_masks([of_frame.get(track_id) for track_id, _, _ in pairs], size)
            for category in np.unique(categories):
                same = np.flatnonzero(categories == category)
                masks[same] = without_better(masks[same])
            disjoint.append(dict(enumerate(encode_masks(masks))))
        tracks = [
            Track(
                id=track_id if self.one_category_per_track else index + 1,
                size=size,
                category=category,
                score=score,
                segmentations=disjoint.track(index),
            )
            for index, (track_id, category, score) in enumerate(pairs)
        ]
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)


def best_pairs(
    scores: dict[int, Tensor], max_tracks: int, one_category_per_track: bool
) -> list[tuple[int, int, float]]:
    """The best tracks with their classes.

    Args:
        scores: ``(1 + K,)`` of each track, background first, by id.
        max_tracks: most pairs.
        one_category_per_track: at most one pair for every track.

    Returns:
        (id, 0-based class, score), best first, ties in the order of tracks and classes.
    """
    if not scores:
        return []
    ids = list(scores)
    table = torch.stack([*scores.values()])[:, 1:]  # tracks K
    if one_category_per_track:
        best, categories = table.max(1)
        rows = torch.arange(len(ids))
    else:
        best = table.flatten()
        rows = torch.arange(len(ids)).repeat_interleave(table.shape[1])
        categories = torch.arange(table.shape[1]).repeat(len(ids))
    order = best.argsort(descending=True, stable=True)[:max_tracks].tolist()
    return [(ids[rows[index]], int(categories[index]), float(best[index])) for index in order]


def without_better(masks: np.ndarray) -> np.ndarray:
    """Take from each mask of ``[N, H, W]`` bool, best first, the pixels of better ones."""
    covered = np.logical_or.accumulate(masks, axis=0)
    disjoint = masks.copy()
    disjoint[1:] &= ~covered[:-1]
    return disjoint
