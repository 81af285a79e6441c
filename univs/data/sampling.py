"""Which frames of a video make a training clip."""

from __future__ import annotations

import numpy as np


def sample_frames(
    length: int,
    num_frames: int,
    *,
    frame_range: int,
    random: np.random.Generator,
    shuffle: bool = False,
) -> list[int]:
    """Draw the frames of a clip around a random reference frame.

    The reference is uniform over the video. The others are drawn, with replacement, from the
    frames at most ``frame_range`` away from it, itself excluded (as published in VITA and
    Mask2Former for
    video: frames can repeat). A video of one frame is repeated.

    Args:
        length: frames of the video.
        num_frames: frames of the clip.
        frame_range: largest distance to the reference.
        random: where random values come from.
        shuffle: random order instead of ascending.

    Returns:
        ``num_frames`` indices.
    """
    reference = int(random.integers(length))
    first, last = max(0, reference - frame_range), min(length - 1, reference + frame_range)
    candidates = [frame for frame in range(first, last + 1) if frame != reference] or [reference]
    others = random.integers(len(candidates), size=num_frames - 1)
    frames = sorted([reference, *(candidates[i] for i in others)])
    if shuffle:
        random.shuffle(frames)
    return frames


def sample_frames_apart(
    length: int,
    num_frames: int,
    *,
    frame_range: int,
    interval: int,
    random: np.random.Generator,
    with_reference: bool = True,
) -> list[int]:
    """Draw the frames of a clip as published in UniVS.

    Frames are drawn, with replacement, from those that are at least ``interval`` and at most
    ``frame_range`` away from a uniform reference frame. A video without such frames gives copies of
    the reference.

    Args:
        length: frames of the video.
        num_frames: frames of the clip.
        frame_range: largest distance to the reference.
        interval: least distance to the reference, except of the reference itself.
        random: where random values come from.
        with_reference: the clip has the reference in it.

    Returns:
        ``num_frames`` ascending indices.
    """
    reference = int(random.integers(length))
    before = range(max(0, reference - frame_range), max(0, reference - interval + 1))
    after = range(reference + interval, min(length, reference + frame_range + 1))
    candidates = [*before, *after]
    if not candidates:
        return [reference] * num_frames
    frames = [candidates[i] for i in random.integers(len(candidates), size=num_frames)]
    if with_reference:
        frames[-1] = reference
    return sorted(frames)
