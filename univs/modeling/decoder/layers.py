"""Transformer decoder layers with the parameter names of Mask2Former."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _with_position(x: Tensor, position: Tensor | None) -> Tensor:
    return x if position is None else x + position


class MultiheadAttention(nn.Module):
    """Multi-head attention with the parameters of ``torch.nn.MultiheadAttention``, batch first.

    Unlike torch's, a mask is given once for all heads, which saves its copies.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is not a multiple of num_heads {num_heads}")
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None = None
    ) -> Tensor:
        """
        Args:
            query: ``(B, Q, C)``.
            key, value: ``(B, S, C)``.
            blocked: bool ``(B, Q, S)`` or ``(Q, S)``, True where a query must not look.

        Returns:
            ``(B, Q, C)``.
        """
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        query, key, value = (
            F.linear(x, weight, bias).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )  # each: B M (Q or S) C/M
        allowed = None if blocked is None else ~blocked.unsqueeze(-3)
        x = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self.out_proj(x.transpose(1, 2).flatten(2))


class SelfAttentionLayer(nn.Module):
    """Queries attend to each other; residual, then norm (or norm first)."""

    def __init__(self, embed_dim: int, num_heads: int, *, pre_norm: bool = False) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.self_attn = MultiheadAttention(embed_dim, num_heads)
        self.norm = nn.LayerNorm(embed_dim)
        xavier_uniform_matrices(self)

    def forward(
        self, queries: Tensor, query_position: Tensor | None = None, blocked: Tensor | None = None
    ) -> Tensor:
        """``(B, Q, C)`` -> ``(B, Q, C)``; ``blocked`` is bool ``(B, Q, Q)`` or ``(Q, Q)``."""
        x = self.norm(queries) if self.pre_norm else queries
        located = _with_position(x, query_position)
        queries = queries + self.self_attn(located, located, x, blocked)
        return queries if self.pre_norm else self.norm(queries)


class CrossAttentionLayer(nn.Module):
    """Queries attend to memory; residual, then norm (or norm first)."""

    def __init__(self, embed_dim: int, num_heads: int, *, pre_norm: bool = False) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.multihead_attn = MultiheadAttention(embed_dim, num_heads)
        self.norm = nn.LayerNorm(embed_dim)
        xavier_uniform_matrices(self)

    def forward(
        self,
        queries: Tensor,
        memory: Tensor,
        query_position: Tensor | None,
        memory_position: Tensor | None,
        blocked: Tensor | None = None,
    ) -> Tensor:
        """``(B, Q, C)`` and memory ``(B, S, C)`` -> ``(B, Q, C)``; ``blocked`` is ``(B, Q, S)``."""
        x = self.norm(queries) if self.pre_norm else queries
        keys = _with_position(memory, memory_position)
        attended = self.multihead_attn(_with_position(x, query_position), keys, memory, blocked)
        queries = queries + attended
        return queries if self.pre_norm else self.norm(queries)


class FFNLayer(nn.Module):
    """Feed-forward network; residual, then norm (or norm first)."""

    def __init__(self, embed_dim: int, hidden_dim: int, *, pre_norm: bool = False) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.linear1 = nn.Linear(embed_dim, hidden_dim)
        self.linear2 = nn.Linear(hidden_dim, embed_dim)
        self.norm = nn.LayerNorm(embed_dim)
        xavier_uniform_matrices(self)

    def forward(self, queries: Tensor) -> Tensor:
        """``(B, Q, C)`` -> ``(B, Q, C)``."""
        x = self.norm(queries) if self.pre_norm else queries
        queries = queries + self.linear2(F.relu(self.linear1(x)))
        return queries if self.pre_norm else self.norm(queries)


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, num_layers: int) -> None:
        super().__init__()
        sizes = [in_dim, *[hidden_dim] * (num_layers - 1), out_dim]
        self.layers = nn.ModuleList(
            nn.Linear(size, following) for size, following in zip(sizes, sizes[1:], strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(*, in_dim)`` -> ``(*, out_dim)``."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def xavier_uniform_matrices(module: nn.Module) -> None:
    """Initialise every matrix of ``module`` Xavier uniform; vectors stay as they are."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
