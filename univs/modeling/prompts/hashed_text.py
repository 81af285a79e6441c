"""A text encoder without weights, for toy models and tests.

Every word has a random direction that depends on nothing but its letters, and a text is the mean of
its words. It knows no synonyms, so a model must be trained with it to be of any use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from univs.modeling.prompts.text_cleaning import clean_class_name, clean_expression
from univs.modeling.prompts.text_features import TextFeatures


class HashedTextEncoder:
    """See :class:`~univs.modeling.prompts.text_features.TextEncoder`."""

    def __init__(self, text_dim: int, *, context_length: int = 20) -> None:
        """
        Args:
            text_dim: width D of the features.
            context_length: W, the most words of an expression; further ones are dropped.
        """
        self.text_dim = text_dim
        self.context_length = context_length

    def encode_expressions(self, expressions: Sequence[str]) -> TextFeatures:
        """Features of expressions; word features after the last word are 0."""
        words = torch.zeros(len(expressions), self.context_length, self.text_dim)
        sentences = torch.zeros(len(expressions), self.text_dim)
        for row, expression in enumerate(expressions):
            features = _word_features(clean_expression(expression), self.text_dim)
            features = features[: self.context_length]
            words[row, : len(features)] = features
            if len(features):
                sentences[row] = features.mean(0)
        return TextFeatures(words, sentences)

    def encode_classes(self, names: Sequence[str]) -> Tensor:
        """Embeddings ``(K, D)`` of class names."""
        return hashed_class_features(names, self.text_dim)


def hashed_class_features(names: Sequence[str], text_dim: int) -> Tensor:
    """Embeddings ``(K, D)`` of class names, the same in every run and on every machine.

    Raises:
        ValueError: nothing but digits and punctuation is in a name.
    """
    rows = []
    for name in names:
        features = _word_features(clean_class_name(name), text_dim)
        if not len(features):
            raise ValueError(f"The class name {name!r} has no words.")
        rows.append(features.mean(0))
    return torch.stack(rows)


def _word_features(text: str, text_dim: int) -> Tensor:
    words = text.split()
    features = np.empty((len(words), text_dim), np.float32)
    for row, word in zip(features, words, strict=True):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        row[:] = np.random.RandomState(seed).standard_normal(text_dim)  # a frozen stream
    return torch.from_numpy(features)
