"""Cross-attention to a memory that is too long to be looked at all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.decoder.layers import CrossAttentionLayer, MultiheadAttention


class LongMemoryAttentionLayer(CrossAttentionLayer):
    """Queries attend to a memory in parts, as if it were in one piece."""

    def forward(
        self,
        queries: Tensor,
        memory: Sequence[Tensor],
        query_position: Tensor,
        memory_position: Sequence[Tensor],
    ) -> Tensor:
        """
        Args:
            queries: ``(B, Q, C)``.
            memory: ``(B, S, C)``, any length S each.
            query_position: ``(Q, C)``.
            memory_position: ``(S, C)`` of each part.

        Returns:
            ``(B, Q, C)``.
        """
        if len(memory) == 1:
            return super().forward(queries, memory[0], query_position, memory_position[0])
        x = self.norm(queries) if self.pre_norm else queries
        keys_and_values = (
            (part + position, part) for part, position in zip(memory, memory_position, strict=True)
        )
        queries = queries + attend_to_parts(
            self.multihead_attn, x + query_position, keys_and_values
        )
        return queries if self.pre_norm else self.norm(queries)


def attend_to_parts(
    attention: MultiheadAttention, query: Tensor, parts: Iterable[tuple[Tensor, Tensor]]
) -> Tensor:
    """Multi-head attention that looks at one part of its keys and values after the other.

    The softmax is over all parts: what earlier parts added up to is scaled down when a larger score
    appears.

    Args:
        attention: holds the projections.
        query: ``(B, Q, C)``.
        parts: keys and values ``(B, S, C)``, any length S each.

    Returns:
        ``(B, Q, C)``.
    """
    query_weight, *weights = attention.in_proj_weight.chunk(3)
    query_bias, *biases = attention.in_proj_bias.chunk(3)
    query = _heads(F.linear(query, query_weight, query_bias), attention.num_heads)  # B M Q D
    query = query * query.shape[-1] ** -0.5
    highest, total, weighted = -torch.inf, 0.0, 0.0
    for part in parts:
        key, value = (
            _heads(F.linear(x, weight, bias), attention.num_heads)
            for x, weight, bias in zip(part, weights, biases, strict=True)
        )  # B M S D
        scores = query @ key.transpose(-2, -1)  # B M Q S
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        new_highest = scores.amax(-1, keepdim=True).clamp(min=highest)
        factor = (highest - new_highest).exp()
        scores = (scores - new_highest).exp_()
        total = total * factor + scores.sum(-1, keepdim=True)
        weighted = weighted * factor + scores.to(value.dtype) @ value
        highest = new_highest
    x = (weighted / total).to(query.dtype)
    return attention.out_proj(x.transpose(1, 2).flatten(2))


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """``(B, S, C)`` -> ``(B, M, S, C / M)``."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)
