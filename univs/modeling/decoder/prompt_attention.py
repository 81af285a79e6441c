"""How prompt queries and learnable queries attend in UniVS (UniVS, section 3.3)."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from univs.modeling.decoder.layers import CrossAttentionLayer, SelfAttentionLayer
from univs.modeling.decoder.predictions import PromptQueries


class SelfAttentionKind(str, Enum):
    """Who sees whom in the self-attention over all queries of all frames.

    Learnable queries always see each other. ``SEPARATE`` (as trained): prompts see all prompts.
    ``BLOCKED``: a prompt sees itself only, in all frames. ``PROMPTS_SEE_ALL``: prompts also see
    learnable queries. ``ALL``: everything sees everything; the others hide prompts from learnable
    queries.
    """

    SEPARATE = "sep"
    BLOCKED = "sep-blocked"
    PROMPTS_SEE_ALL = "sep-l2p"
    ALL = "all"


def separated_self_attention(
    layer: SelfAttentionLayer,
    queries: Tensor,
    position: Tensor,
    num_learnable: int,
    kind: SelfAttentionKind,
) -> Tensor:
    """Self-attention in space and time.

    Groups that do not see each other are attended to one by one, which needs no mask.

    Args:
        layer: the layer.
        queries, position: ``(B, T, Q, C)``, learnable queries first.
        num_learnable: number of learnable queries.
        kind: who sees whom.

    Returns:
        ``(B, T, Q, C)``.
    """
    num_prompts = queries.shape[2] - num_learnable
    if kind is SelfAttentionKind.ALL or num_prompts == 0:
        return _attend(layer, queries, position)
    sizes = (num_learnable, num_prompts)
    (learnable, prompts), (learnable_position, prompt_position) = (
        x.split(sizes, dim=2) for x in (queries, position)
    )
    learnable = _attend(layer, learnable, learnable_position)
    if kind is SelfAttentionKind.SEPARATE:
        prompts = _attend(layer, prompts, prompt_position)
    elif kind is SelfAttentionKind.PROMPTS_SEE_ALL:
        prompts = _attend(layer, queries, position)[:, :, num_learnable:]
    else:
        tracks, places = (
            x.transpose(1, 2).flatten(0, 1) for x in (prompts, prompt_position)
        )  # B*P T C
        tracks = layer(tracks, places)
        prompts = tracks.unflatten(0, (-1, num_prompts)).transpose(1, 2)
    return torch.cat((learnable, prompts), dim=2)


def _attend(layer: SelfAttentionLayer, queries: Tensor, position: Tensor) -> Tensor:
    frames = queries.shape[1]
    return layer(queries.flatten(1, 2), position.flatten(1, 2)).unflatten(1, (frames, -1))


def prompt_cross_attention(
    layer: CrossAttentionLayer, queries: Tensor, position: Tensor, prompts: PromptQueries
) -> Tensor:
    """ProCA: each prompt query attends to itself and to the dense tokens of its own target.

    Nothing is masked: blank tokens are keys like others (as published).

    Args:
        layer: the layer.
        queries, position: ``(B, T, P, C)``.
        prompts: the dense tokens; ``position`` is used only if they have positions.

    Returns:
        ``(B, T, P, C)``.
    """
    clips, frames, count, _ = queries.shape
    groups = prompts.tokens.shape[1]
    # Queries of frames that share their tokens go into one sequence: B*G*P, T/G, C.
    queries, position = (_by_target(x, groups) for x in (queries, position))
    memory = torch.cat((queries, prompts.tokens.flatten(0, 2)), dim=1)
    memory_position = None
    if prompts.token_positions is None:
        position = None
    else:
        memory_position = torch.cat((position, prompts.token_positions.flatten(0, 2)), dim=1)
    queries = layer(queries, memory, position, memory_position, _others(queries, memory))
    queries = queries.reshape(clips, groups, count, frames // groups, -1)
    return queries.transpose(2, 3).flatten(1, 2)


def _by_target(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (groups, -1)).transpose(2, 3).flatten(0, 2)


def _others(queries: Tensor, memory: Tensor) -> Tensor | None:
    """The queries of other frames stand in the memory, too, and must not be seen."""
    frames = queries.shape[1]
    if frames == 1:
        return None
    blocked = torch.zeros(frames, memory.shape[1], dtype=torch.bool, device=queries.device)
    blocked[:, :frames] = ~torch.eye(frames, dtype=torch.bool, device=queries.device)
    return blocked
