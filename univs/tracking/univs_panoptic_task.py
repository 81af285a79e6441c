"""Video panoptic segmentation with UniVS: every pixel belongs to at most one entity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from univs.modeling.mask_statistics import quality_counts, quality_of
from univs.structures import FrameResult, Rle, Segment, Track, VideoResult, encode_masks
from univs.structures.mask_log import MaskLog
from univs.tracking.univs_discovery import PanopticDiscovery
from univs.tracking.univs_entity_task import EntityOptions, EntityTask
from univs.tracking.univs_masks import owners_of_pixels

_STUFF_STRENGTH = 0.75  # relative to things


@dataclass
class _PanopticSegment:
    entity: int | None  # of a thing; a class of stuff is one segment
    category: int
    score: float


class PanopticTask(EntityTask):
    """Finds and follows things and stuff. The segments of a frame do not overlap.

    The ids of tracks are 1, 2, ... in the order in which segments appear; all stuff of one class
    is one track.
    """

    competes = False

    def __init__(
        self,
        vocabulary: str,
        discovery: PanopticDiscovery,
        options: EntityOptions,
        *,
        least_visible: float,
    ) -> None:
        """
        Args:
            vocabulary, discovery, options: see
                :class:`~univs.tracking.univs_entity_task.EntityTask`.
            least_visible: share of a thing's pixels that others must leave to it; half of it is
                enough for one that was seen before.
        """
        super().__init__(vocabulary, discovery, options)
        self.thing_classes = discovery.thing_classes
        self.least_visible = least_visible
        self.segments: dict[int, _PanopticSegment] = {}  # by id
        self._id_of_thing: dict[int, int] = {}  # by entity
        self._id_of_stuff: dict[int, int] = {}  # by class
        self._masks = MaskLog()  # by segment

    def latency(self, clip_length: int) -> int:
        if not self.options.published:
            return clip_length - 1
        # From the first frame of a window to the end of the clip after the one that closes it,
        # which begins when the window is due or, as clips come every few frames, a little later.
        memory, window, stride = (
            self.options.num_remembered, self.options.window, self.options.stride,
        )  # fmt: skip
        delay = max(-(memory + count * window) % stride for count in range(stride))
        return memory + window + delay + stride + clip_length - 1

    def _close_window(self) -> None:
        self._paint(range(self._num_final, self._num_final + self.options.window))

    def _emit(self, next_start: int) -> None:
        if not self.options.published:
            self._paint(range(self._num_final, next_start))

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        segments = [
            Segment(
                track_id=segment_id,
                rle=rle,
                category=self.segments[segment_id].category,
                score=self.segments[segment_id].score,
            )
            for segment_id, rle in self._masks[frame].items()
        ]
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """One track for every thing and for every class of stuff."""
        self._paint(range(self._num_final, num_frames))
        # The class of a thing is that of the whole video, whatever it was painted as.
        best = self.entities.of_all()[0].argmax(1).tolist() if self.segments else []
        tracks = []
        for segment_id, segment in self.segments.items():
            if segment.entity is not None:
                segment.category = best[segment.entity]
            tracks.append(
                Track(
                    id=segment_id,
                    size=size,
                    category=segment.category,
                    score=segment.score,
                    segmentations=self._masks.track(segment_id),
                )
            )
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)

    def _paint(self, frames: range) -> None:
        """Make results of a window: who owns which pixels of some frames, which may be none."""
        self._num_final = max(self._num_final, frames.stop)
        if not frames or not len(self.entities):
            for _ in frames:
                self._masks.append({})
            return
        scores, categories = self.entities.scores.max(1)
        is_thing = torch.isin(categories, self.thing_classes.to(categories.device))
        counts = sum(quality_counts(self._logits(frame)) for frame in frames)
        strength = scores * quality_of(counts) * torch.where(is_thing, 1.0, _STUFF_STRENGTH)
        own, won = torch.zeros(2, len(scores), dtype=torch.int64, device=scores.device)
        owners = []
        for frame in frames:
            probabilities = self._logits(frame).sigmoid_()
            owner, claimed, is_owned = owners_of_pixels(probabilities, strength)
            own += claimed
            won += torch.bincount(owner[is_owned], minlength=len(scores))
            is_sure = probabilities.gather(0, owner[None])[0] >= 0.5
            owners.append(owner.masked_fill(~(is_owned & is_sure), -1).to(torch.int32).cpu())
        visible = (won / own.clamp(min=1)).tolist()
        present = {row for owner in owners for row in owner.unique().tolist() if row >= 0}
        ids = np.zeros(len(scores) + 1, dtype=np.int32)  # by row; the last one is no entity
        for row in sorted(present):
            category, score = int(categories[row]), float(scores[row])
            if not is_thing[row]:
                ids[row] = self._stuff_id(category, score)
                continue
            entity = self.entities.ids[row]
            if visible[row] >= self.least_visible / (2 if entity in self._id_of_thing else 1):
                ids[row] = self._thing_id(entity, category, score)
        for owner in owners:
            self._masks.append(masks_of_id_map(ids[owner.numpy()]))

    def _logits(self, frame: int) -> Tensor:
        """Mask logits ``(N, H, W)`` of a frame at its original size."""
        masks = self.entities.masks
        logits = self.size.restore(masks.sums[frame])
        if not self.options.published:  # where nothing is known, nothing is
            logits[~masks.has_mask[frame]] = -torch.inf
        return logits

    def _thing_id(self, entity: int, category: int, score: float) -> int:
        segment_id = self._id_of_thing.setdefault(entity, len(self.segments) + 1)
        self.segments[segment_id] = _PanopticSegment(entity, category, score)
        return segment_id

    def _stuff_id(self, category: int, score: float) -> int:
        segment_id = self._id_of_stuff.setdefault(category, len(self.segments) + 1)
        self.segments[segment_id] = _PanopticSegment(None, category, score)
        return segment_id


def masks_of_id_map(id_map: np.ndarray) -> dict[int, Rle]:
    """The masks of the ids above 0 in a map ``[H, W]``, by id."""
    ids = [int(segment_id) for segment_id in np.unique(id_map) if segment_id > 0]
    masks = id_map == np.array(ids, dtype=id_map.dtype)[:, None, None]
    return dict(zip(ids, encode_masks(masks), strict=True))
