"""One video being segmented: frames go in one at a time, results come out as they are final."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from torch import Tensor, nn

from univs.structures import FrameResult, Rle, Segment, Track, VideoResult, encode_masks
from univs.tracking.frame_size import FrameSize
from univs.tracking.query_tracker import QueryTracker


class VideoSession:
    """Video instance segmentation of one video, clip by clip.

    Frames wait until a clip is complete; then all their results are final but for the scores, which
    average over the video. What grows with the video is the run-length masks of the result only.

    >>> with segmenter.session() as session:
    ...     for frame in frames:
    ...         for result in session.push(frame): ...
    ...     for result in session.flush(): ...
    ...     video = session.finish()
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        clip_length: int,
        min_size: int,
        max_size: int,
        mask_threshold: float,
        max_tracks: int,
        one_category_per_track: bool,
    ) -> None:
        """
        Args:
            model: see :class:`~univs.modeling.meta_arch.VideoMaskFormer`.
            clip_length: frames per clip; results come with that latency.
            min_size, max_size: see :class:`~univs.tracking.frame_size.FrameSize`.
            mask_threshold: a query whose best class has a lower probability in a clip has no mask
                there.
            max_tracks: number of tracks in the final result.
            one_category_per_track: give every track its best category; otherwise a query may appear
                once for every category, as average precision rewards.
        """
        if clip_length < 1:
            raise ValueError(f"clip_length must be at least 1, got {clip_length}")
        self.model = model
        self.clip_length = clip_length
        self.min_size, self.max_size = min_size, max_size
        self.mask_threshold = mask_threshold
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track
        self.reset()

    def __enter__(self) -> VideoSession:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the video."""
        self._tracker = QueryTracker()
        self._frame_size: FrameSize | None = None
        self._waiting: list[Tensor] = []
        self._masks: list[dict[int, Rle]] = []  # one per frame, indexed by query

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return len(self._masks) + len(self._waiting)

    def push(self, frame: np.ndarray) -> list[FrameResult]:
        """Give the next frame.

        Args:
            frame: RGB uint8 ``(H, W, 3)``, the same size for the whole video.

        Returns:
            results that became final, in the order of frames; often none.

        Raises:
            ValueError: the frame is not such an array, or its size changed.
        """
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(
                f"frame {self.num_frames} must be uint8 [H, W, 3] RGB, got {frame.dtype} "
                f"{list(frame.shape)}"
            )
        size = frame.shape[:2]
        if self._frame_size is None:
            self._frame_size = FrameSize(size, min_size=self.min_size, max_size=self.max_size)
        if size != self._frame_size.original:
            raise ValueError(
                f"frame {self.num_frames} has size {size}, the video has "
                f"{self._frame_size.original}: start a new session or resize the frame"
            )
        self._waiting.append(self._frame_size.resize(frame))
        return self.flush() if len(self._waiting) == self.clip_length else []

    def flush(self) -> list[FrameResult]:
        """Segment the frames that wait for their clip to be complete as a shorter clip."""
        if not self._waiting:
            return []
        prediction = self._tracker.update(self.model.predict_clip(self._waiting))
        self._waiting = []
        confidence = prediction.class_logits.float().softmax(-1)[:, :-1].amax(1)
        present = (confidence >= self.mask_threshold).nonzero().flatten()
        results = []
        for frame_logits in prediction.mask_logits[present].unbind(1):
            masks = self._frame_size.restore(frame_logits.float()) > 0
            rles = encode_masks(masks.cpu().numpy())
            self._masks.append(dict(zip(present.tolist(), rles, strict=True)))
            results.append(self._frame_result(len(self._masks) - 1))
        return results

    def _frame_result(self, index: int) -> FrameResult:
        scores, categories = self._tracker.class_scores.max(1)
        scores, categories = scores.tolist(), categories.tolist()
        segments = [
            Segment(track_id=query + 1, rle=rle, category=categories[query], score=scores[query])
            for query, rle in self._masks[index].items()
        ]
        return FrameResult(
            frame_index=index, size=self._frame_size.original, segments=segments
        )

    def finish(self) -> VideoResult:
        """The tracks of the whole video, best first; frames that still wait are flushed.

        Raises:
            ValueError: no frame was given.
        """
        self.flush()
        if self._frame_size is None:
            raise ValueError("the video has no frames: push at least one before finish()")
        size = self._frame_size.original
        tracks = []
        for query, category, score in self._best_pairs():
            masks = [frame.get(query) for frame in self._masks]
            track_id = query + 1 if self.one_category_per_track else len(tracks) + 1
            tracks.append(
                Track(id=track_id, size=size, category=category, score=score, segmentations=masks)
            )
        return VideoResult(num_frames=len(self._masks), size=size, tracks=tracks)

    def _best_pairs(self) -> list[tuple[int, int, float]]:
        scores = self._tracker.class_scores  # Q K
        num_classes = scores.shape[1]
        if self.one_category_per_track:
            best, categories = scores.max(1)
            best, queries = best.topk(min(self.max_tracks, len(best)))
            categories = categories[queries]
        else:
            best, pairs = scores.flatten().topk(min(self.max_tracks, scores.numel()))
            queries, categories = pairs // num_classes, pairs % num_classes
        return list(zip(queries.tolist(), categories.tolist(), best.tolist(), strict=True))
