"""Object encoder of TarViS: masks and points of objects as initial queries (after HODOR).

Every object given by a mask becomes several queries, one for each part of the mask; every point
becomes one. The rest of the reference frames is divided into a coarse grid of background queries.
The queries then attend to each other and each to the features of its own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from univs.modeling.decoder.layers import (
    MLP,
    FFNLayer,
    MultiheadAttention,
    SelfAttentionLayer,
    xavier_uniform_matrices,
)
from univs.modeling.position_encoding import sine_encoding_of_cells
from univs.modeling.prompts.exemplar_masks import background_pixels, divided_pixels

NUM_MAPS = 4


@dataclass
class Exemplars:
    """The objects of one clip: N given by masks, then M given by points.

    Attributes:
        frames: int64 ``(R,)``, the frames of the clip in which any object is given, ascending.
        masks: bool ``(N, R, H, W)`` at the padded input size, none of them empty in all frames.
        points: float ``(M, 2)``: (x, y) relative to the padded input size.
        point_frames: int64 ``(M,)``, the frame of the clip that each point lies in.
    """

    frames: Tensor
    masks: Tensor
    points: Tensor
    point_frames: Tensor

    def __len__(self) -> int:
        return len(self.masks) + len(self.points)


@dataclass
class EncodedObjects:
    """Initial queries of the exemplars of one clip.

    Attributes:
        background: ``(G, C)``, one query for each cell of the background grid.
        objects: ``(Q, C)``, the queries of all objects, in their order.
        counts: number of queries of each object.
    """

    background: Tensor
    objects: Tensor
    counts: list[int]


@dataclass
class PixelTokens:
    """What each query looks at: P tokens, each of which belongs to one query.

    Attributes:
        features: ``(P, C)``.
        positions: ``(P, C)``, added to keys.
        owners: int64 ``(P,)``, the query that each token belongs to.
        weights: ``(P,)``, how often the token counts.
    """

    features: Tensor
    positions: Tensor
    owners: Tensor
    weights: Tensor

    def joined(self, other: PixelTokens) -> PixelTokens:
        """These tokens and ``other``, whose queries follow."""
        return PixelTokens(
            torch.cat((self.features, other.features)),
            torch.cat((self.positions, other.positions)),
            torch.cat((self.owners, other.owners)),
            torch.cat((self.weights, other.weights)),
        )


class OwnTokensAttention(MultiheadAttention):
    """Attention of every query to its own tokens, in memory linear in the number of tokens."""

    def forward(self, query: Tensor, tokens: PixelTokens) -> Tensor:
        """``(Q, C)`` -> ``(Q, C)``; every query owns at least one token."""
        inputs = (query, tokens.features + tokens.positions, tokens.features)
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        query, key, value = (
            F.linear(x, weight, bias).unflatten(-1, (self.num_heads, -1))
            for x, weight, bias in zip(inputs, weights, biases, strict=True)
        )  # Q M D, P M D, P M D
        owners = tokens.owners
        scores = (query[owners] * key).sum(-1) * query.shape[-1] ** -0.5  # P M
        scores = scores + tokens.weights.log()[:, None]
        # A softmax over the tokens of each query.
        peak = torch.full_like(query[..., 0], -torch.inf)  # Q M
        index = owners[:, None].expand_as(scores)
        peak = peak.scatter_reduce(0, index, scores.detach(), "amax")
        scores = (scores - peak[owners]).exp()
        total = torch.zeros_like(peak).index_add(0, owners, scores)
        summed = torch.zeros_like(query).index_add(0, owners, scores[..., None] * value)  # Q M D
        return self.out_proj((summed / total[..., None]).flatten(1))


class _CrossAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.attn = OwnTokensAttention(embed_dim, num_heads)
        self.norm = nn.LayerNorm(embed_dim)
        xavier_uniform_matrices(self)

    def forward(self, queries: Tensor, embeddings: Tensor, tokens: PixelTokens) -> Tensor:
        return self.norm(queries + self.attn(queries + embeddings, tokens))


class ObjectEncoder(nn.Module):
    """Turns exemplars into initial queries.

    The published code draws a random subset of the pixels of large masks. Here every pixel counts:
    pixels that share a cell of the feature map are one token that weighs as much as all of them,
    which is cheaper and the same for masks of which nothing is left out.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        num_heads: int,
        feedforward_dim: int,
        num_layers: int,
        background_grid: tuple[int, int],
    ) -> None:
        """
        Args:
            embed_dim: channels C of maps and queries.
            num_heads, feedforward_dim, num_layers: of the transformer.
            background_grid: rows and columns of background cells. No parameter depends on it.
        """
        super().__init__()
        if min(background_grid) < 1:
            raise ValueError(
                f"the background grid must have at least one cell, got {background_grid}: set "
                "MODEL.TARVIS.BACKGROUND_GRID to two positive numbers"
            )
        self.background_grid = tuple(background_grid)
        self.bg_query_embed = nn.Parameter(torch.randn(embed_dim))
        self.mask_object_query_embed = nn.Parameter(torch.randn(embed_dim))
        self.point_object_query_embed = nn.Parameter(torch.randn(embed_dim))
        self.self_attn_layers = nn.ModuleList(
            SelfAttentionLayer(embed_dim, num_heads) for _ in range(num_layers)
        )
        self.cross_attn_layers = nn.ModuleList(
            _CrossAttention(embed_dim, num_heads) for _ in range(num_layers)
        )
        self.ffn_layers = nn.ModuleList(
            FFNLayer(embed_dim, feedforward_dim) for _ in range(num_layers)
        )
        self.proj_point_features = nn.ModuleList(
            nn.Linear(embed_dim, embed_dim) for _ in range(NUM_MAPS)
        )
        self.point_query = MLP(NUM_MAPS * embed_dim, embed_dim, embed_dim, 3)

    @property
    def num_background_queries(self) -> int:
        """Cells G of the background grid."""
        return self.background_grid[0] * self.background_grid[1]

    def forward(
        self, maps: list[Tensor], exemplars: Exemplars, parts_per_mask: int
    ) -> EncodedObjects:
        """Encode the exemplars of one clip, in float32 also under autocast.

        Args:
            maps: four maps ``(T, C, h, w)`` of the clip at strides 32, 16, 8 and 4; the last one
                are the mask features. Gradients reach them through points only (as published).
            exemplars: at least one object.
            parts_per_mask: queries of an object that is given by a mask.

        Raises:
            ValueError: a mask is empty.
        """
        with torch.autocast(device_type=maps[0].device.type, enabled=False):
            maps = [feature.float() for feature in maps]
            num_mask_queries = self.num_background_queries + len(exemplars.masks) * parts_per_mask
            tokens = self.mask_tokens(maps[-1], exemplars, parts_per_mask)
            queries = mean_by_owner(tokens, num_mask_queries)
            if len(exemplars.points):
                states, point_tokens = self.point_tokens(maps, exemplars, num_mask_queries)
                queries = torch.cat((queries, states))
                tokens = tokens.joined(point_tokens)
            embeddings = self.embeddings(num_mask_queries, len(exemplars.points))
            for self_attention, cross_attention, feed_forward in zip(
                self.self_attn_layers, self.cross_attn_layers, self.ffn_layers, strict=True
            ):
                queries = self_attention(queries[None], embeddings)[0]
                queries = cross_attention(queries, embeddings, tokens)
                queries = feed_forward(queries)
        return EncodedObjects(
            background=queries[: self.num_background_queries],
            objects=queries[self.num_background_queries :],
            counts=[parts_per_mask] * len(exemplars.masks) + [1] * len(exemplars.points),
        )

    def embeddings(self, num_mask_queries: int, num_points: int) -> Tensor:
        """What is added to background, mask and point queries in attention, ``(Q, C)``."""
        num_background = self.num_background_queries
        return torch.cat(
            (
                self.bg_query_embed.expand(num_background, -1),
                self.mask_object_query_embed.expand(num_mask_queries - num_background, -1),
                self.point_object_query_embed.expand(num_points, -1),
            )
        )

    def mask_tokens(
        self, features: Tensor, exemplars: Exemplars, parts_per_mask: int
    ) -> PixelTokens:
        """Tokens of the background cells, then of the parts of all masks.

        Args:
            features: ``(T, C, h, w)``.
            exemplars: see :class:`Exemplars`.
            parts_per_mask: see :meth:`forward`.
        """
        features = features.detach()[exemplars.frames].permute(0, 2, 3, 1)  # R h w C
        cells, cell_pixels = background_pixels(exemplars.masks, self.background_grid)
        parts, part_pixels = divided_pixels(exemplars.masks, parts_per_mask)
        owners = torch.cat((cells, parts + self.num_background_queries))
        pixels = torch.cat((cell_pixels, part_pixels))
        places = cells_of_pixels(pixels, exemplars.masks.shape[-2:], features.shape[1:3])

        num_places = features.shape[:3].numel()
        pairs, weights = (owners * num_places + places).unique(return_counts=True)
        owners, places = pairs // num_places, pairs % num_places
        height, width = features.shape[1:3]
        positions = sine_encoding_of_cells(
            places // width % height, places % width, features.shape[-1]
        )
        tokens = PixelTokens(
            features.flatten(0, 2)[places], positions, owners, weights.to(features.dtype)
        )
        return tokens.joined(self._empty_cells(tokens))

    def _empty_cells(self, tokens: PixelTokens) -> PixelTokens:
        """A token of zeros for each background cell without pixels, which needs one."""
        areas = torch.bincount(tokens.owners, minlength=self.num_background_queries)
        empty = (areas[: self.num_background_queries] == 0).nonzero().squeeze(1)
        zeros = tokens.features.new_zeros(len(empty), tokens.features.shape[1])
        return PixelTokens(zeros, zeros, empty, tokens.weights.new_ones(len(empty)))

    def point_tokens(
        self, maps: list[Tensor], exemplars: Exemplars, first_query: int
    ) -> tuple[Tensor, PixelTokens]:
        """Initial states ``(M, C)`` of the points, and the four tokens of each of them."""
        features = []
        for feature_map in maps:
            column, row = nearest_cells(exemplars.points, feature_map.shape[-2:]).unbind(1)
            features.append(feature_map[exemplars.point_frames, :, row, column])  # M C
        position = sine_encoding_of_cells(row, column, features[-1].shape[1])  # of stride 4
        owners = torch.arange(len(position), device=position.device) + first_query
        tokens = PixelTokens(
            torch.cat(
                [
                    projection(feature)
                    for projection, feature in zip(self.proj_point_features, features, strict=True)
                ]
            ),
            position.repeat(NUM_MAPS, 1),
            owners.repeat(NUM_MAPS),
            position.new_ones(NUM_MAPS * len(position)),
        )
        return self.point_query(torch.cat(features, dim=1)), tokens


