"""GenVIS on a video of any length, clip by clip."""

from __future__ import annotations

import torch
from torch import Tensor

from univs.modeling.decoder.genvis import InstancePrototypes
from univs.modeling.meta_arch import ClipPrediction, Genvis
from univs.modeling.meta_arch.vita import clip_prediction
from univs.structures import FrameResult
from univs.tracking.instance_session import (
    InstanceSession,
    check_instance_task,
    class_probabilities,
    instance_options,
)
from univs.tracking.instance_tracks import InstanceTracks
from univs.tracking.mode import Clips, clips_of, is_offline
from univs.tracking.vita_tracker import VitaSession, offline_session


class GenvisSession(InstanceSession):
    """Online or semi-online video instance segmentation: results come with the latency of a clip.

    A query follows one object through the video; its class probabilities are the highest of all
    clips so far. The final ranking needs the whole video, so masks of all queries are kept as run
    lengths; other state does not grow beyond the memory of ``MODEL.GENVIS.MEMORY_SIZE`` clips.
    """

    def __init__(self, model: Genvis, *, clips: Clips, mask_threshold: float, **options) -> None:
        """
        Args:
            model: the network.
            clips: how the video is cut. The first clips are shorter where clips overlap.
            mask_threshold: a query has no mask in a clip as long as the probability of its best
                class, up to and in this clip, is lower. With 0, as published, every query has masks
                in all frames, which takes the most time.
            options: see :class:`~univs.tracking.instance_session.InstanceSession`.
        """
        self.model = model
        self.clips = clips
        self.mask_threshold = mask_threshold
        super().__init__(**options)

    def reset(self) -> None:
        super().reset()
        self._prototypes: InstancePrototypes | None = None
        # Frame queries (T, fQ, C) of the last frames, which the next clip looks at again.
        self._overlap: Tensor | None = None

    @property
    def latency(self) -> int:
        return self.clips.stride - 1

    def _advance(self) -> list[FrameResult]:
        return self._flush() if len(self._waiting) == self.clips.stride else []

    def _segment(self) -> None:
        if not self._waiting:
            return
        prediction = self._predict()
        self._waiting = []
        scores = class_probabilities(prediction.class_logits)
        if self._tracks is None:
            self._class_scores = scores
            self._tracks = InstanceTracks(self._frame_size, len(scores))
        self._class_scores = torch.maximum(self._class_scores, scores)
        present = (self._class_scores.amax(1) >= self.mask_threshold).nonzero().flatten()
        for mask_logits in prediction.mask_logits[present].unbind(1):
            self._tracks.add_frame(present, mask_logits)

    def _predict(self) -> ClipPrediction:
        """Look at the frames that wait, and once more at those that overlap."""
        detected = self.model.detect_frames(self._waiting)
        queries = detected.queries
        if self._overlap is not None:
            queries = torch.cat((self._overlap, queries))
        objects, self._prototypes = self.model.follow(queries, self._prototypes)
        num_kept = min(self.clips.length - self.clips.stride, len(queries))
        self._overlap = queries[len(queries) - num_kept :] if num_kept else None
        return clip_prediction(objects, detected.mask_features)


def open_session(
    model: Genvis, cfg, *, task: str | None, vocabulary: str | None, one_category_per_track: bool
) -> GenvisSession | VitaSession:
    """A session as the config says; see :meth:`~univs.tracking.segmenter.Segmenter.session`.

    Offline, GenVIS takes the whole video for one clip and is segmented like VITA.
    """
    check_instance_task(task, "GenVIS")
    options = instance_options(cfg, one_category_per_track)
    if is_offline(cfg):
        return offline_session(model, cfg, options)
    return GenvisSession(
        model,
        clips=clips_of(cfg, model.clip_length),
        mask_threshold=cfg.TEST.MASK_SCORE_THRESHOLD,
        **options,
    )
