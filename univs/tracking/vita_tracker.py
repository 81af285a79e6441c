"""VITA on a video of any length: tokens of all frames first, then masks frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from univs.modeling.meta_arch import Vita
from univs.structures import FrameResult
from univs.tracking.frame_store import FrameStore
from univs.tracking.instance_session import (
    InstanceSession,
    check_instance_task,
    class_probabilities,
    instance_options,
)
from univs.tracking.instance_tracks import InstanceTracks, best_pairs


class VitaSession(InstanceSession):
    """Offline video instance segmentation: all results come when the last frame is known.

    Of every frame a few object tokens are kept (0.1 MB at 100 queries), and the frame itself, on
    disk when there are many. Masks are made in a second pass, for which the features of long videos
    are computed again. So the memory for features does not grow with the video.
    """

    def __init__(
        self, model: Vita, *, chunk_length: int, num_cached_frames: int, **options
    ) -> None:
        """
        Args:
            model: the network.
            chunk_length: frames that go through the frame detector at once.
            num_cached_frames: mask features of this many first frames are kept instead of computed
                again.
            options: see :class:`~univs.tracking.instance_session.InstanceSession`.
        """
        if chunk_length < 1:
            raise ValueError(
                f"MODEL.VITA.TEST_RUN_CHUNK_SIZE must be 1 or more, got {chunk_length}"
            )
        self.model = model
        self.chunk_length = chunk_length
        self.num_cached_frames = num_cached_frames
        self._store = FrameStore()
        super().__init__(**options)

    def reset(self) -> None:
        super().reset()
        self._store.close()
        self._store = FrameStore()
        self._tokens: deque[Tensor] = deque()  # frame queries (T, fQ, C) of consecutive frames
        self._cached: list[Tensor] = []  # mask features (T, C_mask, h, w) of the first frames

    @property
    def latency(self) -> None:
        return None

    def _push_resized(self, frame: Tensor, original_size: tuple[int, int]) -> list[FrameResult]:
        if self._tracks is not None:
            raise ValueError(
                "VITA looks at a video as a whole and has given its results: no frame can follow "
                "flush() or finish(); begin a new session or reset() this one"
            )
        return super()._push_resized(frame, original_size)

    def _advance(self) -> list[FrameResult]:
        if len(self._waiting) == self.chunk_length:
            self._detect()
        return []

    def _segment(self) -> None:
        """Take the frames so far for the whole video."""
        if self.num_frames == 0 or self._tracks is not None:
            return
        if self._waiting:
            self._detect()
        objects = self.model.associate(self._taken_tokens())
        self._class_scores = class_probabilities(objects.class_logits)
        self._tracks = InstanceTracks(self._frame_size, len(self._class_scores))
        pairs = best_pairs(
            self._class_scores,
            self.max_tracks,
            one_category_per_track=self.one_category_per_track,
        )
        queries = torch.tensor(sorted({query for query, _, _ in pairs}))
        embeddings = objects.mask_embeddings[queries.to(objects.mask_embeddings.device)]
        for features in self._mask_features():
            for mask_logits in torch.einsum("qc,tchw->tqhw", embeddings, features):
                self._tracks.add_frame(queries, mask_logits)

    def _detect(self) -> None:
        """Turn the frames that wait into tokens."""
        detected = self.model.detect_frames(self._waiting)
        num_cached = sum(len(features) for features in self._cached)
        num_kept = max(0, min(len(self._waiting), self.num_cached_frames - num_cached))
        if num_kept:
            self._cached.append(detected.mask_features[:num_kept].clone())
        for frame in self._waiting[num_kept:]:
            self._store.append(frame)
        self._tokens.append(detected.queries)
        self._waiting = []

    def _taken_tokens(self) -> Iterator[Tensor]:
        """The tokens in order; they are forgotten on the way."""
        while self._tokens:
            yield self._tokens.popleft()

    def _mask_features(self) -> Iterator[Tensor]:
        """Mask features of all frames in order, a few at a time; they are forgotten on the way."""
        while self._cached:
            yield self._cached.pop(0)
        for frames in self._store.batches(self.chunk_length):
            yield self.model.mask_features(frames)


def open_session(
    model: Vita, cfg, *, task: str | None, vocabulary: str | None, one_category_per_track: bool
) -> VitaSession:
    """A session as the config says; see :meth:`~univs.tracking.segmenter.Segmenter.session`."""
    check_instance_task(task, "VITA")
    return offline_session(model, cfg, instance_options(cfg, one_category_per_track))


def offline_session(model: Vita, cfg, options: dict) -> VitaSession:
    """A session with the chunks and the cache of the config, and further ``options``."""
    return VitaSession(
        model,
        chunk_length=cfg.MODEL.VITA.TEST_RUN_CHUNK_SIZE,
        num_cached_frames=cfg.MODEL.VITA.TEST_CACHE_FRAMES,
        **options,
    )
