"""GenVIS on a video of any length, clip by clip."""

from __future__ import annotations

import torch

from univs.modeling.decoder.genvis import InstancePrototypes
from univs.modeling.meta_arch import Genvis
from univs.structures import FrameResult
from univs.tracking.instance_session import (
    InstanceSession,
    check_instance_task,
    class_probabilities,
    instance_options,
)
from univs.tracking.instance_tracks import InstanceTracks


class GenvisSession(InstanceSession):
    """Online or semi-online video instance segmentation: results come with the latency of a clip.

    A query follows one object through the video; its class probabilities are the highest of all
    clips so far. The final ranking needs the whole video, so masks of all queries are kept as run
    lengths; other state does not grow beyond the memory of ``MODEL.GENVIS.MEMORY_SIZE`` clips.
    """

    def __init__(self, model: Genvis, *, mask_threshold: float, **options) -> None:
        """
        Args:
            model: the network, which knows the length of its clips.
            mask_threshold: a query has no mask in a clip as long as the probability of its best
                class, up to and in this clip, is lower. With 0, as published, every query has masks
                in all frames, which takes the most time.
            options: see :class:`~univs.tracking.instance_session.InstanceSession`.
        """
        self.model = model
        self.mask_threshold = mask_threshold
        super().__init__(**options)

    def reset(self) -> None:
        super().reset()
        self._prototypes: InstancePrototypes | None = None

    @property
    def latency(self) -> int:
        return self.model.clip_length - 1

    def _advance(self) -> list[FrameResult]:
        return self.flush() if len(self._waiting) == self.model.clip_length else []

    def flush(self) -> list[FrameResult]:
        """Segment the frames that wait for their clip to be complete as a shorter clip."""
        if not self._waiting:
            return []
        prediction, self._prototypes = self.model.predict_next(self._waiting, self._prototypes)
        self._waiting = []
        scores = class_probabilities(prediction.class_logits)
        if self._tracks is None:
            self._class_scores = scores
            self._tracks = InstanceTracks(self._frame_size, len(scores))
        self._class_scores = torch.maximum(self._class_scores, scores)
        present = (self._class_scores.amax(1) >= self.mask_threshold).nonzero().flatten()
        first = self._tracks.num_frames
        for mask_logits in prediction.mask_logits[present].unbind(1):
            self._tracks.add_frame(present, mask_logits)
        return self._frame_results(first)


def open_session(
    model: Genvis, cfg, *, task: str | None, vocabulary: str | None, one_category_per_track: bool
) -> GenvisSession:
    """A session as the config says; see :meth:`~univs.tracking.segmenter.Segmenter.session`."""
    check_instance_task(task, "GenVIS")
    return GenvisSession(
        model,
        mask_threshold=cfg.TEST.MASK_SCORE_THRESHOLD,
        **instance_options(cfg, one_category_per_track),
    )
