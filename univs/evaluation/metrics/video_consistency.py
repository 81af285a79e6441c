"""Video consistency VC_k (Miao et al., VSPW, CVPR 2021): do labels stay where the truth stays?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

VSPW_CLIP_LENGTHS = (8, 16)


class VideoConsistency:
    """VC of one video for several clip lengths; grows frame by frame and keeps two frames.

    A clip of k frames is scored by the pixels whose truth is the same in all its frames: the share
    of them whose prediction is the same, too, right or wrong. Void is a label like any other. As
    published, a video of T frames has T - k clips, so the last one is left out, and clips without a
    pixel of constant truth are NaN.
    """

    def __init__(self, clip_lengths: Sequence[int] = VSPW_CLIP_LENGTHS) -> None:
        if not clip_lengths or not 2 <= min(clip_lengths) <= max(clip_lengths) <= 256:
            raise ValueError(f"Clip lengths must lie in 2..256, but are {list(clip_lengths)}.")
        self._values: dict[int, list[float]] = {length: [] for length in clip_lengths}
        self._truth = _Unrest(max(clip_lengths))
        self._prediction = _Unrest(max(clip_lengths))
        self._num_frames = 0

    def add(self, truth: np.ndarray, prediction: np.ndarray, where: str) -> None:
        """Take the next frame.

        Args:
            truth, prediction: labels [H, W] of the same size and type in all frames; raw and mapped
                labels differ where several raw values are void.
            where: names video and frame in messages.

        Raises:
            ValueError: the size is not that of the truth or of the frames before.
        """
        if truth.shape != prediction.shape:
            raise ValueError(
                f"{where}: the truth has the size {list(truth.shape)}, but the prediction "
                f"{list(prediction.shape)}. Predict at the size of the truth."
            )
        self._truth.add(truth, where)
        self._prediction.add(prediction, where)
        self._num_frames += 1
        either = np.maximum(self._truth.frames_left, self._prediction.frames_left)
        for length, values in self._values.items():
            if self._num_frames < length:
                continue
            limit = self._truth.after(length)
            count = int(np.count_nonzero(self._truth.frames_left <= limit))
            kept = int(np.count_nonzero(either <= limit))
            values.append(kept / count if count else math.nan)

    def clips(self, clip_length: int) -> list[float]:
        """Values of the clips of the video; empty if it has no more than ``clip_length`` frames."""
        return self._values[clip_length][:-1]


def video_consistency(videos: Iterable[Sequence[float]]) -> float:
    """Mean over all clips of all videos that are not NaN, every clip equally weighted.

    Args:
        videos: `VideoConsistency.clips` of each, in a fixed order.

    Returns:
        The mean, NaN if there is no clip.
    """
    values = np.array([value for clips in videos for value in clips], dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else math.nan


class _Unrest:
    """Per pixel, how many more frames its label must stay until nothing of a change is remembered.

    Counting down to 0 needs no upper bound, which keeps every step in 8 bits.

    Attributes:
        frames_left: [H, W] uint8; `_memory` where the label has just changed.
    """

    def __init__(self, longest: int) -> None:
        # With all bits set it replaces any smaller number by a mere "or".
        self._memory = (1 << (longest - 1).bit_length()) - 1
        self._last: np.ndarray | None = None

    def add(self, labels: np.ndarray, where: str) -> None:
        if self._last is None:
            self.frames_left = np.full(labels.shape, self._memory, dtype=np.uint8)
        elif labels.shape != self._last.shape:
            raise ValueError(
                f"{where}: the size is {list(labels.shape)}, but {list(self._last.shape)} in the "
                "frames before."
            )
        else:
            changed = (labels != self._last).view(np.uint8)
            np.negative(changed, out=changed)  # 1 becomes 255
            changed &= np.uint8(self._memory)
            self.frames_left -= (self.frames_left != 0).view(np.uint8)
            self.frames_left |= changed
        self._last = labels.copy()

    def after(self, num_frames: int) -> int:
        """``frames_left`` of a pixel that had one label in exactly the last ``num_frames``."""
        return self._memory - (num_frames - 1)
