"""Windows of consecutive frames within which tokens attend to each other (VITA, section 3.2).

A layer cuts a video into windows of W frames. A *shifted* layer first rolls the frames by half a
window, so that neighbouring windows exchange information; what the roll brings together, the end
and the beginning of the video, stays apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from univs.modeling.decoder.layers import SelfAttentionLayer
from univs.modeling.decoder.masked_attention import open_empty_rows

# Bounds the memory that intermediate results of long videos take, without effect on results.
_WINDOWS_AT_ONCE = 64


def padded_length(num_frames: int, window: int) -> int:
    """The number of frames rounded up to whole windows."""
    return -(-num_frames // window) * window


def window_blocks(num_frames: int, window: int, shift: int = 0) -> Tensor:
    """Which frame slots of each window must not look at which.

    Without a shift only padding frames are never looked at. With a shift padding does not look
    either, and the first window falls apart at the seam (as published).

    Args:
        num_frames: frames of the video, T.
        window: frames of a window, W.
        shift: frames by which the video is rolled; slot s then holds frame s - shift.

    Returns:
        bool ``(N, W, W)`` on the CPU: window, looking slot, slot looked at; True where blocked.
    """
    length = padded_length(num_frames, window)
    frames = (torch.arange(length) - shift) % length
    is_padding = (frames >= num_frames).view(-1, window)  # N W
    blocked = is_padding[:, None].repeat(1, window, 1)
    if shift:
        blocked |= is_padding[:, :, None]
        from_the_end = torch.arange(window) < shift
        blocked[0] |= from_the_end[:, None] != from_the_end
    return blocked


def attend_in_windows(
    layer: SelfAttentionLayer, tokens: Tensor, num_frames: int, window: int, shift: int = 0
) -> Tensor:
    """Apply a self-attention layer within windows.

    Args:
        layer: the layer.
        tokens: ``(G, T', Q, C)``, T' the padded length; frames from ``num_frames`` on are padding.
        num_frames: frames that are not padding.
        window: frames per window W.
        shift: see :func:`window_blocks`.

    Returns:
        ``(G, T', Q, C)``, the frames in the same order.
    """
    num_queries = tokens.shape[2]
    windows = tokens.roll(shift, dims=1).unflatten(1, (-1, window)).flatten(2, 3)  # G N W*Q C
    blocked = window_blocks(num_frames, window, shift)
    # Only windows at the ends of the video block anything; the others need no mask.
    is_blocked = blocked.flatten(1).any(1)
    free = (~is_blocked).nonzero().flatten().split(_WINDOWS_AT_ONCE)
    masked = is_blocked.nonzero().flatten().split(_WINDOWS_AT_ONCE)
    parts, order = [], []
    for indices in (*free, *masked):
        if not len(indices):
            continue
        mask = None
        if is_blocked[indices[0]]:
            mask = _token_blocks(blocked[indices], num_queries).to(tokens.device)
            mask = mask.repeat(len(tokens), 1, 1)  # G*n W*Q W*Q
        chosen = windows[:, indices.to(tokens.device)]  # G n W*Q C
        parts.append(layer(chosen.flatten(0, 1), None, mask).unflatten(0, chosen.shape[:2]))
        order.append(indices)
    restored = torch.cat(order).argsort().to(tokens.device)
    windows = torch.cat(parts, dim=1)[:, restored]
    return windows.unflatten(2, (window, num_queries)).flatten(1, 2).roll(-shift, dims=1)


def _token_blocks(blocked: Tensor, num_queries: int) -> Tensor:
    """Blocks between frames -> blocks between their tokens, ``(N, W*Q, W*Q)``.

    Slots that may look nowhere hold padding; what they become does not matter.
    """
    opened = open_empty_rows(blocked)
    return opened.repeat_interleave(num_queries, 1).repeat_interleave(num_queries, 2)
