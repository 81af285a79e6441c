"""Decoder of TarViS (section 3.3): one transformer for the queries of all tasks.

The layers are those of Mask2Former for video. What differs: queries come from outside, every group
of queries has mask embeddings of its own, and classes are queries too, so that the class logits of
an instance are its inner products with the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detectron2.config import configurable
from univs.modeling.decoder.layers import MLP, CrossAttentionLayer, FFNLayer, SelfAttentionLayer
from univs.modeling.decoder.masked_attention import (
    NUM_FEATURE_LEVELS,
    attention_mask,
    open_empty_rows,
)
from univs.modeling.decoder.registry import TRANSFORMER_DECODER_REGISTRY
from univs.modeling.decoder.tarvis_queries import GROUPS, Queries
from univs.modeling.position_encoding import clip_frame_positions, sine_encoding_3d


@dataclass
class TargetPredictions:
    """Predictions of one head for the queries of one pass.

    Attributes:
        queries: ``(B, Q, C)``, not normalised.
        mask_logits: ``(B, Q, T, h, w)`` at stride 4.
        class_logits: ``(B, Q_instance, 1 + K)``, background first (as published); None if the pass
            has no instance or no semantic queries.
        attention_mask: bool ``(B, Q, T * h' * w')``, the keys that each query must not attend to in
            the next layer, before rows that block every key are opened.
        slices: where the queries of each group lie.
    """

    queries: Tensor
    mask_logits: Tensor
    class_logits: Tensor | None
    attention_mask: Tensor
    slices: dict[str, slice]

    def masks_of(self, group: str) -> Tensor:
        """Mask logits of one group, ``(B, Q_group, T, h, w)``."""
        return self.mask_logits[:, self.slices[group]]


@TRANSFORMER_DECODER_REGISTRY.register()
class TarVisDecoder(nn.Module):
    """Refines the queries of one task on the features of a clip."""

    @configurable
    def __init__(
        self,
        in_channels: int,
        *,
        hidden_dim: int,
        nheads: int,
        dim_feedforward: int,
        dec_layers: int,
        mask_dim: int,
    ) -> None:
        """
        Args:
            in_channels: channels of the memory, which must be those of the queries.
            hidden_dim: channels C of the queries.
            nheads, dim_feedforward: of the layers.
            dec_layers: number of layers; there is one prediction head more.
            mask_dim: channels of the mask features.
        """
        super().__init__()
        if in_channels != hidden_dim:
            raise ValueError(
                f"memory has {in_channels} channels and queries {hidden_dim}: "
                "MODEL.SEM_SEG_HEAD.CONVS_DIM and MODEL.MASK_FORMER.HIDDEN_DIM must be equal"
            )
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(hidden_dim, nheads) for _ in range(dec_layers)
        )
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(hidden_dim, nheads) for _ in range(dec_layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(
            FFNLayer(hidden_dim, dim_feedforward) for _ in range(dec_layers)
        )
        self.decoder_norm = nn.LayerNorm(hidden_dim)
        self.level_embed = nn.Embedding(NUM_FEATURE_LEVELS, hidden_dim)
        self.mask_embeds = nn.ModuleDict(
            {group: MLP(hidden_dim, hidden_dim, mask_dim, 3) for group in GROUPS}
        )
        self.class_proj = nn.ModuleDict(
            {
                group: nn.Linear(hidden_dim, hidden_dim)
                for group in ("instance", "background", "semantic")
            }
        )

    @classmethod
    def from_config(cls, cfg, in_channels: int) -> dict:
        options = cfg.MODEL.MASK_FORMER
        if options.DEC_LAYERS < 1:
            raise ValueError("MODEL.MASK_FORMER.DEC_LAYERS counts prediction heads: at least 1")
        return {
            "in_channels": in_channels,
            "hidden_dim": options.HIDDEN_DIM,
            "nheads": options.NHEADS,
            "dim_feedforward": options.DIM_FEEDFORWARD,
            "dec_layers": options.DEC_LAYERS - 1,
            "mask_dim": cfg.MODEL.SEM_SEG_HEAD.MASK_DIM,
        }

    def forward(
        self, multi_scale: list[Tensor], mask_features: Tensor, queries: Queries, num_frames: int
    ) -> Iterator[TargetPredictions]:
        """Predict from the initial queries and after every layer.

        Predictions are not kept here: who wants the last ones only needs the memory of two heads.

        Args:
            multi_scale: three maps ``(B * T, C, h, w)``, coarse to fine, frames of a clip adjacent.
            mask_features: ``(B * T, C_mask, H / 4, W / 4)``.
            queries: of one task.
            num_frames: T.

        Yields:
            the predictions of each head.
        """
        mask_features = mask_features.unflatten(0, (-1, num_frames))  # B T C_mask h w
        memories, positions, sizes = self.memory(multi_scale, num_frames)
        slices, embeddings = queries.slices(), queries.embeddings
        states = queries.states
        prediction = self.predict(states, mask_features, slices, sizes[0])
        yield prediction
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        )
        for index, (cross_attention, self_attention, feed_forward) in enumerate(layers):
            level = index % NUM_FEATURE_LEVELS
            blocked = open_empty_rows(prediction.attention_mask)
            states = cross_attention(states, memories[level], embeddings, positions[level], blocked)
            states = self_attention(states, embeddings)
            states = feed_forward(states)
            next_size = sizes[(index + 1) % NUM_FEATURE_LEVELS]
            prediction = self.predict(states, mask_features, slices, next_size)
            yield prediction

    def memory(
        self, multi_scale: list[Tensor], num_frames: int
    ) -> tuple[list[Tensor], list[Tensor], list[tuple[int, int]]]:
        """Keys ``(B, T * h * w, C)``, their positions ``(T * h * w, C)`` and (h, w) by level."""
        memories, positions, sizes = [], [], []
        for level, features in enumerate(multi_scale):
            sizes.append(tuple(features.shape[-2:]))
            channels = features.shape[1]
            memory = features.unflatten(0, (-1, num_frames)).permute(0, 1, 3, 4, 2)  # B T h w C
            memories.append(memory.flatten(1, 3) + self.level_embed.weight[level])
            frames = clip_frame_positions(num_frames, like=features)
            encoding = sine_encoding_3d(frames, *sizes[-1], channels, like=features)  # T C h w
            positions.append(encoding.permute(0, 2, 3, 1).flatten(0, 2))
        return memories, positions, sizes

    def predict(
        self,
        queries: Tensor,
        mask_features: Tensor,
        slices: dict[str, slice],
        attention_size: tuple[int, int],
    ) -> TargetPredictions:
        """Predict masks and classes, and where the next layer may look.

        Args:
            queries: ``(B, Q, C)``.
            mask_features: ``(B, T, C_mask, h, w)``.
            slices: queries of each group.
            attention_size: ``(h', w')`` of the memory of the next layer.
        """
        normed = self.decoder_norm(queries)
        embeddings = torch.cat(
            [self.mask_embeds[group](normed[:, where]) for group, where in slices.items()], dim=1
        )
        mask_logits = torch.einsum("bqc,btchw->bqthw", embeddings, mask_features)
        return TargetPredictions(
            queries=queries,
            mask_logits=mask_logits,
            class_logits=self.class_logits(normed, slices),
            attention_mask=attention_mask(mask_logits, attention_size),
            slices=slices,
        )

    def class_logits(self, queries: Tensor, slices: dict[str, slice]) -> Tensor | None:
        """Inner products of instances with background and classes, ``(B, Q_instance, 1 + K)``."""
        if not {"instance", "background", "semantic"} <= slices.keys():
            return None
        instances, background, classes = (
            self.class_proj[group](queries[:, slices[group]])
            for group in ("instance", "background", "semantic")
        )
        background_logits = (instances @ background.mT).amax(-1, keepdim=True)
        return torch.cat((background_logits, instances @ classes.mT), dim=-1)


def merge_object_queries(mask_logits: Tensor, counts: list[int]) -> Tensor:
    """An object is where any of its queries is.

    Args:
        mask_logits: ``(B, Q, T, h, w)`` of the queries of all objects.
        counts: number of adjacent queries of each of the N objects; they sum up to Q.

    Returns:
        ``(B, N, T, h, w)``.
    """
    return torch.stack([part.amax(1) for part in mask_logits.split(counts, dim=1)], dim=1)
