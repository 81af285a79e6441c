"""What the sessions of query-based instance models have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from univs.structures import FrameResult, VideoResult
from univs.tracking.frame_size import FrameSize
from univs.tracking.instance_tracks import InstanceTracks


class InstanceSession(ABC):
    """One video being segmented: frames go in, results come out as soon as they can.

    Subclasses say in :meth:`flush` what becomes of frames that wait, and when there are enough of
    them. They set ``_tracks`` and ``_class_scores`` before :meth:`finish` needs them.

    >>> with segmenter.session() as session:
    ...     for frame in frames:
    ...         for result in session.push(frame): ...
    ...     for result in session.flush(): ...
    ...     video = session.finish()
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

    def __enter__(self) -> InstanceSession:
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
        self.num_frames = 0  # pushed so far
        self._frame_size: FrameSize | None = None
        self._waiting: list[Tensor] = []  # frames at the size of the network's input
        self._tracks: InstanceTracks | None = None
        self._class_scores: Tensor | None = None  # Q K

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
        if self._frame_size is not None and size != self._frame_size.original:
            raise ValueError(
                f"frame {self.num_frames} has size {size}, the video has "
                f"{self._frame_size.original}: start a new session or resize the frame"
            )
        return self.push_resized(self._size_of_frames(size).resize(frame), size)

    def push_resized(self, frame: Tensor, original_size: tuple[int, int]) -> list[FrameResult]:
        """As :meth:`push`, for a frame that has the size of the network's input already.

        Args:
            frame: RGB uint8 ``(3, h, w)``. Not checked.
            original_size: height and width of the results.
        """
        self._frame_size = self._size_of_frames(original_size)
        self._waiting.append(frame)
        self.num_frames += 1
        return self._advance()

    def _size_of_frames(self, original: tuple[int, int]) -> FrameSize:
        if self._frame_size is not None:
            return self._frame_size
        return FrameSize(original, min_size=self.min_size, max_size=self.max_size)

    @abstractmethod
    def _advance(self) -> list[FrameResult]:
        """Look at the frames that wait, one more than before."""

    @abstractmethod
    def flush(self) -> list[FrameResult]:
        """Segment the frames that wait without waiting for more."""

    def finish(self) -> VideoResult:
        """The tracks of the whole video, best first; frames that still wait are flushed.

        Raises:
            ValueError: no frame was given.
        """
        self.flush()
        if self._tracks is None:
            raise ValueError("the video has no frames: push at least one before finish()")
        return self._tracks.video_result(
            self._class_scores,
            max_tracks=self.max_tracks,
            one_category_per_track=self.one_category_per_track,
        )

    def _frame_results(self, first: int) -> list[FrameResult]:
        """Results of all frames that have masks, from frame ``first`` on."""
        return [
            self._tracks.frame_result(index, self._class_scores)
            for index in range(first, self._tracks.num_frames)
        ]


def class_probabilities(class_logits: Tensor) -> Tensor:
    """``(Q, K + 1)`` logits -> probabilities ``(Q, K)`` of all classes but "no object"."""
    return torch.softmax(class_logits.float(), dim=-1)[:, :-1]
