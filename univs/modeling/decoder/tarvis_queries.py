"""Queries of TarViS: every task is a set of named groups of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Groups that a decoder pass may hold, each with mask embeddings of its own.
GROUPS = ("instance", "background", "semantic", "background_vos", "vos")


@dataclass
class Queries:
    """The queries of one decoder pass.

    Attributes:
        states: ``(B, Q, C)``, what the decoder refines.
        embeddings: ``(Q, C)``, constant, added to queries in every attention.
        groups: number of queries of each group, in the order of the queries; see :data:`GROUPS`.
    """

    states: Tensor
    embeddings: Tensor
    groups: dict[str, int]

    def slices(self) -> dict[str, slice]:
        """Where the queries of each group lie."""
        slices, start = {}, 0
        for name, size in self.groups.items():
            slices[name] = slice(start, start + size)
            start += size
        return slices


class TargetQueries(nn.Module):
    """The learned queries, among them one for every class of every vocabulary.

    Each parameter holds one embedding, shared by all queries of the group, and below it their
    initial states. Class states of all vocabularies lie one after another, in the alphabetical
    order of the names of the vocabularies (as published).
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        num_instance_queries: int,
        num_background_queries: int,
        vocabularies: dict[str, int],
    ) -> None:
        """
        Args:
            embed_dim: channels C.
            num_instance_queries, num_background_queries: queries of these groups.
            vocabularies: number of classes of each vocabulary, by name.
        """
        super().__init__()
        if not vocabularies or min(vocabularies.values()) < 1:
            raise ValueError(
                f"every vocabulary needs at least one class, got {vocabularies}: set "
                "MODEL.TARVIS.VOCABULARIES and MODEL.TARVIS.VOCABULARY_SIZES"
            )
        self.vocabularies = {name: vocabularies[name] for name in sorted(vocabularies)}
        num_classes = sum(self.vocabularies.values())
        self.instance = nn.Parameter(torch.randn(1 + num_instance_queries, embed_dim))
        self.background = nn.Parameter(torch.randn(1 + num_background_queries, embed_dim))
        self.semantic = nn.Parameter(torch.randn(1 + num_classes, embed_dim))
        # The encoder supplies the states of objects; the second row of background_vos is never
        # used.
        self.background_vos = nn.Parameter(torch.randn(2, embed_dim))
        self.vos = nn.Parameter(torch.randn(1, embed_dim))

    def class_rows(self, vocabulary: str, classes: Sequence[int] | None = None) -> Tensor:
        """Rows of ``semantic`` of the classes of a vocabulary.

        Args:
            vocabulary: its name.
            classes: 0-based classes to choose; all by default.

        Raises:
            ValueError: the vocabulary or a class is unknown.
        """
        if vocabulary not in self.vocabularies:
            known = ", ".join(self.vocabularies)
            raise ValueError(f"vocabulary {vocabulary!r} is unknown: this model knows {known}")
        first = 1  # below the shared embedding
        for name, size in self.vocabularies.items():
            if name == vocabulary:
                break
            first += size
        chosen = list(range(size)) if classes is None else [int(index) for index in classes]
        if any(not 0 <= index < size for index in chosen):
            raise ValueError(
                f"classes of {vocabulary} are 0 to {size - 1}, got {sorted(set(chosen))}"
            )
        return torch.tensor(chosen, dtype=torch.long, device=self.semantic.device) + first

    def categories(
        self, vocabulary: str, classes: Sequence[int] | None = None, *, batch_size: int = 1
    ) -> Queries:
        """Queries for everything that belongs to one of the classes.

        Fewer classes change the predictions for the others slightly, because all queries see each
        other.

        Args:
            vocabulary: name of the vocabulary.
            classes: 0-based classes of it; all by default.
            batch_size: B.
        """
        rows = self.class_rows(vocabulary, classes)
        parts = {
            "instance": (self.instance[0], self.instance[1:]),
            "background": (self.background[0], self.background[1:]),
            "semantic": (self.semantic[0], self.semantic[rows]),
        }
        return _assembled(
            {
                name: (embedding, states.expand(batch_size, -1, -1))
                for name, (embedding, states) in parts.items()
            }
        )

    def objects(self, background: Tensor, objects: Tensor) -> Queries:
        """Queries for objects that were given by masks or points.

        Args:
            background: ``(B, G, C)`` and
            objects: ``(B, Q, C)``: states, from the object encoder.
        """
        return _assembled(
            {
                "background_vos": (self.background_vos[0], background),
                "vos": (self.vos[0], objects),
            }
        )


def _assembled(groups: dict[str, tuple[Tensor, Tensor]]) -> Queries:
    """Join groups, given as embedding ``(C,)`` and states ``(B, Q_g, C)``."""
    return Queries(
        states=torch.cat([states for _, states in groups.values()], dim=1),
        embeddings=torch.cat(
            [embedding.expand(states.shape[1], -1) for embedding, states in groups.values()]
        ),
        groups={name: states.shape[1] for name, (_, states) in groups.items()},
    )
