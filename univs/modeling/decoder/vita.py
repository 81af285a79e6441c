"""The object module of VITA: from the queries of all frames to the objects of the video.

Source: Heo et al., "VITA: Video Instance Segmentation via Object Token Association", section 3. The
object encoder lets the queries of a frame detector exchange information over time; in the object
decoder a fixed number of video queries attends to all of them. Each video query then stands for one
object: a class, and an embedding whose product with the mask features of any frame is its mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from fvcore.nn import weight_init
from torch import Tensor, nn

from detectron2.config import configurable
from univs.modeling.decoder.layers import MLP, FFNLayer, SelfAttentionLayer
from univs.modeling.decoder.long_memory import LongMemoryAttentionLayer
from univs.modeling.decoder.masked_attention import MultiScaleMaskedTransformerDecoder
from univs.modeling.decoder.predictions import DecoderOutput
from univs.modeling.decoder.registry import TRANSFORMER_DECODER_REGISTRY
from univs.modeling.decoder.temporal_windows import cut, in_windows

# Bounds the memory that intermediate results of long videos take, without effect on results.
_FRAMES_AT_ONCE = 96


@TRANSFORMER_DECODER_REGISTRY.register()
class VitaMultiScaleMaskedTransformerDecoder(MultiScaleMaskedTransformerDecoder):
    """The image decoder, under the name that it has in files of VITA and GenVIS."""


def frame_queries(output: DecoderOutput, num_layers: int) -> Tensor:
    """Queries of the last ``num_layers`` layers of a frame decoder, oldest first: ``(L, N, Q, C)``.

    Raises:
        ValueError: the decoder has fewer layers.
    """
    available = len(output.auxiliary)  # one of all heads looks at the learnable queries only
    if num_layers > available:
        raise ValueError(
            f"MODEL.VITA.LAST_LAYER_NUM is {num_layers}, but the frame decoder has only "
            f"{available} layers: lower it, or raise MODEL.MASK_FORMER.DEC_LAYERS."
        )
    return torch.stack([head.queries for head in output.heads[-num_layers:]])


@dataclass
class ObjectPredictions:
    """What one layer of the object decoder predicts for G videos or clips.

    Attributes:
        class_logits: ``(G, Q, K + 1)``; the last class is "no object".
        mask_embeddings: ``(G, Q, C)``, to be multiplied with mask features.
        identities: ``(G, Q, C)`` similarity embeddings, None without similarity loss.
    """

    class_logits: Tensor
    mask_embeddings: Tensor
    identities: Tensor | None = None


@dataclass
class ObjectOutput:
    """Predictions of the object decoder.

    Attributes:
        final: of the last layer.
        auxiliary: of the layers before it; empty without deep supervision and in evaluation.
        frame_identities: ``(G, T, fQ, C)`` similarity embeddings of the frame queries, None without
            similarity loss and where nobody needs them.
        decoded: ``(G, Q, C)``, the video queries after the last layer, not normalised.
    """

    final: ObjectPredictions
    decoded: Tensor
    auxiliary: list[ObjectPredictions] = field(default_factory=list)
    frame_identities: Tensor | None = None


class VitaObjectModule(nn.Module):
    """Object encoder, object decoder and the heads of video queries."""

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        hidden_dim: int,
        num_frame_queries: int,
        num_video_queries: int,
        nheads: int,
        dim_feedforward: int,
        enc_layers: int,
        dec_layers: int,
        window: int,
        pre_norm: bool,
        mask_dim: int,
        enforce_input_project: bool,
        deep_supervision: bool,
        embeds_frames: bool,
        embeds_video: bool,
    ) -> None:
        """
        Args:
            in_channels: channels of the stride-4 map that mask features are made of.
            num_classes: K, without "no object".
            hidden_dim: channels C of frame queries and video queries.
            num_frame_queries, num_video_queries: fQ and Q.
            nheads, dim_feedforward, pre_norm: of all layers.
            enc_layers, dec_layers: layers of the object encoder and decoder.
            window: frames within which the encoder attends; 0 for all frames.
            mask_dim: channels of the mask features.
            enforce_input_project: project the frame queries; otherwise they are taken as they are.
            deep_supervision: predict after every layer of the decoder in training.
            embeds_frames, embeds_video: have similarity embeddings of frame and video queries.
        """
        super().__init__()
        self.window = window
        self.deep_supervision = deep_supervision
        options = {"pre_norm": pre_norm}
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(hidden_dim, nheads, **options) for _ in range(dec_layers)
        )
        self.transformer_cross_attention_layers = nn.ModuleList(
            LongMemoryAttentionLayer(hidden_dim, nheads, **options) for _ in range(dec_layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(
            FFNLayer(hidden_dim, dim_feedforward, **options) for _ in range(dec_layers)
        )
        self.enc_self_attn = nn.ModuleList(
            SelfAttentionLayer(hidden_dim, nheads, **options) for _ in range(enc_layers)
        )
        self.enc_ffn = nn.ModuleList(
            FFNLayer(hidden_dim, dim_feedforward, **options) for _ in range(enc_layers)
        )
        self.vita_mask_features = nn.Conv2d(in_channels, mask_dim, kernel_size=1)
        weight_init.c2_xavier_fill(self.vita_mask_features)
        self.decoder_norm = nn.LayerNorm(hidden_dim)
        self.query_feat = nn.Embedding(num_video_queries, hidden_dim)
        self.query_embed = nn.Embedding(num_video_queries, hidden_dim)
        self.fq_pos = nn.Embedding(num_frame_queries, hidden_dim)
        self.input_proj_dec = (
            nn.Linear(hidden_dim, hidden_dim) if enforce_input_project else nn.Identity()
        )
        self.class_embed = nn.Linear(hidden_dim, num_classes + 1)
        self.mask_embed = MLP(hidden_dim, hidden_dim, mask_dim, 3)
        self.sim_embed_frame = nn.Linear(hidden_dim, hidden_dim) if embeds_frames else None
        self.sim_embed_clip = nn.Linear(hidden_dim, hidden_dim) if embeds_video else None

    @classmethod
    def from_config(cls, cfg) -> dict:
        options = cfg.MODEL.VITA
        frame_decoder = cfg.MODEL.MASK_FORMER
        if options.HIDDEN_DIM != frame_decoder.HIDDEN_DIM:
            raise ValueError(
                f"MODEL.VITA.HIDDEN_DIM is {options.HIDDEN_DIM}, but the frame queries have "
                f"MODEL.MASK_FORMER.HIDDEN_DIM {frame_decoder.HIDDEN_DIM} channels: make them "
                "equal."
            )
        has_similarity = options.SIM_WEIGHT > 0
        return {
            "in_channels": cfg.MODEL.SEM_SEG_HEAD.CONVS_DIM,
            "num_classes": cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES,
            "hidden_dim": options.HIDDEN_DIM,
            "num_frame_queries": frame_decoder.NUM_OBJECT_QUERIES,
            "num_video_queries": options.NUM_OBJECT_QUERIES,
            "nheads": options.NHEADS,
            "dim_feedforward": options.DIM_FEEDFORWARD,
            "enc_layers": options.ENC_LAYERS,
            "dec_layers": options.DEC_LAYERS,
            "window": options.ENC_WINDOW_SIZE,
            "pre_norm": options.PRE_NORM,
            "mask_dim": cfg.MODEL.SEM_SEG_HEAD.MASK_DIM,
            "enforce_input_project": options.ENFORCE_INPUT_PROJ,
            "deep_supervision": options.DEEP_SUPERVISION,
            "embeds_frames": has_similarity,
            "embeds_video": has_similarity and options.SIM_USE_CLIP,
        }

    def forward(self, queries: Tensor) -> ObjectOutput:
        """
        Args:
            queries: frame queries ``(G, T, fQ, C)`` of G videos or clips; the frame decoder layers
                of one clip are clips of their own.
        """
        tokens = self.encode([queries])
        output = self.decode(self.initial_queries(len(queries)), tokens)
        output.frame_identities = self.frame_identities(tokens)
        return output

    def associate(self, parts: Iterable[Tensor]) -> ObjectOutput:
        """:meth:`forward` for long videos, without ``frame_identities``.

        Args:
            parts: frame queries ``(G, t, fQ, C)`` of consecutive frames. A generator that forgets
                what it has given saves a second copy of them.
        """
        tokens = self.encode(parts)
        return self.decode(self.initial_queries(len(tokens[0])), tokens)

    def initial_queries(self, groups: int) -> Tensor:
        """Video queries ``(G, Q, C)`` before they have seen anything."""
        return self.query_feat.weight.expand(groups, -1, -1)

    def mask_features(self, finest: Tensor) -> Tensor:
        """Mask features ``(N, C_mask, h, w)`` of the finest maps ``(N, C, h, w)`` of N frames."""
        return self.vita_mask_features(finest)

    def encode(self, parts: Iterable[Tensor]) -> list[Tensor]:
        """Let the frame queries exchange information over time.

        Every second layer shifts its windows, in evaluation only (as published: training clips fit
        one window). Published weights need that.

        Args:
            parts: ``(G, t, fQ, C)`` of consecutive frames.

        Returns:
            the encoded ``(G, t, fQ, C)``, in parts that are long enough to be worked on one by one.
        """
        tokens = map(self.input_proj_dec, parts)
        layers = zip(self.enc_self_attn, self.enc_ffn, strict=True)
        for index, (self_attention, feed_forward) in enumerate(layers):
            is_shifted = not self.training and index % 2 == 1
            shift = (self.window + 1) // 2 if is_shifted else 0
            tokens = in_windows([self_attention, feed_forward], tokens, self.window, shift)
        return list(cut(tokens, 0, _FRAMES_AT_ONCE))

    def decode(self, initial: Tensor, tokens: list[Tensor]) -> ObjectOutput:
        """Let video queries attend to encoded frame queries.

        Args:
            initial: video queries ``(G, Q, C)``.
            tokens: ``(G, t, fQ, C)`` of consecutive frames.
        """
        memory = [part.flatten(1, 2) for part in tokens]  # G t*fQ C
        longest = self.fq_pos.weight.repeat(max(part.shape[1] for part in tokens), 1)
        memory_position = [longest[: part.shape[1]] for part in memory]
        position = self.query_embed.weight
        queries, predictions = initial, []
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        )
        for index, (cross_attention, self_attention, feed_forward) in enumerate(layers, start=1):
            queries = cross_attention(queries, memory, position, memory_position)
            queries = self_attention(queries, position)
            queries = feed_forward(queries)
            is_last = index == len(self.transformer_ffn_layers)
            if is_last or (self.training and self.deep_supervision):
                predictions.append(self.predict(queries))
        return ObjectOutput(final=predictions[-1], decoded=queries, auxiliary=predictions[:-1])

    def frame_identities(self, tokens: list[Tensor]) -> Tensor | None:
        """Similarity embeddings ``(G, T, fQ, C)`` of encoded frame queries, see :meth:`encode`."""
        return self.sim_embed_frame(torch.cat(tokens, dim=1)) if self.sim_embed_frame else None

    def predict(self, queries: Tensor) -> ObjectPredictions:
        """Classes and embeddings of video queries ``(G, Q, C)``."""
        queries = self.decoder_norm(queries)
        return ObjectPredictions(
            class_logits=self.class_embed(queries),
            mask_embeddings=self.mask_embed(queries),
            identities=self.sim_embed_clip(queries) if self.sim_embed_clip else None,
        )
