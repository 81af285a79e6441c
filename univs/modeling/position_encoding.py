"""Sine position encodings of image and clip grids (DETR, section A.4; Mask2Former, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0


def sine_features(positions: Tensor, num_features: int) -> Tensor:
    """Encode scalars as interleaved sines and cosines of geometrically spaced frequencies.

    Args:
        positions: scalars of any shape ``(*)``, in radians.
        num_features: even number of output channels.

    Returns:
        ``(*, num_features)``: sine of the first frequency, its cosine, sine of the second, ...
    """
    index = torch.arange(num_features, dtype=torch.float32, device=positions.device)
    frequency = TEMPERATURE ** (2 * torch.div(index, 2, rounding_mode="floor") / num_features)
    angles = positions[..., None] / frequency.to(positions.dtype)
    return torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1).flatten(-2)


def _normalised_positions(length: int, like: Tensor) -> Tensor:
    # Positions count from 1, so the last one maps to a full turn: published weights depend on it.
    positions = torch.arange(1, length + 1, dtype=like.dtype, device=like.device)
    return positions / (length + 1e-6) * (2 * math.pi)


def sine_encoding_2d(height: int, width: int, channels: int, *, like: Tensor) -> Tensor:
    """Position encoding of a grid: half of the channels for the row, half for the column.

    Args:
        height, width: size of the grid.
        channels: number of output channels, a multiple of 4.
        like: tensor whose device and dtype the result takes.

    Returns:
        ``(channels, height, width)``, the channels of the row first.
    """
    rows = sine_features(_normalised_positions(height, like), channels // 2)  # H C/2
    columns = sine_features(_normalised_positions(width, like), channels // 2)  # W C/2
    grid = torch.cat(
        (
            rows[:, None].expand(height, width, -1),
            columns[None].expand(height, width, -1),
        ),
        dim=-1,
    )
    return grid.permute(2, 0, 1)


def sine_encoding_of_cells(rows: Tensor, columns: Tensor, channels: int) -> Tensor:
    """Position encoding of single cells whose positions are counted but not normalised.

    Args:
        rows, columns: ``(*)``, 0-based indices of the cells.
        channels: number of output channels, a multiple of 4.

    Returns:
        float32 ``(*, channels)``, the channels of the row first.
    """
    return torch.cat(
        [sine_features(index.float() + 1, channels // 2) for index in (rows, columns)], dim=-1
    )


def sine_encoding_2d_masked(padding: Tensor, channels: int) -> Tensor:
    """Position encoding of grids of which only a part is image.

    Args:
        padding: bool ``(B, H, W)``, True where a cell is padding.
        channels: number of output channels, a multiple of 4.

    Returns:
        float32 ``(B, channels, H, W)``; positions are counted over cells that are not padding.
    """
    inside = (~padding).float()
    rows = inside.cumsum(1)
    columns = inside.cumsum(2)
    rows = rows / (rows[:, -1:] + 1e-6) * (2 * math.pi)
    columns = columns / (columns[:, :, -1:] + 1e-6) * (2 * math.pi)
    parts = [sine_features(axis, channels // 2) for axis in (rows, columns)]
    return torch.cat(parts, dim=-1).permute(0, 3, 1, 2)


def sine_encoding_3d(
    frame_positions: Tensor, height: int, width: int, channels: int, *, like: Tensor
) -> Tensor:
    """Position encoding of a clip: the grid encoding plus an encoding of the frame's position.

    Args:
        frame_positions: ``(..., T)``, position of each frame in radians.
        height, width: size of the grid.
        channels: number of output channels, a multiple of 4.
        like: tensor whose device and dtype the result takes.

    Returns:
        ``(..., T, channels, height, width)``.
    """
    grid = sine_encoding_2d(height, width, channels, like=like)
    frames = sine_features(frame_positions.to(like), channels)  # ... T C
    return grid + frames[..., None, None]


def clip_frame_positions(num_frames: int, *, like: Tensor) -> Tensor:
    """Positions ``(T,)`` of the frames of a clip, spread over one turn whatever its length."""
    return _normalised_positions(num_frames, like)


def indexed_frame_positions(frame_indices: Tensor, max_frames: int = 128) -> Tensor:
    """Positions of frames by their index in the video; ``max_frames`` indices are one turn.

    Args:
        frame_indices: ``(..., T)``; indices beyond ``max_frames`` extrapolate.

    Returns:
        float32 ``(..., T)`` in radians.
    """
    return frame_indices.float() / max_frames * (2 * math.pi)


def sine_encoding_points(points: Tensor, frame_positions: Tensor, channels: int) -> Tensor:
    """Position encoding of single points, in the scale of :func:`sine_encoding_3d`.

    Grids count cells from 1, so a point at the centre of a cell is half a cell off (as published).

    Args:
        points: ``(..., 2)`` as (x, y), relative to the size of the frame.
        frame_positions: ``(...)``, broadcastable, position of each point's frame in radians.
        channels: number of output channels, a multiple of 4.

    Returns:
        ``(..., channels)``.
    """
    x, y = (points * (2 * math.pi)).unbind(-1)
    parts = [sine_features(axis, channels // 2) for axis in (y, x)]
    return torch.cat(parts, dim=-1) + sine_features(frame_positions.to(points), channels)
