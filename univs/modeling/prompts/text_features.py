"""What text encoders compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass
class TextFeatures:
    """Features of E expressions, not normalised.

    Attributes:
        words: ``(E, W, D)``, one feature for each of W tokens, padding included.
        sentences: ``(E, D)``.
    """

    words: Tensor
    sentences: Tensor


class TextEncoder(Protocol):
    """Turns expressions into features; it is frozen and no part of the model."""

    def encode_expressions(self, expressions: Sequence[str]) -> TextFeatures:
        """Features of expressions as a user types them."""

    def encode_classes(self, names: Sequence[str]) -> Tensor:
        """Embeddings ``(K, D)`` of class names for a concept table."""
