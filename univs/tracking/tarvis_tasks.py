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
from univs.structures import MaskTarget, PointTarget, Rle, Track, VideoResult, encode_masks
from univs.structures.mask_rle import decode_masks
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_exemplars import (
    GivenObject,
    ObjectMemory,
    hide_before_reference,
    objects_of_clip,
)
from univs.tracking.tarvis_stitching import (
    FrameMasks,
    ObjectStitcher,
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
            one_category_per_track: give every track its best class; otherwise it may appear once for
                every class, as average precision rewards.
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
    """Video panoptic segmentation: tracks of things, and a stuff class for all other pixels."""

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
        self.num_classes = len(prediction.semantic_logits)
        self.keep_stuff(
            self.semantic_stitcher.add(clip.frames, clip.shared, prediction.semantic_logits)
        )

    def keep_stuff(self, frames: list[tuple[int, Tensor]]) -> None:
        """Turn the class logits ``(K, h, w)`` of final frames into maps of stuff classes."""
        for _, logits in frames:
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
        """Tracks of things and of stuff, which together cover every pixel once, and class maps.

        Things keep the ids of their tracks; stuff classes get those that follow.
        """
        self.keep(self.stitcher.finish())
        self.keep_stuff(self.semantic_stitcher.finish())
        things = self.things()
        first_stuff_id = max(self.stitcher.class_sums, default=0) + 1
        tracks = {
            track_id: Track(id=track_id, size=size, category=category, score=score)
            for track_id, (category, score) in things.items()
        }
        label_maps = []
        for frame in range(num_frames):
            labels = self.stuff_maps[frame].copy()
            id_map = labels.astype(np.int32) + first_stuff_id
            visible = [track_id for track_id in things if track_id in self.masks.get(frame, {})]
            rles = [self.masks[frame][track_id] for track_id in visible]
            for track_id, mask in zip(visible, decode_masks(rles, size), strict=True):
                id_map[mask], labels[mask] = track_id, things[track_id][0]
            label_maps.append(labels)
            present = np.unique(id_map)
            for track_id, rle in zip(
                present.tolist(), encode_masks(id_map == present[:, None, None]), strict=True
            ):
                category = track_id - first_stuff_id
                track = tracks.setdefault(
                    track_id, Track(id=track_id, size=size, category=max(category, 0))
                )
                track.pad_to(frame)
                track.append(rle)
        for track in tracks.values():
            track.pad_to(num_frames)
        return VideoResult(
            num_frames=num_frames, size=size, tracks=list(tracks.values()), label_maps=label_maps
        )


class ObjectTask(Task):
    """Segmentation of objects that are given by masks or points, in any frame."""

    def __init__(self, *, overlap: int, published: bool) -> None:
        """
        Args:
            overlap: frames that successive clips share.
            published: join clips as the original does.
        """
        self.overlap = overlap
        self.stitcher = ObjectStitcher(overwrite=published)
        self.memory = ObjectMemory()
        self.targets: dict[int, MaskTarget | PointTarget] = {}
        self.lost: list[list[int]] = []  # ids of the objects that vanished, by clip
        self.frame_size: FrameSize | None = None
        self.masks: dict[int, dict[int, Rle]] = {}  # by frame, then by object

    def add_target(self, target: MaskTarget | PointTarget) -> None:
        """Give an object. Its frame must not have been segmented yet.

        Raises:
            ValueError: the id is taken, or the target is none that TarViS understands.
        """
        if target.id in self.targets:
            raise ValueError(f"target {target.id} is given twice: every object needs its own id")
        if isinstance(target, PointTarget):
            if len(target.points) != 1 or not target.is_inside[0]:
                raise ValueError(
                    f"target {target.id} has {len(target.points)} points: TarViS takes exactly one "
                    "point inside of the object"
                )
        elif not isinstance(target, MaskTarget):
            raise ValueError(
                f"target {target.id} is a {type(target).__name__}: TarViS takes objects as "
                "MaskTarget or PointTarget"
            )
        self.targets[target.id] = target

    def begins_at(self) -> int | None:
        return min((target.frame_index for target in self.targets.values()), default=None)

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        given = [
            given_object(target, clip.size)
            for target in self.targets.values()
            if target.frame_index in clip.frames
        ]
        objects = objects_of_clip(
            self.memory,
            given,
            clip.frames,
            input_size=clip.size.resized,
            padded_size=clip.padded_size,
            device=clip.features.mask_features.device,
        )
        self.lost.append(objects.lost)
        if objects.exemplars is None:
            self.keep(self.stitcher.finish())
            self.memory = ObjectMemory()
            return
        num_frames = len(clip.frames)
        logits = model.predict_objects(clip.features, num_frames, objects.exemplars).mask_logits
        references = {target.id: target.frame_index for target in self.targets.values()}
        logits = hide_before_reference(logits.float(), objects.ids, references, clip.frames)
        self.memory.update(clip.frames, objects.ids, logits, self.overlap)
        self.keep(self.stitcher.add(clip.frames, objects.ids, logits))

    def keep(self, frames: list[list[FrameMasks]]) -> None:
        """Restore the masks of final frames to the size of the video, as run lengths."""
        for layers in frames:
            masks = layered_masks(layers, self.frame_size)
            ids, disjoint = list(masks), without_later(np.array([*masks.values()]))
            if ids:
                self.masks[layers[0].frame] = dict(
                    zip(ids, encode_masks(disjoint), strict=True)
                )

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """One track for each object, under the id of its target; masks do not overlap."""
        self.keep(self.stitcher.finish())
        tracks = [
            Track(
                id=target_id,
                target_id=target_id,
                size=size,
                segmentations=[
                    self.masks.get(frame, {}).get(target_id) for frame in range(num_frames)
                ],
            )
            for target_id in sorted(self.targets)
        ]
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)


