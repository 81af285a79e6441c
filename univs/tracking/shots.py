"""Videos that are cut together: every shot is segmented as a video of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import cv2
import numpy as np

from univs.structures import FrameResult, Target, Track, VideoResult
from univs.structures.mask_log import MaskLog
from univs.tracking.compressed_maps import CompressedMaps
from univs.tracking.session import Session, check_frame

_BINS = 8  # of each colour channel
_BLOCKS = 2  # into which height and width are divided
_MOST_PIXELS = 128  # looked at along height and width
_THUMBNAIL = (16, 16)
_REMEMBERED = 8  # differences between earlier frames
_TIMES_USUAL = 2.0  # by which a cut must exceed what is usual in the shot


class SceneCutDetector:
    """Tells frames that begin a new shot by their colours.

    Frames differ in their colours, by the share of pixels whose colour has no counterpart in the
    same quarter of the other one, which motion changes little; and in their layout, by how little
    thumbnails of them correlate, which lighting changes little. A cut changes both, so the smaller
    difference counts. It must also be much larger than those of the frames before.
    """

    def __init__(self, threshold: float = 0.3) -> None:
        """
        Args:
            threshold: the smallest difference of a cut, between 0 and 1.

        Raises:
            ValueError: it is not between 0 and 1.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"the threshold of scene cuts must lie in (0, 1], but is {threshold}")
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forget the video."""
        self._last: tuple[np.ndarray, np.ndarray] | None = None  # colours and layout
        self._differences: deque[float] = deque(maxlen=_REMEMBERED)

    def is_cut(self, frame: np.ndarray) -> bool:
        """Whether a frame, RGB uint8 ``(H, W, 3)``, begins a new shot. Call it for every frame."""
        last, self._last = self._last, (_histograms(frame), _layout(frame))
        if last is None:
            return False
        colours, layout = self._last
        difference = min(
            float(np.abs(colours - last[0]).sum(1).mean() / 2), 1 - float((layout * last[1]).sum())
        )
        usual = median(self._differences) if self._differences else 0.0
        if difference >= self.threshold and difference >= _TIMES_USUAL * usual:
            self._differences.clear()
            return True
        self._differences.append(difference)
        return False


def _histograms(frame: np.ndarray) -> np.ndarray:
    """Relative frequencies of colours in each block of an image, ``(blocks, colours)``."""
    height, width = frame.shape[:2]
    frame = frame[:: -(-height // _MOST_PIXELS), :: -(-width // _MOST_PIXELS)]
    bins = (frame // (256 // _BINS)).astype(np.int64)
    colours = (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]  # H W
    blocks = [
        block
        for rows in np.array_split(colours, _BLOCKS)
        for block in np.array_split(rows, _BLOCKS, axis=1)
        if block.size
    ]
    counts = np.stack([np.bincount(block.ravel(), minlength=_BINS**3) for block in blocks])
    return counts / counts.sum(1, keepdims=True)


def _layout(frame: np.ndarray) -> np.ndarray:
    """A thumbnail ``(h, w, 3)`` without brightness and contrast: mean 0, sum of squares 1 or 0."""
    thumbnail = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float64)
    thumbnail -= thumbnail.mean((0, 1))
    return thumbnail / max(float(np.linalg.norm(thumbnail)), 1.0)


@dataclass(frozen=True)
class Shot:
    """A finished shot.

    Attributes:
        video: its result, with frames and ids of its own.
        first_frame: where it begins in the video.
        id_offset: what its ids are raised by in the video.
    """

    video: VideoResult
    first_frame: int
    id_offset: int


class ShotSession(Session):
    """A session that begins anew where the scene is cut.

    No clip reaches across a cut, and no object of one shot is taken for one of another: ids go on
    counting. Of finished shots only their results are kept.
    """

    def __init__(self, new_session: Callable[[], Session], detector: SceneCutDetector) -> None:
        """
        Args:
            new_session: begins a video; its results are those of one shot.
            detector: finds cuts; for this session only.
        """
        self._new_session = new_session
        self._detector = detector
        self._session = new_session()
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._session.reset()
        self._detector.reset()
        self._shots: list[Shot] = []
        self._first_frame = 0  # of the running shot
        self._id_offset = 0
        self._largest_id = 0  # in the video so far
        self._size: tuple[int, int] | None = None

    @property
    def first_frames(self) -> list[int]:
        """The frames that begin a shot."""
        return [*(shot.first_frame for shot in self._shots), self._first_frame]

    @property
    def num_frames(self) -> int:
        return self._first_frame + self._session.num_frames

    @property
    def latency(self) -> int | None:
        return self._session.latency

    @property
    def class_names(self) -> list[str] | None:
        return self._session.class_names

    def _push(self, frame: np.ndarray) -> list[FrameResult]:
        frame = check_frame(frame, self.num_frames, self._size)
        results = self._end_shot() if self._detector.is_cut(frame) else []
        results += self._of_video(self._session._push(frame))
        self._size = frame.shape[:2]
        return results

    def _flush(self) -> list[FrameResult]:
        return self._of_video(self._session._flush())

    def finish(self) -> VideoResult:
        running = Shot(self._session.finish(), self._first_frame, self._id_offset)
        return joined([*self._shots, running])

    def add(self, target: Target) -> None:
        """Refuse, because targets are followed across cuts, by sessions that ignore them.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a session that begins anew at scene cuts takes no targets, which are followed across "
            "cuts: begin it without scene_cuts"
        )

    def _end_shot(self) -> list[FrameResult]:
        results = self._flush()
        video = self._session.finish()
        self._shots.append(Shot(video, self._first_frame, self._id_offset))
        ids = [self._id_offset + track.id for track in video.tracks]
        self._first_frame = self.num_frames
        self._id_offset = self._largest_id = max([self._largest_id, *ids])
        self._session.reset()
        self._session = self._new_session()
        self._states.begin_anew(self._first_frame)  # earlier tracks are not lost, but over
        return results

    def _of_video(self, results: list[FrameResult]) -> list[FrameResult]:
        """Results of the running shot with the frames and ids of the video."""
        moved = []
        for result in results:
            segments = [
                replace(segment, track_id=segment.track_id + self._id_offset)
                for segment in result.segments
            ]
            self._largest_id = max([self._largest_id, *(s.track_id for s in segments)])
            frame_index = result.frame_index + self._first_frame
            moved.append(replace(result, frame_index=frame_index, segments=segments))
        return moved


def joined(shots: Sequence[Shot]) -> VideoResult:
    """The result of a video from those of its shots, the first of which begins with frame 0.

    Raises:
        ValueError: sizes differ, or only some of the shots have label maps.
    """
    last = shots[-1]
    num_frames = last.first_frame + last.video.num_frames
    size = last.video.size
    masks, label_maps = MaskLog(), CompressedMaps()
    for shot in shots:
        for frame in range(shot.video.num_frames):
            shown = ((track.id, track.segmentations[frame]) for track in shot.video.tracks)
            masks.append({shot.id_offset + k: rle for k, rle in shown if rle is not None})
        for label_map in shot.video.label_maps or ():
            label_maps.append(label_map)
    tracks = [
        Track(
            id=shot.id_offset + track.id,
            size=size,
            category=track.category,
            score=track.score,
            segmentations=masks.track(shot.id_offset + track.id),
        )
        for shot in shots
        for track in shot.video.tracks
    ]
    return VideoResult(
        num_frames=num_frames, size=size, tracks=tracks, label_maps=label_maps or None
    )
