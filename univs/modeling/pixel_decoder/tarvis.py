"""Temporal neck of TarViS (Athar et al. 2023, section 3.2): space and time in turn.

It is the pixel decoder of Mask2Former with one layer of windowed attention over time after each
layer of deformable attention over space. Only the former looks across frames, only the latter
across windows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.modeling import SEM_SEG_HEADS_REGISTRY
from univs.modeling.decoder.layers import MultiheadAttention, xavier_uniform_matrices
from univs.modeling.pixel_decoder.ms_deform_attn import (
    DeformableEncoder,
    MSDeformAttnPixelDecoder,
    join_levels,
    reference_points,
    split_levels,
)
from univs.modeling.position_encoding import clip_frame_positions, sine_encoding_3d

# Side of a window in cells of the coarsest map, so the padded input is a multiple of 64 pixels.
WINDOW_SIZE = 2

Shapes = list[tuple[int, int]]


def window_tokens(shapes: Shapes, *, device: torch.device | None = None) -> Tensor:
    """Which tokens of a frame form a window.

    A window is a square of :data:`WINDOW_SIZE` cells of the coarsest map together with all cells of
    the finer maps inside it.

    Args:
        shapes: height and width of each level, coarse to fine; every level is a whole multiple of
            the coarsest.
        device: where the result lies.

    Returns:
        int64 ``(windows, tokens)``: indices into the tokens of all levels, one level after another,
        row-major. Windows are row-major as well; inside of them tokens go level by level.

    Raises:
        ValueError: the maps cannot be divided into windows.
    """
    height, width = shapes[0]
    if height % WINDOW_SIZE or width % WINDOW_SIZE:
        raise ValueError(
            f"the coarsest map is {height} x {width}, but windows over time need even sides: "
            "pad frames to multiples of 64 pixels (MODEL.MASK_FORMER.SIZE_DIVISIBILITY 64)"
        )
    rows, columns = height // WINDOW_SIZE, width // WINDOW_SIZE
    windows, start = [], 0
    for level_height, level_width in shapes:
        if level_height % height or level_width % width:
            raise ValueError(f"map sizes {shapes} are not whole multiples of the coarsest")
        index = torch.arange(level_height * level_width, device=device) + start
        blocks = index.view(rows, level_height // rows, columns, level_width // columns)
        windows.append(blocks.transpose(1, 2).flatten(2).flatten(0, 1))  # windows cells
        start += level_height * level_width
    return torch.cat(windows, dim=1)


class TemporalWindowLayer(nn.Module):
    """Attention among all tokens of a window in all frames of the clip; post-norm."""

    def __init__(self, *, embed_dim: int, num_heads: int, feedforward_dim: int) -> None:
        """
        Args:
            embed_dim: channels C of the tokens.
            num_heads: attention heads.
            feedforward_dim: hidden width of the feed-forward network.
        """
        super().__init__()
        self.self_attn = MultiheadAttention(embed_dim, num_heads)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.linear1 = nn.Linear(embed_dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)

    def forward(self, tokens: Tensor, position: Tensor, windows: Tensor) -> Tensor:
        """
        Args:
            tokens: ``(B, T, S, C)``.
            position: ``(T, S, C)``.
            windows: see :func:`window_tokens`; every token is in exactly one window.

        Returns:
            ``(B, T, S, C)``.
        """
        batch, num_frames = tokens.shape[:2]
        value = tokens[:, :, windows]  # B T W L C
        located = value + position[:, windows]
        # Frames join their window: B*W T*L C.
        value, located = (x.transpose(1, 2).flatten(2, 3).flatten(0, 1) for x in (value, located))
        attended = self.self_attn(located, located, value)
        attended = attended.unflatten(1, (num_frames, -1)).unflatten(0, (batch, -1))  # B W T L C
        place = windows.flatten().argsort()
        attended = attended.transpose(1, 2).flatten(2, 3)[:, :, place]  # B T S C
        tokens = self.norm1(tokens + attended)
        return self.norm2(tokens + self.linear2(F.relu(self.linear1(tokens))))


class TemporalEncoder(DeformableEncoder):
    """Deformable attention in every frame and windowed attention over time, in turn."""

    def __init__(
        self,
        *,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        num_levels: int,
        feedforward_dim: int,
        dropout: float,
    ) -> None:
        """
        Args:
            embed_dim: channels C of the tokens.
            num_heads: attention heads of both kinds of layers.
            num_layers: layers of each kind.
            num_levels: feature maps L.
            feedforward_dim: hidden width of the feed-forward networks.
            dropout: of the deformable layers.
        """
        super().__init__(
            embed_dim=embed_dim,
            num_heads=num_heads,
            num_layers=num_layers,
            num_levels=num_levels,
            feedforward_dim=feedforward_dim,
            dropout=dropout,
        )
        self.encoder.temporal_layers = nn.ModuleList(
            TemporalWindowLayer(
                embed_dim=embed_dim, num_heads=num_heads, feedforward_dim=feedforward_dim
            )
            for _ in range(num_layers)
        )
        xavier_uniform_matrices(self.encoder.temporal_layers)
        self.level_embed_3d = nn.Parameter(torch.empty(num_levels, embed_dim))
        nn.init.normal_(self.level_embed_3d)

    def forward(self, levels: list[Tensor], num_frames: int = 1) -> list[Tensor]:
        """
        Args:
            levels: L maps ``(B * T, C, h, w)``, coarse to fine, the frames of a clip adjacent.
            num_frames: T.

        Returns:
            L maps of the same shapes.
        """
        tokens, shapes = join_levels(levels)  # B*T S C
        position = self.position(shapes, like=tokens)
        reference = reference_points(shapes, like=tokens).expand(len(tokens), -1, -1, -1)
        clip_position = self.clip_position(num_frames, shapes, like=tokens)
        windows = window_tokens(shapes, device=tokens.device)
        for spatial, temporal in zip(
            self.encoder.layers, self.encoder.temporal_layers, strict=True
        ):
            tokens = spatial(tokens, position, reference, shapes)
            clips = tokens.unflatten(0, (-1, num_frames))  # B T S C
            tokens = temporal(clips, clip_position, windows).flatten(0, 1)
        return split_levels(tokens, shapes)

    def clip_position(self, num_frames: int, shapes: Shapes, *, like: Tensor) -> Tensor:
        """Sine encoding of place and time plus level embedding of every token, ``(T, S, C)``."""
        channels = self.level_embed_3d.shape[1]
        frames = clip_frame_positions(num_frames, like=like)
        return torch.cat(
            [
                sine_encoding_3d(frames, *shape, channels, like=like).flatten(2).transpose(1, 2)
                + self.level_embed_3d[index]
                for index, shape in enumerate(shapes)
            ],
            dim=1,
        )


@SEM_SEG_HEADS_REGISTRY.register()
class TemporalPixelDecoder(MSDeformAttnPixelDecoder):
    """Pixel decoder of clips: all its maps are informed by all frames of the clip.

    ``forward_features(features, num_frames)`` takes features ``(B * T, C, h, w)`` of padded frames
    whose sides are multiples of 64 pixels.
    """

    encoder_type = TemporalEncoder
