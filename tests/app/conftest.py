"""A small segmenter that really segments, and a video for it."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from univs.structures import FrameResult, Segment, VideoResult, encode_mask
from univs.visualization import VideoWriter

SIZE = (48, 64)
NUM_FRAMES = 8


class ColorSegmenter:
    """Segments red and blue things by thresholds, and answers ``delay`` frames late.

    Red is track 1 of category 0 with the score 0.9, blue track 2 of category 1 with 0.4.
    """

    def __init__(self, *, delay: int = 0, semantic: bool = False) -> None:
        self.class_names = ["red thing", "blue thing"]
        self.delay = delay
        self.semantic = semantic

    @contextlib.contextmanager
    def session(self, task=None, *, vocabulary=None, scene_cuts=None):
        self.asked = (task, vocabulary)
        yield ColorSession(self)


class ColorSession:
    class_names = None  # those of the segmenter

    def __init__(self, segmenter: ColorSegmenter) -> None:
        self.segmenter = segmenter
        self.waiting: list[FrameResult] = []
        self.results: list[FrameResult] = []
        self.num_pushed = 0
        self.targets = segmenter.targets = []
        self.latency = segmenter.delay

    def add(self, target) -> None:
        self.targets.append(target)

    def push(self, frame: np.ndarray) -> list[FrameResult]:
        difference = frame[..., 0].astype(int) - frame[..., 2]
        masks = np.stack([difference > 60, difference < -60])
        segments = [
            Segment(track_id=index + 1, category=index, score=score, rle=encode_mask(masks[index]))
            for index, score in enumerate((0.9, 0.4))
            if masks[index].any()
        ]
        label_map = np.where(masks.any(axis=0), masks.argmax(axis=0), -1)
        result = FrameResult(
            frame_index=self.num_pushed,
            size=frame.shape[:2],
            segments=[] if self.segmenter.semantic else segments,
            label_map=label_map if self.segmenter.semantic else None,
        )
        self.num_pushed += 1
        self.waiting.append(result)
        return self._release(self.segmenter.delay)

    def flush(self) -> list[FrameResult]:
        return self._release(0)

    def finish(self) -> VideoResult:
        if self.segmenter.semantic:
            return VideoResult(num_frames=len(self.results), size=self.results[0].size)
        return VideoResult.from_frames(self.results, self.results[0].size)

    def _release(self, keep: int) -> list[FrameResult]:
        count = max(0, len(self.waiting) - keep)
        final, self.waiting = self.waiting[:count], self.waiting[count:]
        self.results += final
        return final


@pytest.fixture
def video(tmp_path):
    """``in/clip.mp4``: a red square moves right; a blue one stands still and leaves at the end."""
    (tmp_path / "in").mkdir()
    with VideoWriter(tmp_path / "in" / "clip.mp4", fps=8, quality=10) as writer:
        for index in range(NUM_FRAMES):
            frame = np.full((*SIZE, 3), 128, dtype=np.uint8)
            frame[4:20, 4 * index : 4 * index + 16] = (220, 20, 20)
            if index < NUM_FRAMES - 1:
                frame[28:44, 40:56] = (20, 20, 220)
            writer.write(frame)
    return tmp_path / "in" / "clip.mp4"


@pytest.fixture
def make_segmenter():
    """The class `ColorSegmenter`."""
    return ColorSegmenter
