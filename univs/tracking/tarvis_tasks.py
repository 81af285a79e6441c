"""What TarViS can be asked of a video; any number of tasks share the features of its clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from univs.modeling.meta_arch.tarvis import TarViS
from univs.modeling.pixel_decoder import PixelFeatures
from univs.structures import (
    FrameResult,
    Rle,
    Segment,
    Track,
    VideoResult,
    encode_masks,
)
from univs.structures.mask_rle import decode_masks, encode_mask
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_stitching import (
    FrameMasks,
    SemanticStitcher,
    TrackStitcher,
)

# Mask logits of things among the stuff of a panoptic map.
_NO_STUFF = -1000.0


@dataclass
class EncodedClip:
    """The features of one clip, on which all tasks work.

    Attributes:
        frames: of the video.
        shared: how many of them, from the first on, the clip before has as well.
        features: of the network.
        size: from frames to the network's input and back.
        padded_size: height and width of the network's input with padding.
    """

    frames: range
    shared: int
    features: PixelFeatures
    size: FrameSize
    padded_size: tuple[int, int]


class Task(ABC):
    """One question about a video, and what is known of the answer so far."""

    @abstractmethod
    def begins_at(self) -> int | None:
        """The first frame that the task needs; None if it needs none so far."""

    @abstractmethod
    def add(self, model: TarViS, clip: EncodedClip) -> None:
        """Segment the next clip."""

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


class _CategoryTask(Task):
    """Tracks of everything that belongs to a class of a vocabulary."""

    def __init__(
        self,
        vocabulary: str,
        *,
        max_tracks_per_clip: int,
        score_threshold: float,
        iou_threshold: float,
        published: bool,
    ) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            max_tracks_per_clip, score_threshold, iou_threshold: see
                :class:`~univs.tracking.tarvis_stitching.TrackStitcher`.
            published: join clips as the original does.
        """
        self.vocabulary = vocabulary
        self.stitcher = TrackStitcher(
            max_tracks_per_clip=max_tracks_per_clip,
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            keep_earlier=published,
        )
        self.frame_size: FrameSize | None = None
        self.masks: dict[int, dict[int, Rle]] = {}  # by frame, then by track

    def begins_at(self) -> int:
        return 0

    @property
    def num_final(self) -> int:
        return len(self.masks)

    def keep(self, frames: list[FrameMasks]) -> None:
        """Restore the masks of final frames to the size of the video, as run lengths."""
        for frame in frames:
            masks = self.frame_size.restore(frame.mask_logits) > 0
            rles = encode_masks(masks.cpu().numpy())
            self.masks[frame.frame] = dict(zip(frame.ids, rles, strict=True))

    def scores(self) -> dict[int, Tensor]:
        """Probabilities ``(1 + K,)`` of the classes of each track, background first, by id."""
        return {
            track_id: logits.softmax(-1).cpu()
            for track_id, logits in self.stitcher.class_logits().items()
        }


class InstanceTask(_CategoryTask):
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
            stitching: see :class:`_CategoryTask`.
        """
        super().__init__(vocabulary, **stitching)
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.keep(
            self.stitcher.add(
                clip.frames, clip.shared, prediction.class_logits, prediction.mask_logits
            )
        )

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
        tracks = [
            Track(
                id=track_id if self.one_category_per_track else index + 1,
                size=size,
                category=category,
                score=score,
            )
            for index, (track_id, category, score) in enumerate(pairs)
        ]
        for frame in range(num_frames):
            of_frame = self.masks.get(frame, {})
            masks = decode_masks([of_frame.get(track_id) for track_id, _, _ in pairs], size)
            categories = np.array([category for _, category, _ in pairs], dtype=int)
            for category in np.unique(categories):
                same = np.flatnonzero(categories == category)
                masks[same] = without_better(masks[same])
            for track, rle in zip(tracks, encode_masks(masks), strict=True):
                track.append(rle)
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)


class PanopticTask(_CategoryTask):
    """Video panoptic segmentation: tracks of things, and a stuff class for all other pixels.

    In results class k of K is the id of its stuff plus 1, and track n of the things has the id K +
    n.
    """

    def __init__(self, vocabulary: str, *, thing_classes: Sequence[int], **stitching) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            thing_classes: 0-based classes that are things; all others are stuff.
            stitching: see :class:`_CategoryTask`; tracks of the result have a higher score than its
                ``score_threshold``.
        """
        super().__init__(vocabulary, **stitching)
        self.thing_classes = sorted(set(thing_classes))
        self.semantic_stitcher = SemanticStitcher()
        self.stuff_maps: list[np.ndarray] = []  # by frame
        self.num_classes = 0

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.keep(
            self.stitcher.add(
                clip.frames, clip.shared, prediction.class_logits, prediction.mask_logits
            )
        )
        self.keep_stuff(
            self.semantic_stitcher.add(clip.frames, clip.shared, prediction.semantic_logits)
        )

    def keep_stuff(self, frames: list[tuple[int, Tensor]]) -> None:
        """Turn the class logits ``(K, h, w)`` of final frames into maps of stuff classes."""
        for _, logits in frames:
            self.num_classes = len(logits)
            logits = logits.clone()
            logits[self.thing_classes] = _NO_STUFF
            labels = self.frame_size.restore(logits).argmax(0)
            self.stuff_maps.append(labels.to(torch.int16).cpu().numpy())

    def things(self) -> dict[int, tuple[int, float]]:
        """0-based class and score of the tracks that are things, by id, worst first."""
        things = {}
        for track_id, probabilities in self.scores().items():
            score, label = probabilities.max(-1)
            category = int(label) - 1
            if category in self.thing_classes and score > self.stitcher.score_threshold:
                things[track_id] = (category, float(score))
        return dict(sorted(things.items(), key=lambda item: item[1][1]))

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """Tracks of things and of stuff, which together cover every pixel once, and class maps."""
        self.keep(self.stitcher.finish())
        self.keep_stuff(self.semantic_stitcher.finish())
        frames = [self.frame_result(frame, size) for frame in range(num_frames)]
        return VideoResult.from_frames(frames, size)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        things, labels = self.things(), self.stuff_maps[frame].copy()
        id_map = labels.astype(np.int32) + 1
        visible = [track_id for track_id in things if track_id in self.masks[frame]]
        rles = [self.masks[frame][track_id] for track_id in visible]
        # Better things are painted over worse ones.
        for track_id, mask in zip(visible, decode_masks(rles, size), strict=True):
            id_map[mask], labels[mask] = self.num_classes + track_id, things[track_id][0]
        present = np.unique(id_map).tolist()
        segments = []
        for segment_id, mask in zip(
            present, id_map == np.array(present)[:, None, None], strict=True
        ):
            category, score = segment_id - 1, 1.0
            if segment_id > self.num_classes:
                category, score = things[segment_id - self.num_classes]
            segments.append(
                Segment(track_id=segment_id, rle=encode_mask(mask), category=category, score=score)
            )
        return FrameResult(frame_index=frame, size=size, segments=segments, label_map=labels)


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
