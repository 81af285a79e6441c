"""Multi-scale deformable attention (Deformable DETR, section 4.1).

The module holds the projections; the operator itself is one function, so that other backends can be
plugged in by adding them to ``_BACKENDS`` without touching any model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shapes = Sequence[tuple[int, int]]


def multi_scale_deformable_attention(
    value: Tensor, spatial_shapes: Shapes, sampling_locations: Tensor, attention_weights: Tensor
) -> Tensor:
    """Weighted sum of bilinear samples of several feature maps.

    Args:
        value: ``(N, S, M, D)``, the levels' tokens one after another, row-major; S = sum of H * W.
        spatial_shapes: ``(H, W)`` of each of the L levels.
        sampling_locations: ``(N, Q, M, L, P, 2)`` as (x, y), where 0 and 1 are the outer edges of a
            level. Outside of the level its value is 0.
        attention_weights: ``(N, Q, M, L, P)``.

    Returns:
        ``(N, Q, M * D)`` in the dtype of ``value``, heads one after another.
    """
    return _BACKENDS[deformable_attention_backend(value.device)](
        value, spatial_shapes, sampling_locations, attention_weights
    )


def deformable_attention_backend(device: torch.device) -> str:
    """Name of the backend that serves ``device``."""
    return "eager"


def _eager(
    value: Tensor, spatial_shapes: Shapes, sampling_locations: Tensor, attention_weights: Tensor
) -> Tensor:
    batch, _, heads, head_dim = value.shape
    num_queries = sampling_locations.shape[1]
    levels = value.split([height * width for height, width in spatial_shapes], dim=1)
    grids = (2 * sampling_locations - 1).to(value.dtype)
    samples = []
    for level, (height, width) in enumerate(spatial_shapes):
        maps = levels[level].permute(0, 2, 3, 1).reshape(batch * heads, head_dim, height, width)
        grid = grids[:, :, :, level].transpose(1, 2).flatten(0, 1)  # N*M Q P 2
        samples.append(F.grid_sample(maps, grid, align_corners=False))  # N*M D Q P
    weights = attention_weights.to(value.dtype).transpose(1, 2)  # N M Q L P
    weights = weights.reshape(batch * heads, 1, num_queries, -1)  # N*M 1 Q L*P
    output = (torch.stack(samples, dim=-2).flatten(-2) * weights).sum(-1)  # N*M D Q
    return output.view(batch, heads * head_dim, num_queries).transpose(1, 2)


# Indexed by the name that `deformable_attention_backend` returns.
_BACKENDS: dict[str, Callable[[Tensor, Shapes, Tensor, Tensor], Tensor]] = {"eager": _eager}


class MSDeformAttn(nn.Module):
    """Attention of queries to a few learnt points around their reference points on every level."""

    def __init__(
        self, *, embed_dim: int = 256, num_levels: int = 3, num_heads: int = 8, num_points: int = 4
    ) -> None:
        """
        Args:
            embed_dim: channels C of queries and values, a multiple of ``num_heads``.
            num_levels: number of feature maps L.
            num_heads: number of heads M.
            num_points: sampling points P per head and level.
        """
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is not a multiple of num_heads {num_heads}")
        self.num_levels, self.num_heads, self.num_points = num_levels, num_heads, num_points
        self.sampling_offsets = nn.Linear(embed_dim, num_heads * num_levels * num_points * 2)
        self.attention_weights = nn.Linear(embed_dim, num_heads * num_levels * num_points)
        self.value_proj = nn.Linear(embed_dim, embed_dim)
        self.output_proj = nn.Linear(embed_dim, embed_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with uniform attention to points on rays, one direction for each head."""
        nn.init.zeros_(self.sampling_offsets.weight)
        angles = torch.arange(self.num_heads, dtype=torch.float32) * (2 * math.pi / self.num_heads)
        rays = torch.stack((angles.cos(), angles.sin()), dim=-1)
        rays = rays / rays.abs().max(-1, keepdim=True).values  # M 2
        steps = torch.arange(1, self.num_points + 1, dtype=torch.float32)
        offsets = rays[:, None, None] * steps[:, None]  # M 1 P 2
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets.expand(-1, self.num_levels, -1, -1).flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self,
        query: Tensor,
        reference_points: Tensor,
        value: Tensor,
        spatial_shapes: Shapes,
        padding_mask: Tensor | None = None,
    ) -> Tensor:
        """
        Args:
            query: ``(N, Q, C)``.
            reference_points: ``(N, Q, L, 2)`` points (x, y), or ``(N, Q, L, 4)`` boxes
                (x, y, w, h), in units of the level's size.
            value: ``(N, S, C)``, the levels' tokens one after another.
            spatial_shapes: ``(H, W)`` of each level.
            padding_mask: bool ``(N, S)``, True for tokens whose value counts as 0.

        Returns:
            ``(N, Q, C)``.
        """
        batch, num_queries, channels = query.shape
        heads, levels, points = self.num_heads, self.num_levels, self.num_points
        value = self.value_proj(value)
        if padding_mask is not None:
            value = value.masked_fill(padding_mask[..., None], 0.0)
        value = value.view(batch, -1, heads, channels // heads)

        offsets = self.sampling_offsets(query).view(batch, num_queries, heads, levels, points, 2)
        weights = self.attention_weights(query).view(batch, num_queries, heads, levels * points)
        weights = weights.softmax(-1).view(batch, num_queries, heads, levels, points)

        reference = reference_points[:, :, None, :, None]  # N Q 1 L 1 (2 or 4)
        if reference_points.shape[-1] == 2:
            size = offsets.new_tensor([(width, height) for height, width in spatial_shapes])
            locations = reference + offsets / size[:, None]
        elif reference_points.shape[-1] == 4:
            locations = reference[..., :2] + offsets / points * reference[..., 2:] * 0.5
        else:
            raise ValueError(
                "reference_points must end in 2 (points) or 4 (boxes), got shape "
                f"{tuple(reference_points.shape)}"
            )
        output = multi_scale_deformable_attention(value, spatial_shapes, locations, weights)
        return self.output_proj(output)
