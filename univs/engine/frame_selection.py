"""Which frames of a benchmark video are segmented, and results as if all had been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from univs.data.record import VideoRecord
from univs.data.tarvis_sampling import interleaved_frames
from univs.structures import VOID_LABEL, Target, Track, VideoResult

# Frames between two annotated ones, as TarViS looks at videos of BURST.
_NUM_BETWEEN = 10


def frames_to_segment(record: VideoRecord, choice: str) -> Sequence[int]:
    """The frames of a video that a protocol looks at.

    Args:
        record: the video.
        choice: ``all``; ``annotated``, those that have truth; or ``interleaved``, up to twelve of
            every second, those that have truth among them (as published for BURST).

    Returns:
        ascending indices. Frames in which targets are given are always there.

    Raises:
        ValueError: the choice is not known.
    """
    if choice not in ("all", "annotated", "interleaved"):
        raise ValueError(f"TEST.FRAMES is {choice!r}; known are all, annotated and interleaved")
    every = range(len(record))
    if choice == "all" or record.annotated is None:
        return every
    chosen = {*record.annotated, *(prompt.frame for prompt in record.prompts)}
    if choice == "interleaved":
        if record.fps is None or record.fps < 2:
            return every
        chosen.update(interleaved_frames(len(record), round(record.fps), _NUM_BETWEEN))
    return sorted(chosen)


def at_positions(targets: Iterable[Target], frames: Sequence[int]) -> list[Target]:
    """Targets for a video of only ``frames``, which hold those they are given in."""
    return [replace(target, frame_index=frames.index(target.frame_index)) for target in targets]


def spread(result: VideoResult, frames: Sequence[int], num_frames: int) -> VideoResult:
    """The result of a video of ``num_frames``, of which only ``frames`` were segmented.

    In all others nothing is visible and label maps are void.
    """
    if len(frames) == num_frames:
        return result
    place = {frame: position for position, frame in enumerate(frames)}
    tracks = [
        Track(
            id=track.id,
            size=track.size,
            category=track.category,
            target_id=track.target_id,
            score=track.score,
            segmentations=[
                track.segmentations[place[frame]] if frame in place else None
                for frame in range(num_frames)
            ],
        )
        for track in result.tracks
    ]
    label_maps = None
    if result.label_maps is not None:
        void = np.full_like(result.label_maps[0], VOID_LABEL)
        label_maps = [
            result.label_maps[place[frame]] if frame in place else void
            for frame in range(num_frames)
        ]
    return VideoResult(
        num_frames=num_frames, size=result.size, tracks=tracks, label_maps=label_maps
    )
