"""Truth and prediction of a video, frame by frame, checked.

A video is any sequence of label maps [H, W]: an array [T, H, W], a list, or an object that reads a
file when it is indexed, so that no metric ever holds more than one frame of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

Frames = Sequence[np.ndarray | None]
"""Label maps [H, W] of integers in temporal order; None where there is no prediction."""


class MissingFrameError(ValueError):
    """A frame that must be scored has no prediction."""


def frame_pairs(
    truth: Frames,
    prediction: Frames,
    indices: Iterable[int] | None = None,
    *,
    video: str,
    frame_names: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (index, truth map, prediction map) of the frames to score.

    Args:
        truth: T label maps.
        prediction: T label maps of the same sizes, or fewer.
        indices: frames to score, from 0; all by default.
        video: name of the video, for messages.
        frame_names: names of the T frames, for messages.
        allow_missing: score a missing prediction as an empty one.

    Raises:
        MissingFrameError: a frame has no prediction.
        ValueError: more predictions than frames, a map that is not [H, W] of integers, or a
            prediction whose size is not that of the truth. The message names video and frame.
    """
    length = len(truth)
    if len(prediction) > length:
        raise ValueError(
            f"Video {video!r}: {len(prediction)} predicted frames for {length} frames of truth."
        )
    for index in range(length) if indices is None else indices:
        frame = frame_names[index] if frame_names is not None else index
        where = f"Video {video!r}, frame {frame}"
        expected = _label_map(truth[index], f"{where}: truth")
        actual = prediction[index] if index < len(prediction) else None
        if actual is None:
            if not allow_missing:
                raise MissingFrameError(
                    f"{where}: no prediction. Predict every frame, or pass allow_missing=True to "
                    "score missing frames as empty."
                )
            actual = np.zeros_like(expected)
        actual = _label_map(actual, f"{where}: prediction")
        if actual.shape != expected.shape:
            raise ValueError(
                f"{where}: the prediction has size {_size(actual)}, the truth {_size(expected)} "
                "(height x width). Save predictions in the size of the annotation."
            )
        yield index, expected, actual


def _label_map(label_map: np.ndarray | None, what: str) -> np.ndarray:
    if label_map is None:
        raise ValueError(f"{what} is missing.")
    label_map = np.ascontiguousarray(label_map)
    if label_map.ndim != 2 or label_map.dtype.kind not in "uib":
        raise ValueError(
            f"{what} must be an integer map [H, W], not {label_map.dtype} of shape "
            f"{label_map.shape}."
        )
    return label_map.view(np.uint8) if label_map.dtype == bool else label_map


def _size(label_map: np.ndarray) -> str:
    return "{} x {}".format(*label_map.shape)
