"""Which tracks are lost in a frame, and which are found again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from univs.structures import FrameResult, LostTrack


class TrackStates:
    """Follows the frames of one video and notes when tracks disappear and come back."""

    def __init__(self) -> None:
        self._last_seen: dict[int, int] = {}  # frame, by track id
        self._scores: dict[int, float] = {}  # when last seen
        self._forgotten: dict[int, int] = {}  # from which frame on, by track id
        self._beginning = 0  # frame

    def annotated(self, results: Iterable[FrameResult]) -> list[FrameResult]:
        """The same results with ``num_hidden`` of their segments, and with lost tracks.

        Args:
            results: of the next frames, in order.
        """
        return [self._annotated(result) for result in results]

    def forget(self, track_id: int, frame_index: int = 0) -> None:
        """Do not report a track as lost any more, because it is not looked for.

        Args:
            track_id: the track.
            frame_index: from this frame on; results before it may still be to come.
        """
        self._forgotten[track_id] = frame_index

    def begin_anew(self, frame_index: int) -> None:
        """Forget all tracks when that frame comes; results before it are still to come."""
        self._beginning = frame_index

    def _annotated(self, result: FrameResult) -> FrameResult:
        index = result.frame_index
        if index == self._beginning:
            self._last_seen.clear()
        for track_id in [key for key, first in self._forgotten.items() if first <= index]:
            del self._forgotten[track_id]
            self._last_seen.pop(track_id, None)
        segments = []
        for segment in result.segments:
            hidden = index - self._last_seen.get(segment.track_id, index - 1) - 1
            segments.append(replace(segment, num_hidden=hidden) if hidden else segment)
            self._last_seen[segment.track_id] = index
            self._scores[segment.track_id] = segment.score
        lost = tuple(
            LostTrack(track_id=track_id, score=self._scores[track_id], num_hidden=index - frame)
            for track_id, frame in self._last_seen.items()
            if frame < index
        )
        return replace(result, segments=segments, lost=lost)
