"""What the sessions of query-based instance models have in common."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from univs.structures import FrameResult, VideoResult
from univs.tracking.frame_size import FrameSize
from univs.tracking.instance_tracks import InstanceTracks
from univs.tracking.session import Session, check_frame


class InstanceSession(Session):
    """Video instance segmentation of one video by object queries.

    Subclasses say in ``_segment`` what becomes of frames that wait, and in ``_advance`` when there
    are enough of them. They set ``_tracks`` and ``_class_scores``.
    """

    def __init__(
        self, *, min_size: int, max_size: int, max_tracks: int, one_category_per_track: bool
    ) -> None:
        """
        Args:
            min_size, max_size: see :class:`~univs.tracking.frame_size.FrameSize`.
            max_tracks: number of tracks in the final result.
            one_category_per_track: see :func:`~univs.tracking.instance_tracks.best_pairs`.
        """
        self.min_size, self.max_size = min_size, max_size
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track
        self.reset()

    def reset(self) -> None:
        """Forget the video."""
        super().reset()
        self._num_frames = 0
        self._frame_size: FrameSize | None = None
        self._waiting: list[Tensor] = []  # frames at the size of the network's input
        self._tracks: InstanceTracks | None = None
        self._class_scores: Tensor | None = None  # Q K

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return self._num_frames

    def _push(self, frame: np.ndarray) -> list[FrameResult]:
        known = None if self._frame_size is None else self._frame_size.original
        frame = check_frame(frame, self.num_frames, known)
        size = frame.shape[:2]
        return self._push_resized(self._size_of_frames(size).resize(frame), size)

    def push_resized(self, frame: Tensor, original_size: tuple[int, int]) -> list[FrameResult]:
        """As :meth:`push`, for a frame that has the size of the network's input already.

        Args:
            frame: RGB uint8 ``(3, h, w)``. Not checked.
            original_size: height and width of the results.
        """
        return self._states.annotated(self._push_resized(frame, original_size))

    def _push_resized(self, frame: Tensor, original_size: tuple[int, int]) -> list[FrameResult]:
        self._frame_size = self._size_of_frames(original_size)
        self._waiting.append(frame)
        self._num_frames += 1
        return self._advance()

    def _size_of_frames(self, original: tuple[int, int]) -> FrameSize:
        if self._frame_size is not None:
            return self._frame_size
        return FrameSize(original, min_size=self.min_size, max_size=self.max_size)

    @abstractmethod
    def _advance(self) -> list[FrameResult]:
        """Look at the frames that wait, one more than before."""

    @abstractmethod
    def _segment(self) -> None:
        """Make masks of the frames that wait, which may be none."""

    def _flush(self) -> list[FrameResult]:
        """Segment the frames that wait as a shorter clip."""
        first = self._num_segmented
        self._segment()
        return [
            self._tracks.frame_result(index, self._class_scores)
            for index in range(first, self._num_segmented)
        ]

    @property
    def _num_segmented(self) -> int:
        return 0 if self._tracks is None else self._tracks.num_frames

    def finish(self) -> VideoResult:
        """The tracks of the whole video, best first; frames that still wait are flushed.

        Raises:
            ValueError: no frame was given.
        """
        self._segment()
        if self._tracks is None:
            raise ValueError("the video has no frames: push at least one before finish()")
        return self._tracks.video_result(
            self._class_scores,
            max_tracks=self.max_tracks,
            one_category_per_track=self.one_category_per_track,
        )


def class_probabilities(class_logits: Tensor) -> Tensor:
    """``(Q, K + 1)`` logits -> probabilities ``(Q, K)`` of all classes but "no object"."""
    return torch.softmax(class_logits.float(), dim=-1)[:, :-1]


def check_instance_task(task: str | None, system: str) -> None:
    """Refuse what models that only segment the instances of their categories cannot do.

    Raises:
        ValueError: the task is another one.
    """
    if task not in (None, "vis"):
        raise ValueError(
            f"{system} does video instance segmentation (vis) only, not {task!r}: use a UniVS or "
            "TarViS model for it"
        )


def instance_options(cfg, one_category_per_track: bool) -> dict:
    """Arguments of :class:`InstanceSession` by name."""
    return {
        "min_size": cfg.INPUT.MIN_SIZE_TEST,
        "max_size": cfg.INPUT.MAX_SIZE_TEST,
        "max_tracks": cfg.TEST.DETECTIONS_PER_IMAGE,
        "one_category_per_track": one_category_per_track,
    }
