"""Multi-scale deformable attention pixel decoder (Mask2Former, section 3.2 and appendix)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from fvcore.nn import weight_init
from torch import Tensor, nn

from detectron2.config import configurable
from detectron2.layers import Conv2d, ShapeSpec, get_norm
from detectron2.modeling import SEM_SEG_HEADS_REGISTRY
from univs.modeling.ops import MSDeformAttn
from univs.modeling.position_encoding import sine_encoding_2d

NUM_SAMPLING_POINTS = 4
NUM_DECODER_LEVELS = 3


@dataclass
class PixelFeatures:
    """What a pixel decoder computes for N images.

    Attributes:
        mask_features: ``(N, C_mask, H / 4, W / 4)``, per-pixel embeddings.
        multi_scale: three maps ``(N, C, h, w)``, coarse to fine (strides 32, 16, 8).
        finest: ``(N, C, H / 4, W / 4)``, the map that ``mask_features`` is projected from.
    """

    mask_features: Tensor
    multi_scale: list[Tensor]
    finest: Tensor


class DeformableEncoderLayer(nn.Module):
    """Deformable self-attention over all levels, then a feed-forward network; post-norm."""

    def __init__(
        self,
        *,
        embed_dim: int,
        num_heads: int,
        num_levels: int,
        feedforward_dim: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.self_attn = MSDeformAttn(
            embed_dim=embed_dim,
            num_levels=num_levels,
            num_heads=num_heads,
            num_points=NUM_SAMPLING_POINTS,
        )
        self.norm1 = nn.LayerNorm(embed_dim)
        self.linear1 = nn.Linear(embed_dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Tensor,
        position: Tensor,
        reference_points: Tensor,
        spatial_shapes: list[tuple[int, int]],
    ) -> Tensor:
        """``(N, S, C)`` -> ``(N, S, C)``; see :class:`DeformableEncoder`."""
        attended = self.self_attn(tokens + position, reference_points, tokens, spatial_shapes)
        tokens = self.norm1(tokens + self.dropout(attended))
        hidden = self.dropout(F.relu(self.linear1(tokens)))
        return self.norm2(tokens + self.dropout(self.linear2(hidden)))


class _EncoderLayers(nn.Module):
    # Only there because published names say transformer.encoder.layers.
    def __init__(self, layers: list[DeformableEncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class DeformableEncoder(nn.Module):
    """Deformable attention encoder over the tokens of several levels."""

    def __init__(
        self,
        *,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        num_levels: int,
        feedforward_dim: int = 1024,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = _EncoderLayers(
            [
                DeformableEncoderLayer(
                    embed_dim=embed_dim,
                    num_heads=num_heads,
                    num_levels=num_levels,
                    feedforward_dim=feedforward_dim,
                    dropout=dropout,
                )
                for _ in range(num_layers)
            ]
        )
        self.level_embed = nn.Parameter(torch.empty(num_levels, embed_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for parameter in self.encoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for layer in self.encoder.layers:
            layer.self_attn.reset_parameters()
        nn.init.normal_(self.level_embed)

    def forward(self, levels: list[Tensor], num_frames: int = 1) -> list[Tensor]:
        """Encode every frame on its own.

        Args:
            levels: L maps ``(N, C, h, w)``.
            num_frames: adjacent frames of a clip, for encoders that look across frames.

        Returns:
            L maps of the same shapes.
        """
        tokens, shapes = join_levels(levels)
        position = self.position(shapes, like=tokens)
        reference = reference_points(shapes, like=tokens).expand(len(tokens), -1, -1, -1)
        for layer in self.encoder.layers:
            tokens = layer(tokens, position, reference, shapes)
        return split_levels(tokens, shapes)

    def position(self, shapes: list[tuple[int, int]], *, like: Tensor) -> Tensor:
        """Sine encoding plus level embedding of every token, ``(S, C)``."""
        channels = self.level_embed.shape[1]
        return torch.cat(
            [
                sine_encoding_2d(*shape, channels, like=like).flatten(1).T + self.level_embed[index]
                for index, shape in enumerate(shapes)
            ]
        )


def join_levels(levels: list[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
    """L maps ``(N, C, h, w)`` -> tokens ``(N, S, C)``, level by level, and sizes of the maps."""
    tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in levels], dim=1)
    return tokens, [tuple(level.shape[-2:]) for level in levels]


def split_levels(tokens: Tensor, shapes: list[tuple[int, int]]) -> list[Tensor]:
    """The reverse of :func:`join_levels`: ``(N, S, C)`` -> L maps ``(N, C, h, w)``."""
    maps = tokens.split([height * width for height, width in shapes], dim=1)
    return [
        level.transpose(1, 2).unflatten(2, shape) for level, shape in zip(maps, shapes, strict=True)
    ]


def reference_points(shapes: list[tuple[int, int]], *, like: Tensor) -> Tensor:
    """Centres (x, y) of all cells of all levels, repeated for each level: ``(1, S, L, 2)``."""
    centres = []
    for height, width in shapes:
        y = (torch.arange(height, dtype=like.dtype, device=like.device) + 0.5) / height
        x = (torch.arange(width, dtype=like.dtype, device=like.device) + 0.5) / width
        centres.append(torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), dim=-1))
    points = torch.cat([centre.flatten(0, 1) for centre in centres])  # S 2
    return points[None, :, None].expand(1, -1, len(shapes), -1)


@SEM_SEG_HEADS_REGISTRY.register()
class MSDeformAttnPixelDecoder(nn.Module):
    """Deformable encoder over strides 32 to 8 and a feature pyramid up to stride 4."""

    encoder_type = DeformableEncoder

    @configurable
    def __init__(
        self,
        input_shape: dict[str, ShapeSpec],
        *,
        transformer_in_features: list[str],
        transformer_dropout: float,
        transformer_nheads: int,
        transformer_enc_layers: int,
        transformer_dim_feedforward: int = 1024,
        conv_dim: int,
        mask_dim: int,
        norm: str,
        common_stride: int,
    ) -> None:
        """
        Args:
            input_shape: channels and strides of the backbone features, by name.
            transformer_in_features: features that the encoder works on.
            transformer_dropout, transformer_nheads, transformer_enc_layers,
                transformer_dim_feedforward: of the encoder; its width is 1024 in all published
                models.
            conv_dim: channels C of all maps.
            mask_dim: channels of the mask features.
            norm: normalisation of the pyramid's convolutions, usually ``GN``.
            common_stride: stride of the mask features.
        """
        super().__init__()
        fine_to_coarse = sorted(input_shape, key=lambda name: input_shape[name].stride)
        encoder_inputs = [name for name in fine_to_coarse if name in transformer_in_features]
        self.encoder_inputs = encoder_inputs[::-1]  # coarse to fine
        finest_stride = min(input_shape[name].stride for name in encoder_inputs)
        self.pyramid_inputs = [  # coarse to fine
            name
            for name in fine_to_coarse
            if common_stride <= input_shape[name].stride < finest_stride
        ][::-1]

        self.input_proj = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(input_shape[name].channels, conv_dim, kernel_size=1),
                nn.GroupNorm(32, conv_dim),
            )
            for name in self.encoder_inputs
        )
        for projection in self.input_proj:
            nn.init.xavier_uniform_(projection[0].weight)
            nn.init.zeros_(projection[0].bias)
        self.transformer = self.encoder_type(
            embed_dim=conv_dim,
            num_heads=transformer_nheads,
            num_layers=transformer_enc_layers,
            num_levels=len(self.encoder_inputs),
            feedforward_dim=transformer_dim_feedforward,
            dropout=transformer_dropout,
        )
        self.mask_features = Conv2d(conv_dim, mask_dim, kernel_size=1)
        weight_init.c2_xavier_fill(self.mask_features)
        # Published names count the pyramid's levels from fine to coarse, from 1.
        for index, name in enumerate(self.pyramid_inputs[::-1], start=1):
            adapter = Conv2d(
                input_shape[name].channels,
                conv_dim,
                kernel_size=1,
                bias=norm == "",
                norm=get_norm(norm, conv_dim),
            )
            layer = Conv2d(
                conv_dim,
                conv_dim,
                kernel_size=3,
                padding=1,
                bias=norm == "",
                norm=get_norm(norm, conv_dim),
                activation=F.relu,
            )
            weight_init.c2_xavier_fill(adapter)
            weight_init.c2_xavier_fill(layer)
            self.add_module(f"adapter_{index}", adapter)
            self.add_module(f"layer_{index}", layer)

    @classmethod
    def from_config(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        head = cfg.MODEL.SEM_SEG_HEAD
        return {
            "input_shape": {k: v for k, v in input_shape.items() if k in head.IN_FEATURES},
            "transformer_in_features": head.DEFORMABLE_TRANSFORMER_ENCODER_IN_FEATURES,
            "transformer_dropout": cfg.MODEL.MASK_FORMER.DROPOUT,
            "transformer_nheads": cfg.MODEL.MASK_FORMER.NHEADS,
            "transformer_enc_layers": head.TRANSFORMER_ENC_LAYERS,
            "transformer_dim_feedforward": head.TRANSFORMER_ENC_DIM_FEEDFORWARD,
            "conv_dim": head.CONVS_DIM,
            "mask_dim": head.MASK_DIM,
            "norm": head.NORM,
            "common_stride": head.COMMON_STRIDE,
        }

    def forward_features(self, features: dict[str, Tensor], num_frames: int = 1) -> PixelFeatures:
        """Run in float32, also under autocast.

        Args:
            features: backbone features ``(N, C, h, w)`` by name.
            num_frames: adjacent frames of a clip, for encoders that look across frames.
        """
        with torch.autocast(device_type=next(iter(features.values())).device.type, enabled=False):
            precision = self.mask_features.weight.dtype
            features = {name: feature.to(precision) for name, feature in features.items()}
            # Encode strides 32 to 8 together.
            projected = [
                projection(features[name])
                for projection, name in zip(self.input_proj, self.encoder_inputs, strict=True)
            ]
            maps = self.transformer(projected, num_frames)
            # Go up to the common stride.
            for index, name in zip(
                range(len(self.pyramid_inputs), 0, -1), self.pyramid_inputs, strict=True
            ):
                lateral = self.get_submodule(f"adapter_{index}")(features[name])
                upsampled = F.interpolate(
                    maps[-1], size=lateral.shape[-2:], mode="bilinear", align_corners=False
                )
                maps.append(self.get_submodule(f"layer_{index}")(lateral + upsampled))
            return PixelFeatures(
                mask_features=self.mask_features(maps[-1]),
                multi_scale=maps[:NUM_DECODER_LEVELS],
                finest=maps[-1],
            )
