"""How TarViS mixes data sets and chooses frames (Athar et al. 2023, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sample_counts(weights: Sequence[float], num_samples: int) -> list[int]:
    """How many samples each data set gives in a whole run.

    Args:
        weights: share of each data set; they sum up to 1.
        num_samples: samples of the run, iterations times batch size.

    Returns:
        one count for each data set; the last one takes what is left, so that they sum up exactly.
    """
    if not weights or not np.isclose(sum(weights), 1):
        raise ValueError(f"the weights of the data sets must sum up to 1, got {list(weights)}")
    counts = [round(weight * num_samples) for weight in weights[:-1]]
    return [*counts, num_samples - sum(counts)]


def frames_around(
    num_frames: int, reference: int, length: int, reach: int, random: np.random.Generator
) -> list[int]:
    """A clip around a frame: the others are drawn without replacement from those nearby.

    Args:
        num_frames: frames of the video.
        reference: the frame that is in the clip.
        length: frames of the clip.
        reach: largest distance to the reference; where fewer frames are so near, some repeat.
        random: where random values come from.

    Returns:
        ``length`` ascending indices.
    """
    first, last = max(0, reference - reach), min(num_frames - 1, reference + reach)
    candidates = np.delete(np.arange(first, last + 1), reference - first)
    return sorted([reference, *_draw(candidates, reference, length - 1, random)])


def frames_after(
    num_frames: int, reference: int, length: int, reach: int, random: np.random.Generator
) -> list[int]:
    """A clip that begins with a frame; the others come later. See :func:`frames_around`."""
    candidates = np.arange(reference + 1, min(num_frames, reference + reach + 1))
    return [reference, *sorted(_draw(candidates, reference, length - 1, random))]


def consecutive_frames(
    num_frames: int, reference: int, length: int, random: np.random.Generator
) -> list[int]:
    """Neighbouring frames among which is ``reference``; the last one repeats in a short video."""
    first = max(0, reference - length + 1)
    start = int(random.integers(first, max(first, min(reference, num_frames - length)) + 1))
    return [min(start + step, num_frames - 1) for step in range(length)]


def _draw(
    candidates: np.ndarray, reference: int, count: int, random: np.random.Generator
) -> list[int]:
    """``count`` different candidates, with all of them and then repetitions if they are fewer."""
    if not len(candidates):
        return [reference] * count
    chosen = random.permutation(candidates)[:count].tolist()
    return chosen + random.choice(candidates, count - len(chosen)).tolist()


def interleaved_frames(num_frames: int, fps: int, num_between: int) -> list[int]:
    """Frames of a video that is annotated once a second, with some frames between (BURST).

    Args:
        num_frames: frames of the video.
        fps: frames per second, at least 2; every ``fps``-th frame is annotated.
        num_between: frames between two annotated ones. As published there are at most ``fps - 2``,
            so that of a slow video at least one frame per second is left out.

    Returns:
        ascending indices, evenly spread in every second.
    """
    if fps < 2:
        raise ValueError(f"frames between annotated ones need at least 2 per second, got {fps}")
    second = np.linspace(0, fps, min(num_between, fps - 2) + 2).round().astype(int)
    frames = np.unique(np.arange(0, num_frames, fps)[:, None] + second)
    return frames[frames < num_frames].tolist()
