"""Which embedding of a query shows which target, for the re-identification losses of UniVS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from univs.modeling.losses.matcher import Match
from univs.modeling.losses.reidentification import IdentifiedEmbeddings
from univs.modeling.univs_targets import PromptTargets, UnivsTargets


def matched_embeddings(
    queries: Tensor, targets: Sequence[UnivsTargets], matches: Sequence[Match], *, by_label: bool
) -> IdentifiedEmbeddings:
    """Embeddings of learnable queries that are matched with an object.

    Args:
        queries: ``(B, Q, T, C)``.
        targets: of each of the B clips.
        matches: query and object indices of each clip.
        by_label: objects are told apart by their class rather than by their identity. All frames
            count then (as published), otherwise those that show the object.
    """
    parts = []
    for clip, (target, (indices, objects)) in enumerate(zip(targets, matches, strict=True)):
        ids = target.ids[objects.to(target.ids.device)]  # M T
        labels = target.labels[objects.to(target.labels.device)]
        identities = labels[:, None].expand_as(ids) if by_label else ids
        embeddings = queries[clip, indices.to(queries.device)]  # M T C
        counts = torch.ones_like(ids, dtype=torch.bool) if by_label else ids >= 0
        parts.append(_select(embeddings, identities, counts, clip))
    return IdentifiedEmbeddings.cat(parts)


def prompted_embeddings(
    queries: Tensor, prompts: Sequence[PromptTargets], *, by_label: bool
) -> IdentifiedEmbeddings:
    """Embeddings of prompt queries in comparison with learnable ones.

    Args:
        queries: ``(B, P, T, C)``.
        prompts: of each of the B clips.
        by_label: as for :func:`matched_embeddings`.
    """
    parts = []
    for clip, prompt in enumerate(prompts):
        identities = prompt.labels[:, None].expand_as(prompt.ids) if by_label else prompt.ids
        counts = (prompt.rows >= 0)[:, None].expand_as(prompt.ids)
        if not by_label:
            counts = counts & (prompt.ids >= 0)
        parts.append(_select(queries[clip], identities, counts, clip))
    return IdentifiedEmbeddings.cat(parts)


def prompt_embeddings(queries: Tensor, prompts: Sequence[PromptTargets]) -> IdentifiedEmbeddings:
    """Embeddings ``(B, P, T, C)`` of all prompts that have a target, in comparison with themselves.

    All frames count, whether they show the target or not (as published).
    """
    parts = []
    for clip, prompt in enumerate(prompts):
        identities = prompt.identities[:, None].expand(-1, queries.shape[2])  # P T
        parts.append(_select(queries[clip], identities, identities >= 0, clip))
    return IdentifiedEmbeddings.cat(parts)


def _select(
    embeddings: Tensor, identities: Tensor, counts: Tensor, clip: int
) -> IdentifiedEmbeddings:
    """Flatten ``(M, T, C)`` and ``(M, T)`` where bool ``(M, T)`` says so."""
    chosen = identities[counts]
    return IdentifiedEmbeddings(embeddings[counts], chosen, torch.full_like(chosen, clip))
