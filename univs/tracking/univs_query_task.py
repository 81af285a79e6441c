"""Video instance segmentation with UniVS by its learnable queries alone.

The best queries of the first clip are matched to those of each later clip; masks average over the
clips that have a frame, and classes over all clips.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from univs.modeling.mask_statistics import quality_counts, quality_of
from univs.modeling.meta_arch.univs import PromptedClipPrediction, UnivsBase
from univs.structures import FrameResult, Segment, Track, VideoResult
from univs.structures.mask_log import MaskLog
from univs.structures.spooled_blocks import SpooledBlocks
from univs.tracking.frame_size import FrameSize
from univs.tracking.instance_tracks import best_pairs
from univs.tracking.univs_frames import UnivsClip
from univs.tracking.univs_masks import visible_masks
from univs.tracking.univs_matching import cosine_similarity, match
from univs.tracking.univs_task import UnivsTask

_MOST_QUERIES = 100
_PAST_CLIPS = 2  # that queries are compared to
_LEAST_RESULTS = 5
_LEAST_QUALITY = 0.1
_MEASURED_FRAMES = 10  # of long videos, at least; mask quality is that of evenly spaced frames
_ZERO_SHOT_SHARPNESS = 20.0


class QueryTask(UnivsTask):
    """Follows up to 100 queries through the video."""

    def __init__(
        self,
        vocabulary: str,
        *,
        max_tracks: int,
        one_category_per_track: bool,
        prefers_quality: bool,
        zero_shot: bool,
    ) -> None:
        """
        Args:
            vocabulary: class list of the concept table.
            max_tracks: most results.
            one_category_per_track: see :func:`~univs.tracking.instance_tracks.best_pairs`.
            prefers_quality: the quality of their masks counts when the queries to follow are
                chosen.
            zero_shot: classes compete, as suits those that were not trained with.
        """
        self.vocabulary = vocabulary
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track
        self.prefers_quality = prefers_quality
        self.zero_shot = zero_shot
        self._size: FrameSize | None = None
        self._num_clips = 0
        self._class_logits: Tensor | None = None  # N K, summed over clips
        self._past: Tensor | None = None  # N V C
        self._sums: dict[int, Tensor] = {}  # N h w by frame, of mask logits that are not final
        self._num_masks: dict[int, int] = {}  # in each sum
        self._masks = MaskLog()  # of final frames, by query
        self._quality_counts = SpooledBlocks()  # of each final frame, int64 (2, N)

    @property
    def num_final(self) -> int:
        return len(self._masks)

    @torch.no_grad()
    def add(self, model: UnivsBase, clip: UnivsClip) -> None:
        self._size = clip.size
        prediction = model.decode(clip.memory, clip.mask_features)
        queries = prediction.queries.float()
        if self._past is None:
            rows = self._first_rows(prediction)
        else:
            similarity = cosine_similarity(self._past, queries)
            rows = match(similarity, -torch.inf)[1]  # every known query has one
        logits = prediction.class_logits[rows][:, model.concepts.rows(self.vocabulary)].float()
        mean = queries[rows].mean(1, keepdim=True)
        if self._past is None:
            self._class_logits, self._past = logits, mean
        else:
            self._class_logits = self._class_logits + logits
            self._past = torch.cat((self._past, mean), dim=1)[:, -_PAST_CLIPS:]
        self._num_clips += 1
        masks = prediction.mask_logits[rows].float()
        for frame, mask_logits in zip(clip.frames, masks.unbind(1), strict=True):
            self._sums[frame] = self._sums.get(frame, 0) + mask_logits
            self._num_masks[frame] = self._num_masks.get(frame, 0) + 1
        self._emit(clip.next_start)

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        """The tracks that would be results if the video ended now."""
        scores = self._class_scores().cpu()
        factors = self._mask_factors(len(self._masks)).tolist()
        best, categories = scores.max(1)
        masks, segments = self._masks[frame], []
        for row in best.topk(min(self.max_tracks, len(best))).indices.tolist():
            if row in masks:
                segments.append(
                    Segment(
                        track_id=row + 1,
                        rle=masks[row],
                        category=int(categories[row]),
                        score=float(best[row]) * factors[row],
                    )
                )
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """The best tracks of the whole video, best first."""
        self._emit(num_frames)
        scores, factors = self._class_scores().cpu(), self._mask_factors(num_frames).tolist()
        num_likely = int((scores > 2 / scores.shape[1]).sum())
        most = min(self.max_tracks, max(num_likely, _LEAST_RESULTS))
        rows = scores.amax(1).topk(min(self.max_tracks, len(scores))).indices
        pairs = best_pairs(scores[rows], most, one_category_per_track=self.one_category_per_track)
        tracks = []
        for index, category, score in pairs:
            row = int(rows[index])
            tracks.append(
                Track(
                    id=row + 1 if self.one_category_per_track else len(tracks) + 1,
                    size=size,
                    category=category,
                    score=score * factors[row],
                    segmentations=self._masks.track(row),
                )
            )
        tracks.sort(key=lambda track: -track.score)
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)

    def _first_rows(self, prediction: PromptedClipPrediction) -> Tensor:
        """The queries to follow, those most like any class of the concept table first."""
        scores = prediction.class_logits.float().sigmoid().amax(1)
        if self.prefers_quality:
            scores = scores + quality_of(quality_counts(prediction.mask_logits))
        return scores.topk(min(_MOST_QUERIES, len(scores))).indices

    def _class_scores(self) -> Tensor:
        """``(N, K)``, from the average logits of all clips."""
        scores = (self._class_logits / self._num_clips).sigmoid()
        return (_ZERO_SHOT_SHARPNESS * scores).softmax(1) if self.zero_shot else scores

    def _mask_factors(self, num_frames: int) -> Tensor:
        """What class scores are multiplied by, the quality of the masks of each query: ``(N,)``."""
        step = max(num_frames // _MEASURED_FRAMES, 1)
        counts = [
            np.frombuffer(self._quality_counts[frame], dtype=np.int64).reshape(2, -1)
            for frame in range(0, num_frames, step)
        ]
        return quality_of(torch.from_numpy(sum(counts))).clamp(min=_LEAST_QUALITY)

    def _emit(self, stop: int) -> None:
        """Turn the sums of the frames before ``stop`` into masks."""
        for frame in range(len(self._masks), stop):
            logits = self._sums.pop(frame) / self._num_masks.pop(frame)
            counts = quality_counts(self._size.upsample(logits))
            self._quality_counts.append(counts.cpu().numpy().tobytes())
            self._masks.append(visible_masks(logits, self._size))
