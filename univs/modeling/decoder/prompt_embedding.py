"""Prompts as initial queries and dense tokens (UniVS, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.decoder.layers import CrossAttentionLayer
from univs.modeling.decoder.predictions import PromptQueries
from univs.modeling.prompts.prompt_types import (
    CategoryPrompts,
    ExpressionPrompts,
    Prompts,
    PromptTokens,
    VisualPrompts,
)


class PromptEmbedding(nn.Module):
    """The parameters that turn prompts into queries.

    A base class of the decoder rather than a part of it, because published checkpoints name these
    parameters as the decoder's own.
    """

    def __init__(
        self, *, hidden_dim: int, num_heads: int, text_dim: int, text_looks_at_image: bool
    ) -> None:
        """
        Args:
            hidden_dim: channels C of the queries.
            num_heads: of the attention from text to the image.
            text_dim: width D of text features.
            text_looks_at_image: let the tokens of text attend to all pixels of their frame first.
        """
        super().__init__()
        self.text_norm = nn.LayerNorm(text_dim)
        self.text2vis_projection = nn.Linear(text_dim, hidden_dim)
        self.lang2vision_cross_attention_layer = (
            CrossAttentionLayer(hidden_dim, num_heads) if text_looks_at_image else None
        )
        self.prompt_detection = nn.Embedding(1, hidden_dim)
        self.prompt_sot = nn.Embedding(1, hidden_dim)
        self.prompt_grounding = nn.Embedding(1, hidden_dim)

    def embed_prompts(
        self, prompts: Prompts, memory: ClipMemory, concepts: Tensor
    ) -> PromptQueries:
        """
        Args:
            prompts: P prompts of each clip.
            memory: pixel features of the clips.
            concepts: ``(K, D)``, the concept table.
        """
        if isinstance(prompts, CategoryPrompts):
            return self._categories(concepts[prompts.rows], memory)
        if isinstance(prompts, ExpressionPrompts):
            return self._expressions(prompts, memory)
        return self._visual(prompts, memory.features[0].shape[1])

    def _categories(self, embeddings: Tensor, memory: ClipMemory) -> PromptQueries:
        tokens = self._text_tokens(embeddings[:, :, None], memory)  # B T P 1 C
        position = tokens.squeeze(3)
        return PromptQueries(
            content=position + self.prompt_detection.weight, position=position, tokens=tokens
        )

    def _expressions(self, prompts: ExpressionPrompts, memory: ClipMemory) -> PromptQueries:
        sequences = torch.cat((prompts.sentences[:, :, None], prompts.words), dim=2)
        tokens = self._text_tokens(sequences, memory)  # B T P 1+W C
        position = tokens[:, :, :, 0]
        if prompts.visual is not None:
            visual = prompts.visual.features.to(tokens)
            visual = visual.expand(-1, tokens.shape[1], -1, -1, -1)
            tokens = torch.cat((visual, tokens), dim=3)
        return PromptQueries(
            content=position + self.prompt_grounding.weight, position=position, tokens=tokens
        )

    def _text_tokens(self, features: Tensor, memory: ClipMemory) -> Tensor:
        """Text features ``(B, P, L, D)`` as tokens of each frame ``(B, T, P, L, C)``."""
        tokens = self.text2vis_projection(self.text_norm(features))
        pixels = memory.tokens  # B T S C
        clips, frames = pixels.shape[:2]
        tokens = tokens[:, None].expand(-1, frames, -1, -1, -1)
        if self.lang2vision_cross_attention_layer is None:
            return tokens
        looked = self.lang2vision_cross_attention_layer(
            tokens.flatten(2, 3).flatten(0, 1), pixels.flatten(0, 1), None, None
        )
        return looked.unflatten(0, (clips, frames)).unflatten(2, tokens.shape[2:4])

    def _visual(self, prompts: VisualPrompts, num_frames: int) -> PromptQueries:
        weight = self.prompt_sot.weight  # for detection with visual prompts too (as published)
        own, attended = _cast(prompts.own, weight), _cast(prompts.attended, weight)
        content = mean_of_tokens(own.features)
        position = content if prompts.position_from_features else mean_of_tokens(own.positions)
        return PromptQueries(
            content=(content + weight).expand(-1, num_frames, -1, -1),
            position=position.expand(-1, num_frames, -1, -1),
            tokens=attended.features,
            token_positions=attended.positions,
        )


def mean_of_tokens(tokens: Tensor) -> Tensor:
    """Mean over those of L tokens that are not blank: ``(*, L, C)`` -> ``(*, C)``; 0 if all are."""
    count = tokens.any(-1).sum(-1, keepdim=True)
    return tokens.sum(-2) / count.clamp(min=1)


def _cast(tokens: PromptTokens, like: Tensor) -> PromptTokens:
    return PromptTokens(tokens.features.to(like), tokens.positions.to(like))
