"""What TarViS can be asked of a video; any number of tasks share the features of its clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
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
from univs.structures.mask_rle import decode_masks
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
    @abstractmethod
    def latency(self) -> int:
        """How many frames must follow a clip before those that no later clip shares are final."""

    def check_size(self, size: tuple[int, int]) -> None:
        """Learn height and width of the frames.

        Raises:
            ValueError: something that was given does not fit them.
        """

    @abstractmethod
    def add(self, model: TarViS, clip: EncodedClip) -> None:
        """Segment the next clip."""

    def pass_over(self, stop: int) -> None:
        """Learn that no frame before ``stop`` is needed, because all lie before the first one."""

    def proceed(self) -> None:
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


class _CategoryTask(Task):
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
        self.masks: dict[int, dict[int, Rle]] = {}  # by frame, then by track
        self._scores: dict[int, Tensor] | None = None  # as of the last clip

    def begins_at(self) -> int:
        return 0

    @property
    def latency(self) -> int:
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
            self.masks[frame.frame] = dict(zip(frame.ids, rles, strict=True))

    def scores(self) -> dict[int, Tensor]:
        """Probabilities ``(1 + K,)`` of the classes of each track, background first, by id."""
        if self._scores is None:
            logits = self.stitcher.class_logits()
            table = torch.stack([*logits.values()]).softmax(-1).cpu() if logits else ()
            self._scores = dict(zip(logits, table, strict=True))
        return self._scores


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
        self.semantic_stitcher = SemanticStitcher(overlap=self.stitcher.overlap)
        self.stuff_maps: list[np.ndarray] = []  # by frame
        self.num_classes = 0

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.add_tracks(clip.frames, prediction.class_logits, prediction.mask_logits)
        self.keep_stuff(self.semantic_stitcher.add(prediction.semantic_logits))

    @property
    def num_final(self) -> int:
        return len(self.stuff_maps)

    def keep_stuff(self, frames: list[Tensor]) -> None:
        """Turn the class logits ``(K, h, w)`` of final frames into maps of stuff classes."""
        for logits in frames:
            self.num_classes = len(logits)
            logits = logits.clone()
            logits[self.thing_classes] = _NO_STUFF
            self.stuff_maps.append(best_classes(self.frame_size, logits))

    def things(self, ids: Iterable[int] | None = None) -> dict[int, tuple[int, float]]:
        """0-based class and score of the tracks that are things, by id, worst first.

        Args:
            ids: look at these tracks only.
        """
        scores = self.scores()
        ids = list(scores if ids is None else ids)
        if not ids:
            return {}
        best, labels = torch.stack([scores[track_id] for track_id in ids]).max(1)
        categories = labels - 1
        is_thing = torch.isin(categories, torch.tensor(self.thing_classes))
        is_thing &= best > self.stitcher.score_threshold
        rows = best.argsort(stable=True)
        return {ids[row]: (int(categories[row]), float(best[row])) for row in rows[is_thing[rows]]}

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """Tracks of things and of stuff, which together cover every pixel once, and class maps."""
        self.keep(self.stitcher.finish())
        self.keep_stuff(self.semantic_stitcher.finish())
        frames = [self.frame_result(frame, size) for frame in range(num_frames)]
        return VideoResult.from_frames(frames, size)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        things, labels = self.things(self.masks[frame]), self.stuff_maps[frame].copy()
        id_map = labels.astype(np.int32) + 1
        rles = [self.masks[frame][track_id] for track_id in things]
        # Better things are painted over worse ones.
        for (track_id, (category, _)), mask in zip(
            things.items(), decode_masks(rles, size), strict=True
        ):
            id_map[mask], labels[mask] = self.num_classes + track_id, category
        present = np.unique(id_map)
        segments = []
        for segment_id, rle in zip(
            present.tolist(), encode_masks(id_map == present[:, None, None]), strict=True
        ):
            category, score = segment_id - 1, 1.0
            if segment_id > self.num_classes:
                category, score = things[segment_id - self.num_classes]
            segments.append(Segment(track_id=segment_id, rle=rle, category=category, score=score))
        return FrameResult(frame_index=frame, size=size, segments=segments, label_map=labels)


class SemanticTask(Task):
    """Video semantic segmentation: the best class of every pixel, things and stuff alike.

    Not published, but class queries of panoptic vocabularies are trained to segment things as well.
    """

    def __init__(self, vocabulary: str, *, overlap: int) -> None:
        """
        Args:
            vocabulary: name of the vocabulary.
            overlap: frames that successive clips share.
        """
        self.vocabulary = vocabulary
        self.stitcher = SemanticStitcher(overlap=overlap)
        self.frame_size: FrameSize | None = None
        self.label_maps: list[np.ndarray] = []  # by frame

    def begins_at(self) -> int:
        return 0

    @property
    def latency(self) -> int:
        return 0

    @property
    def num_final(self) -> int:
        return len(self.label_maps)

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        prediction = model.predict_categories(clip.features, len(clip.frames), self.vocabulary)
        self.keep(self.stitcher.add(prediction.semantic_logits))

    def keep(self, frames: list[Tensor]) -> None:
        """Turn the class logits ``(K, h, w)`` of final frames into maps of classes."""
        self.label_maps += [best_classes(self.frame_size, logits) for logits in frames]

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        return FrameResult(
            frame_index=frame, size=size, segments=[], label_map=self.label_maps[frame]
        )

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """Class maps only; there are no tracks."""
        self.keep(self.stitcher.finish())
        return VideoResult(
            num_frames=num_frames, size=size, tracks=[], label_maps=list(self.label_maps)
        )


def best_classes(size: FrameSize, logits: Tensor) -> np.ndarray:
    """Class logits ``(K, h, w)`` -> 0-based classes ``(H, W)`` int16 at the size of the video."""
    return size.restore(logits).argmax(0).to(torch.int16).cpu().numpy()


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
