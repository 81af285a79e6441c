"""Sessions of :class:`~univs.modeling.meta_arch.VideoMaskFormer`: queries matched clip by clip."""

from __future__ import annotations

from torch import nn

from univs.structures import FrameResult
from univs.tracking.instance_session import (
    InstanceSession,
    check_instance_task,
    class_probabilities,
    instance_options,
)
from univs.tracking.instance_tracks import InstanceTracks
from univs.tracking.mode import clips_of
from univs.tracking.query_tracker import QueryTracker


class VideoSession(InstanceSession):
    """Video instance segmentation of one video, clip by clip.

    Frames wait until a clip is complete; then all their results are final but for the scores, which
    average over the video. Memory does not grow with the video.
    """

    def __init__(
        self, model: nn.Module, *, clip_length: int, mask_threshold: float, **options
    ) -> None:
        """
        Args:
            model: see :class:`~univs.modeling.meta_arch.VideoMaskFormer`.
            clip_length: frames per clip; results come with that latency.
            mask_threshold: a query whose best class has a lower probability in a clip has no mask
                there.
            options: see :class:`~univs.tracking.instance_session.InstanceSession`.
        """
        if clip_length < 1:
            raise ValueError(f"clip_length must be at least 1, got {clip_length}")
        self.model = model
        self.clip_length = clip_length
        self.mask_threshold = mask_threshold
        super().__init__(**options)

    def reset(self) -> None:
        """Forget the video."""
        super().reset()
        self._tracker = QueryTracker()

    @property
    def latency(self) -> int:
        return self.clip_length - 1

    def _advance(self) -> list[FrameResult]:
        return self._flush() if len(self._waiting) == self.clip_length else []

    def _segment(self) -> None:
        if not self._waiting:
            return
        prediction = self._tracker.update(self.model.predict_clip(self._waiting))
        self._waiting = []
        self._class_scores = self._tracker.class_scores
        if self._tracks is None:
            self._tracks = InstanceTracks(self._frame_size, len(prediction.queries))
        confidence = class_probabilities(prediction.class_logits).amax(1)  # Q
        present = (confidence >= self.mask_threshold).nonzero().flatten()
        for mask_logits in prediction.mask_logits[present].unbind(1):
            self._tracks.add_frame(present, mask_logits)


def open_session(
    model: nn.Module, cfg, *, task: str | None, vocabulary: str | None, one_category_per_track: bool
) -> VideoSession:
    """A session as the config says; see :meth:`~univs.tracking.segmenter.Segmenter.session`."""
    check_instance_task(task, "The video Mask2Former")
    return VideoSession(
        model,
        clip_length=clips_of(cfg, cfg.INPUT.SAMPLING_FRAME_NUM).length,
        mask_threshold=cfg.TEST.MASK_SCORE_THRESHOLD,
        **instance_options(cfg, one_category_per_track),
    )