def given_object(target: MaskTarget | PointTarget, size: FrameSize) -> GivenObject:
    """A target in the coordinates of the network's input.

    Raises:
        ValueError: it does not fit the frame.
    """
    height, width = size.original
    if isinstance(target, PointTarget):
        x, y = target.points[0].tolist()
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(
                f"the point ({x}, {y}) of target {target.id} is outside of the frame of {width} x "
                f"{height} pixels"
            )
        return GivenObject(target.id, target.frame_index, point=(x / width, y / height))
    if target.size != size.original:
        raise ValueError(
            f"the mask of target {target.id} has the size {list(target.size)}, but the frames of "
            f"the video are {list(size.original)}"
        )
    mask = torch.from_numpy(np.ascontiguousarray(target.mask))[None, None].float()
    if size.resized != size.original:
        mask = torch.nn.functional.interpolate(
            mask, size=size.resized, mode="bilinear", align_corners=False
        )
    return GivenObject(target.id, target.frame_index, mask=mask[0, 0] > 0.5)


def layered_masks(layers: list[FrameMasks], size: FrameSize) -> dict[int, np.ndarray]:
    """Masks of one frame by id; those of later layers replace earlier ones of the same id.

    Within a layer every pixel belongs to the object with the largest logit, if that is positive.
    Objects without a pixel leave no mask, so an earlier one may stay.

    Args:
        layers: predictions of successive clips.
        size: from the network's input to the frame.

    Returns:
        bool ``(H, W)`` by id, in the order in which the ids appeared.
    """
    masks: dict[int, np.ndarray] = {}
    for layer in layers:
        if not layer.ids:
            continue
        best, owner = size.restore(layer.mask_logits).max(0)
        owner = owner.masked_fill(best <= 0, -1).cpu().numpy()
        for index, object_id in enumerate(layer.ids):
            mask = owner == index
            if mask.any():
                masks[object_id] = mask
    return masks


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


def without_later(masks: np.ndarray) -> np.ndarray:
    """Take from each mask of ``[N, H, W]`` bool the pixels of masks that follow."""
    return without_better(masks[::-1])[::-1] if len(masks) else masks
