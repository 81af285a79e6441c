"""Results that wait until the whole video is known."""

from __future__ import annotations

import numpy as np

from univs.structures import FrameResult, Target, VideoResult
from univs.tracking.session import Session


class OfflineSession(Session):
    """Another session, whose results are held back until the end of the video.

    So every frame has the tracks of the final result, with their final categories and scores.
    """

    def __init__(self, session: Session) -> None:
        """
        Args:
            session: a new one, which segments the video clip by clip.
        """
        self._session = session
        self.reset()

    def reset(self) -> None:
        self._session.reset()
        self._states = self._session._states  # which know of removed targets
        self._num_given = 0

    @property
    def num_frames(self) -> int:
        return self._session.num_frames

    @property
    def latency(self) -> None:
        return None

    @property
    def class_names(self) -> list[str] | None:
        return self._session.class_names

    def _push(self, frame: np.ndarray) -> list[FrameResult]:
        self._session._push(frame)
        return []

    def _flush(self) -> list[FrameResult]:
        if self.num_frames == 0:
            return []
        video = self.finish()
        frames = range(self._num_given, video.num_frames)
        self._num_given = video.num_frames
        return [video.frame(frame) for frame in frames]

    def finish(self) -> VideoResult:
        return self._session.finish()

    def add(self, target: Target) -> None:
        self._session.add(target)

    def refine(self, target_id: int, target: Target) -> None:
        self._session.refine(target_id, target)

    def remove(self, target_id: int) -> None:
        self._session.remove(target_id)
