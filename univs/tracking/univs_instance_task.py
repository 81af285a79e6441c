"""Video instance segmentation with UniVS: entities that may overlap, ranked by their scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.structures import FrameResult, Segment, Track, VideoResult
from univs.structures.mask_log import MaskLog
from univs.tracking.univs_entity_task import EntityTask
from univs.tracking.univs_masks import visible_masks

# Pairs of entity and class with a lower class score are left out of results; pairs with a score
# above the second one count when the number of results is limited (both as published).
_LEAST_CLASS_SCORE = 0.005
_LIKELY_CLASS_SCORE = 0.05


class InstanceTask(EntityTask):
    """Finds and follows instances. Their masks may overlap.

    The id of a track is that of its entity plus 1.
    """

    competes = True

    def __init__(self, *arguments, max_tracks: int, one_category_per_track: bool) -> None:
        """
        Args:
            arguments: see :class:`~univs.tracking.univs_entity_task.EntityTask`.
            max_tracks: results to keep, or more if there are many likely ones.
            one_category_per_track: give every track its best class; otherwise it appears once for
                every class, as average precision rewards.
        """
        super().__init__(*arguments)
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track
        self._masks = MaskLog()  # by entity
        self._windows = WindowScores()

    def _close_window(self) -> None:
        if self.entities.num_ever:
            self._windows.add(self.entities.of_all()[0])

    def _emit(self, next_start: int) -> None:
        for frame in range(self._num_final, next_start):
            masks = visible_masks(self.entities.masks.sums[frame], self.size)
            self._masks.append({self.entities.ids[row]: rle for row, rle in masks.items()})
        self._num_final = max(self._num_final, next_start)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        segments = []
        masks = self._masks[frame]
        if masks:
            scores, quality = self.entities.of_all()
            scores, categories = scores.max(1)
            scores, categories = (scores * relative(quality)).tolist(), categories.tolist()
            segments = [
                Segment(
                    track_id=entity + 1, rle=rle, category=categories[entity], score=scores[entity]
                )
                for entity, rle in masks.items()
            ]
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """The tracks of the whole video, best first."""
        self._emit(num_frames)
        tracks = []
        if self.entities.num_ever:
            self._close_window()
            pairs = self._best_pairs(self._windows.mean())
            for entity, category, score in pairs:
                tracks.append(
                    Track(
                        id=entity + 1 if self.one_category_per_track else len(tracks) + 1,
                        size=size,
                        category=category,
                        score=score,
                        segmentations=self._masks.track(entity),
                    )
                )
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)

    def _best_pairs(self, scores: Tensor) -> list[tuple[int, int, float]]:
        """Entity, class and score of results, best first, of class scores ``(E, K)``."""
        is_possible = scores >= _LEAST_CLASS_SCORE
        if self.one_category_per_track:
            is_possible &= F.one_hot(scores.argmax(1), scores.shape[1]).bool()
        entities, categories = is_possible.nonzero(as_tuple=True)
        quality = relative(self.entities.of_all()[1])
        values = (scores * quality[:, None])[entities, categories]
        order = values.argsort(descending=True, stable=True)
        num_likely = int((scores > _LIKELY_CLASS_SCORE).sum())
        most = max(int(1.5 * num_likely), self.max_tracks)
        if len(order) > most:  # and one more, with those that are equal to it (as published)
            order = order[: int((values >= values[order[most]]).sum())]
        return [(int(entities[i]), int(categories[i]), float(values[i])) for i in order]


def relative(quality: Tensor) -> Tensor:
    """How certain the masks of entities are, compared to the best: sums ``(E,)`` -> [0, 1)."""
    return quality / (quality.max().floor() + 1)


@dataclass
class WindowScores:
    """Class scores of entities, averaged over the windows that the original makes results of.

    The scores of a window are those of all clips so far, so early clips count more often.
    """

    total: Tensor | None = None  # E K
    num_windows: Tensor | None = None  # E, those with any score
    had_score: Tensor | None = None  # E, in the latest window

    def add(self, scores: Tensor) -> None:
        """Add a window: scores ``(E, K)`` of all entities; new ones come last."""
        has_score = (scores.sum(1) > 0).float()
        if self.total is None:
            self.total = torch.zeros_like(scores)
            self.num_windows = torch.zeros_like(has_score)
            self.had_score = has_score
        num_known = len(self.total)
        num_new = len(scores) - num_known
        before = torch.cat((self.had_score, has_score[len(self.had_score) :]))
        weights = has_score * (before + has_score) / 2
        self.total = F.pad(self.total, (0, 0, 0, num_new)) + weights[:, None] * scores
        self.num_windows = F.pad(self.num_windows, (0, num_new)) + has_score
        self.had_score = has_score

    def mean(self) -> Tensor:
        """The average scores, ``(E, K)``."""
        return self.total / self.num_windows.clamp(min=1)[:, None]
