"""The object module of GenVIS: VITA's, clip by clip, with instance prototypes from clip to clip.

Source: Heo et al., "A Generalized Framework for Video Instance Segmentation", section 3. The video
queries of a clip begin where those of the clip before ended, enriched by what a memory of all
earlier clips holds for the same query. So a query follows one instance through the video.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detectron2.config import configurable
from univs.modeling.decoder.prototype_memory import PrototypeMemory
from univs.modeling.decoder.vita import ObjectOutput, VitaObjectModule


@dataclass(frozen=True)
class InstancePrototypes:
    """What GenVIS knows of a video (or of the G videos of a batch) after M clips.

    Attributes:
        queries: ``(G, Q, C)``, the video queries that the last clip ended with.
        memory: what each query reads of all clips.
    """

    queries: Tensor
    memory: PrototypeMemory

    @property
    def keys(self) -> Tensor:
        """Keys of the memory, ``(G, Q, M, C)``; oldest clip first."""
        return self.memory.keys

    @property
    def values(self) -> Tensor:
        """Values of the memory, ``(G, Q, M, C)``."""
        return self.memory.values


class GenvisObjectModule(VitaObjectModule):
    """VITA's object module with prototypes of the instances seen so far."""

    @configurable
    def __init__(self, *, memory_size: int, hidden_dim: int, **vita) -> None:
        """
        Args:
            memory_size: number of clips that the memory holds; the oldest is forgotten first. 0: no
                limit.
            hidden_dim: channels C of the queries.
            vita: see :class:`~univs.modeling.decoder.vita.VitaObjectModule`.
        """
        super().__init__(hidden_dim=hidden_dim, **vita)
        self.memory_size = memory_size
        self.pre_memory_embed_k = nn.Linear(hidden_dim, hidden_dim)
        self.pre_memory_embed_v = nn.Linear(hidden_dim, hidden_dim)
        self.pre_query_embed_k = nn.Linear(hidden_dim, hidden_dim)
        self.pre_query_embed_v = nn.Linear(hidden_dim, hidden_dim)

    @classmethod
    def from_config(cls, cfg) -> dict:
        return {**super().from_config(cfg), "memory_size": cfg.MODEL.GENVIS.MEMORY_SIZE}

    def forward(
        self, queries: Tensor, prototypes: InstancePrototypes | None = None
    ) -> tuple[ObjectOutput, InstancePrototypes]:
        """
        Args:
            queries: frame queries ``(G, T, fQ, C)`` of one clip.
            prototypes: what the clip before returned; None for the first clip.

        Returns:
            the predictions for this clip, and the prototypes for the next one. Gradients flow
            through the prototypes.
        """
        tokens = self.encode([queries])
        output = self.decode(self.read(prototypes, len(queries)), tokens)
        output.frame_identities = self.frame_identities(tokens)
        return output, self.write(prototypes, output.decoded)

    def initial_queries(self, groups: int) -> Tensor:
        queries = super().initial_queries(groups)
        return queries + self.pre_query_embed_v(queries)

    def read(self, prototypes: InstancePrototypes | None, groups: int) -> Tensor:
        """Video queries ``(G, Q, C)`` that a clip begins with.

        Query i reads the memory of query i only, by unscaled dot products (as published).

        Args:
            prototypes: of the clips before, None for the first clip.
            groups: G.
        """
        if prototypes is None:
            return self.initial_queries(groups)
        queries = prototypes.queries
        similarity = torch.einsum("gqc,gqmc->gqm", self.pre_query_embed_k(queries), prototypes.keys)
        remembered = torch.einsum("gqm,gqmc->gqc", similarity.softmax(-1), prototypes.values)
        return queries + self.pre_query_embed_v(queries) + remembered

    def write(self, prototypes: InstancePrototypes | None, decoded: Tensor) -> InstancePrototypes:
        """Add the video queries ``(G, Q, C)`` that a clip ended with to the prototypes."""
        queries = self.decoder_norm(decoded)
        keys, values = self.pre_memory_embed_k(queries), self.pre_memory_embed_v(queries)
        if prototypes is None:
            memory = PrototypeMemory.of(keys, values)
        else:
            memory = prototypes.memory.appended(keys, values, most=self.memory_size)
        return InstancePrototypes(queries=decoded, memory=memory)
