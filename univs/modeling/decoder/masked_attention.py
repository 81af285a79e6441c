"""Masked-attention transformer decoder (Mask2Former, section 3.2; Mask2Former for video).

Images and clips are served by the same code: an image is a clip of one frame. The two registered
classes differ in the position encoding of the memory only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.config import configurable
from univs.modeling.decoder.layers import MLP, CrossAttentionLayer, FFNLayer, SelfAttentionLayer
from univs.modeling.decoder.predictions import DecoderOutput, QueryPredictions
from univs.modeling.decoder.registry import TRANSFORMER_DECODER_REGISTRY
from univs.modeling.position_encoding import (
    clip_frame_positions,
    sine_encoding_2d,
    sine_encoding_3d,
)

NUM_FEATURE_LEVELS = 3


@TRANSFORMER_DECODER_REGISTRY.register()
class MultiScaleMaskedTransformerDecoder(nn.Module):
    """Queries attend, layer by layer, to where their own last mask prediction is."""

    @configurable
    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        hidden_dim: int,
        num_queries: int,
        nheads: int,
        dim_feedforward: int,
        dec_layers: int,
        pre_norm: bool,
        mask_dim: int,
        enforce_input_project: bool,
    ) -> None:
        """
        Args:
            in_channels: channels of the memory.
            num_classes: K, without "no object".
            hidden_dim: channels C of the queries.
            num_queries: Q.
            nheads, dim_feedforward, pre_norm: of the layers.
            dec_layers: number of layers; there is one prediction head more.
            mask_dim: channels of the mask features.
            enforce_input_project: project the memory even where its channels fit.
        """
        super().__init__()
        options = {"pre_norm": pre_norm}
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(hidden_dim, nheads, **options) for _ in range(dec_layers)
        )
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(hidden_dim, nheads, **options) for _ in range(dec_layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(
            FFNLayer(hidden_dim, dim_feedforward, **options) for _ in range(dec_layers)
        )
        self.decoder_norm = nn.LayerNorm(hidden_dim)
        self.query_feat = nn.Embedding(num_queries, hidden_dim)
        self.query_embed = nn.Embedding(num_queries, hidden_dim)
        self.level_embed = nn.Embedding(NUM_FEATURE_LEVELS, hidden_dim)
        self.input_proj = nn.ModuleList()
        for _ in range(NUM_FEATURE_LEVELS):
            projection = nn.Sequential()
            if in_channels != hidden_dim or enforce_input_project:
                projection = nn.Conv2d(in_channels, hidden_dim, kernel_size=1)
                nn.init.kaiming_uniform_(projection.weight, a=1)
                nn.init.zeros_(projection.bias)
            self.input_proj.append(projection)
        self.class_embed = nn.Linear(hidden_dim, num_classes + 1)
        self.mask_embed = MLP(hidden_dim, hidden_dim, mask_dim, 3)

    @classmethod
    def from_config(cls, cfg, in_channels: int) -> dict:
        options = cfg.MODEL.MASK_FORMER
        if options.DEC_LAYERS < 1:
            raise ValueError("MODEL.MASK_FORMER.DEC_LAYERS counts prediction heads: at least 1")
        return {
            "in_channels": in_channels,
            "num_classes": cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES,
            "hidden_dim": options.HIDDEN_DIM,
            "num_queries": options.NUM_OBJECT_QUERIES,
            "nheads": options.NHEADS,
            "dim_feedforward": options.DIM_FEEDFORWARD,
            "dec_layers": options.DEC_LAYERS - 1,
            "pre_norm": options.PRE_NORM,
            "mask_dim": cfg.MODEL.SEM_SEG_HEAD.MASK_DIM,
            "enforce_input_project": options.ENFORCE_INPUT_PROJ,
        }

    def forward(
        self, multi_scale: list[Tensor], mask_features: Tensor, num_frames: int = 1
    ) -> DecoderOutput:
        """
        Args:
            multi_scale: three maps ``(B * T, C, h, w)``, coarse to fine, frames of a clip adjacent.
            mask_features: ``(B * T, C_mask, H / 4, W / 4)``.
            num_frames: T.
        """
        mask_features = mask_features.unflatten(0, (-1, num_frames))  # B T C_mask h w
        batch = len(mask_features)
        memories, positions, sizes = [], [], []
        for level, features in enumerate(multi_scale):
            sizes.append(features.shape[-2:])
            memory = (
                self.input_proj[level](features) + self.level_embed.weight[level][:, None, None]
            )
            memory = memory.unflatten(0, (batch, num_frames))  # B T C h w
            memories.append(memory.permute(0, 1, 3, 4, 2).flatten(1, 3))  # B T*h*w C
            positions.append(self.memory_position(num_frames, *sizes[-1], like=memory))

        queries = self.query_feat.weight.expand(batch, -1, -1)  # B Q C
        query_position = self.query_embed.weight
        predictions = [self.predict(queries, mask_features, sizes[0])]
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        )
        for index, (cross_attention, self_attention, feed_forward) in enumerate(layers):
            level = index % NUM_FEATURE_LEVELS
            blocked = open_empty_rows(predictions[-1].attention_mask)
            queries = cross_attention(
                queries, memories[level], query_position, positions[level], blocked
            )
            queries = self_attention(queries, query_position)
            queries = feed_forward(queries)
            next_size = sizes[(index + 1) % NUM_FEATURE_LEVELS]
            predictions.append(self.predict(queries, mask_features, next_size))
        return DecoderOutput(final=predictions[-1], auxiliary=predictions[:-1])

    def memory_position(self, num_frames: int, height: int, width: int, *, like: Tensor) -> Tensor:
        """Position encoding of the memory of one level, ``(T * h * w, C)``."""
        channels = self.level_embed.embedding_dim
        grid = sine_encoding_2d(height, width, channels, like=like).flatten(1).T
        return grid.repeat(num_frames, 1)

    def predict(
        self, queries: Tensor, mask_features: Tensor, attention_size: tuple[int, int]
    ) -> QueryPredictions:
        """Predict classes and masks, and where the next layer may look.

        Args:
            queries: ``(B, Q, C)``.
            mask_features: ``(B, T, C_mask, h, w)``.
            attention_size: ``(h', w')`` of the memory of the next layer.
        """
        queries = self.decoder_norm(queries)
        mask_logits = torch.einsum("bqc,btchw->bqthw", self.mask_embed(queries), mask_features)
        return QueryPredictions(
            class_logits=self.class_embed(queries),
            mask_logits=mask_logits,
            queries=queries,
            attention_mask=attention_mask(mask_logits, attention_size),
        )


@TRANSFORMER_DECODER_REGISTRY.register()
class VideoMultiScaleMaskedTransformerDecoder(MultiScaleMaskedTransformerDecoder):
    """The decoder of clips: the position encoding also tells frames apart."""

    def memory_position(self, num_frames: int, height: int, width: int, *, like: Tensor) -> Tensor:
        """Position encoding of the memory of one level, ``(T * h * w, C)``."""
        channels = self.level_embed.embedding_dim
        frames = clip_frame_positions(num_frames, like=like)
        encoding = sine_encoding_3d(frames, height, width, channels, like=like)  # T C h w
        return encoding.permute(0, 2, 3, 1).flatten(0, 2)


@torch.no_grad()
def attention_mask(mask_logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the next layer must not look: outside of the predicted mask.

    Args:
        mask_logits: ``(B, Q, T, h, w)``.
        size: ``(h', w')`` to resize to.

    Returns:
        bool ``(B, Q, T * h' * w')``, True where the resized mask probability is below one half.
    """
    resized = F.interpolate(
        mask_logits.flatten(0, 1), size=tuple(size), mode="bilinear", align_corners=False
    )
    return (resized.sigmoid() < 0.5).unflatten(0, mask_logits.shape[:2]).flatten(2)


def open_empty_rows(blocked: Tensor) -> Tensor:
    """Let a query whose mask is empty look everywhere: ``(B, Q, S)`` -> ``(B, Q, S)``."""
    return blocked & ~blocked.all(-1, keepdim=True)
