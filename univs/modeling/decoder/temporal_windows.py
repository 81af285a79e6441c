"""Windows of consecutive frames within which tokens attend to each other (VITA, section 3.2).

A layer cuts a video into windows of W frames. A *shifted* layer begins with a shorter window, so
that neighbouring windows of the layer before exchange information. A video comes in parts, and a
layer works on a few windows at a time: what a layer has written takes the place of what it has
read, so that there is one copy of the tokens of a long video, however many layers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

Layer = Callable[[Tensor], Tensor]

# Bounds the memory that intermediate results of long videos take, without effect on results.
_WINDOWS_AT_ONCE = 16


def in_windows(
    layers: list[Layer], parts: Iterable[Tensor], window: int, shift: int = 0
) -> Iterator[Tensor]:
    """Apply layers, one after the other, to every window of a video on its own.

    The original pads the video to whole windows, rolls it by the shift, and masks the padding and
    the seam of the roll. The windows here are what these masks leave.

    Args:
        layers: map tokens ``(N, w * Q, C)`` of N windows of w frames to as many tokens.
        parts: tokens ``(G, t, Q, C)`` of consecutive frames, any number t of them.
        window: frames W of a window, 0 for all frames of the video.
        shift: by how many frames the first window is shorter than W.

    Yields:
        tokens ``(G, t, Q, C)`` of the same frames in the same order, in parts of another length.
    """
    if window:
        parts = cut(parts, (window - shift) if shift else 0, window * _WINDOWS_AT_ONCE)
    else:
        parts = (joined(list(parts)),)
    for part in parts:
        num_frames = part.shape[1]
        length = min(window or num_frames, num_frames)
        whole = num_frames - num_frames % length
        yield _applied(layers, part[:, :whole], length)
        if whole < num_frames:  # the end of the video
            yield _applied(layers, part[:, whole:], num_frames - whole)


def _applied(layers: list[Layer], frames: Tensor, length: int) -> Tensor:
    """Apply ``layers`` to windows of ``length`` frames ``(G, N * length, Q, C)``."""
    windows = frames.unflatten(1, (-1, length))  # G N w Q C
    tokens = windows.flatten(2, 3).flatten(0, 1)  # G*N w*Q C
    for layer in layers:
        tokens = layer(tokens)
    return tokens.reshape(frames.shape)


def cut(parts: Iterable[Tensor], first: int, following: int) -> Iterator[Tensor]:
    """Cut a stream of frames anew.

    Args:
        parts: ``(G, t, Q, C)``, any number t of frames each.
        first: frames of the first new part; 0: as many as the others have.
        following: frames of the other parts. The last has what is left.
    """
    wanted, waiting, num_waiting = first or following, [], 0
    for part in parts:
        while num_waiting + part.shape[1] >= wanted:
            taken = wanted - num_waiting
            yield joined([*waiting, part[:, :taken]])
            part = part[:, taken:]
            wanted, waiting, num_waiting = following, [], 0
        if part.shape[1]:
            waiting.append(part)
            num_waiting += part.shape[1]
    if waiting:
        yield joined(waiting)


def joined(parts: list[Tensor]) -> Tensor:
    """Parts ``(G, t, Q, C)`` of a video as one, not copied if there is one only."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