def mean_by_owner(tokens: PixelTokens, num_owners: int) -> Tensor:
    """Weighted mean of the features of each query's tokens, ``(num_owners, C)``."""
    total = tokens.weights.new_zeros(num_owners).index_add(0, tokens.owners, tokens.weights)
    weighted = tokens.features * tokens.weights[:, None]
    summed = weighted.new_zeros(num_owners, weighted.shape[1]).index_add(0, tokens.owners, weighted)
    return summed / total[:, None]


def cells_of_pixels(
    pixels: Tensor, image_size: tuple[int, int], map_size: tuple[int, int]
) -> Tensor:
    """The map cell that each pixel lies in; indices into flattened frames, rows and columns."""
    (height, width), (map_height, map_width) = image_size, map_size
    frame, row, column = pixels // (height * width), pixels // width % height, pixels % width
    row = (2 * row + 1) * map_height // (2 * height)
    column = (2 * column + 1) * map_width // (2 * width)
    return (frame * map_height + row) * map_width + column


def nearest_cells(points: Tensor, map_size: tuple[int, int]) -> Tensor:
    """The cell (column, row) nearest to each relative point ``(M, 2)`` (x, y), ties to even."""
    size = points.new_tensor([map_size[1], map_size[0]])
    return (points * size - 0.5).round().long().clamp(min=0).minimum(size.long() - 1)
