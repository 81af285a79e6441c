"""The text tower of CLIP (Radford et al. 2021), with CLIP's parameter names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from univs.modeling.decoder.layers import MultiheadAttention
from univs.modeling.prompts.text_cleaning import (
    clean_class_name,
    clean_expression,
    in_templates,
)
from univs.modeling.prompts.text_features import TextFeatures
from univs.modeling.prompts.tokenizer import CONTEXT_LENGTH, ClipTokenizer

VOCABULARY_SIZE = 49408
NUM_LAYERS = 12
_HEAD_DIM = 64


@dataclass(frozen=True)
class ClipTower:
    """Sizes of a text tower: its width, and the width D of the features it is projected to."""

    width: int
    embed_dim: int


# By the name of the whole model.
TOWERS = {
    "RN50": ClipTower(width=512, embed_dim=1024),
    "RN101": ClipTower(width=512, embed_dim=512),
    "RN50x4": ClipTower(width=640, embed_dim=640),
    "RN50x16": ClipTower(width=768, embed_dim=768),
    "RN50x64": ClipTower(width=1024, embed_dim=1024),
    "ViT-B/32": ClipTower(width=512, embed_dim=512),
    "ViT-B/16": ClipTower(width=512, embed_dim=512),
    "ViT-L/14": ClipTower(width=768, embed_dim=768),
}


class QuickGELU(nn.Module):
    """The approximation of GELU that CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """``(*)`` -> ``(*)``."""
        return x * (1.702 * x).sigmoid()


class _FeedForward(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.add_module("c_fc", nn.Linear(width, 4 * width))
        self.add_module("gelu", QuickGELU())
        self.add_module("c_proj", nn.Linear(4 * width, width))


class _Block(nn.Module):
    """Causal self-attention and feed-forward network; pre-norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = MultiheadAttention(width, width // _HEAD_DIM)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = _FeedForward(width)
        self.ln_2 = nn.LayerNorm(width)
        nn.init.normal_(self.attn.in_proj_weight, std=width**-0.5)

    def forward(self, x: Tensor, blocked: Tensor) -> Tensor:
        """``(N, W, C)`` -> ``(N, W, C)``; ``blocked`` is bool ``(W, W)``."""
        normalised = self.ln_1(x)
        x = x + self.attn(normalised, normalised, normalised, blocked)
        return x + self.mlp(self.ln_2(x))


class _Transformer(nn.Module):
    def __init__(self, width: int, num_layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width) for _ in range(num_layers))


class ClipTextTower(nn.Module):
    """Token ids in, features of every token and of the whole text out."""

    def __init__(
        self,
        *,
        width: int,
        embed_dim: int,
        num_layers: int = NUM_LAYERS,
        vocabulary_size: int = VOCABULARY_SIZE,
    ) -> None:
        """
        Args:
            width: channels of the transformer, a multiple of 64.
            embed_dim: channels D of the features.
            num_layers: of the transformer.
            vocabulary_size: number of tokens.
        """
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary_size, width)
        self.positional_embedding = nn.Parameter(
            torch.empty(CONTEXT_LENGTH, width).normal_(0, 0.01)
        )
        self.transformer = _Transformer(width, num_layers)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, embed_dim).normal_(0, width**-0.5))

    def forward(self, tokens: Tensor) -> TextFeatures:
        """
        Args:
            tokens: int64 ``(N, 77)``; the end token is the largest of a row. In a text that was cut
                there is none, and the start token takes its place (as published).
        """
        length = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[:length]  # N W C
        future = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        for block in self.transformer.resblocks:
            x = block(x, future)
        words = self.ln_final(x) @ self.text_projection
        sentences = words[torch.arange(len(tokens), device=tokens.device), tokens.argmax(-1)]
        return TextFeatures(words, sentences)


def text_tower(tensors: Mapping[str, Tensor], name: str, source: str) -> ClipTextTower:
    """Build the text tower of a CLIP model from the model's own weights.

    Args:
        tensors: state dict of the text tower or of a whole CLIP model, whose other tensors are
            ignored; names may begin with ``lang_encoder.``.
        name: a key of :data:`TOWERS`.
        source: where the weights come from, for messages.

    Raises:
        ValueError: weights are missing or have other shapes.
    """
    if name not in TOWERS:
        raise ValueError(
            f"MODEL.UniVS.TEXT_ENCODER must be hashed or one of {', '.join(TOWERS)}, but is "
            f"{name!r}."
        )
    with torch.device("meta"):
        tower = ClipTextTower(width=TOWERS[name].width, embed_dim=TOWERS[name].embed_dim)
    tensors = {key.removeprefix("lang_encoder."): tensor for key, tensor in tensors.items()}
    wanted = {key: tuple(tensor.shape) for key, tensor in tower.state_dict().items()}
    missing = [key for key in wanted if key not in tensors]
    if missing:
        raise ValueError(
            f"MODEL.CLIP.WEIGHTS: {source} lacks {len(missing)} of the {len(wanted)} tensors of a "
            f"CLIP text tower, among them {missing[0]!r}."
        )
    for key, shape in wanted.items():
        if tuple(tensors[key].shape) != shape:
            raise ValueError(
                f"MODEL.CLIP.WEIGHTS: {key} in {source} is {list(tensors[key].shape)}, but "
                f"{list(shape)} in {name}; set MODEL.UniVS.TEXT_ENCODER to the CLIP model that the "
                "file is of."
            )
    tower.load_state_dict({key: tensors[key].float() for key in wanted}, assign=True)
    return tower.requires_grad_(False).eval()


class ClipTextEncoder:
    """See :class:`~univs.modeling.prompts.text_features.TextEncoder`."""

    def __init__(self, tower: ClipTextTower, tokenizer: ClipTokenizer) -> None:
        """
        Args:
            tower: frozen text tower.
            tokenizer: CLIP's.
        """
        self.tower = tower
        self.tokenizer = tokenizer

    @classmethod
    def from_file(
        cls, name: str, weights: str | os.PathLike, vocabulary: str | os.PathLike = ""
    ) -> ClipTextEncoder:
        """
        Args:
            name: a key of :data:`TOWERS`.
            weights: file of the tower or of the whole model; nothing in it is executed.
            vocabulary: see :func:`~univs.modeling.prompts.tokenizer.find_vocabulary`.
        """
        if not os.path.isfile(weights):
            raise FileNotFoundError(
                f"MODEL.CLIP.WEIGHTS: there is no file {os.fspath(weights)!r}. Expressions need "
                f"the text tower of CLIP {name}."
            )
        try:
            content = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(
                f"MODEL.CLIP.WEIGHTS: {weights} cannot be read as weights: {error}"
            ) from error
        tensors = content.get("model", content) if isinstance(content, dict) else {}
        tower = text_tower(tensors, name, os.fspath(weights))
        return cls(tower, ClipTokenizer(vocabulary))

    def to(self, device: torch.device) -> ClipTextEncoder:
        """Move the tower to ``device``."""
        self.tower.to(device)
        return self

    @torch.no_grad()
    def encode_expressions(self, expressions: Sequence[str]) -> TextFeatures:
        """Words of the plain expression; sentences averaged over 81 templates (as published)."""
        features = [self.encode_expression(clean_expression(text)) for text in expressions]
        projection = self.tower.text_projection
        if not features:
            return TextFeatures(
                words=projection.new_zeros(0, CONTEXT_LENGTH, projection.shape[1]),
                sentences=projection.new_zeros(0, projection.shape[1]),
            )
        return TextFeatures(
            words=torch.stack([x.words for x in features]),
            sentences=torch.stack([x.sentences for x in features]),
        )

    @torch.no_grad()
    def encode_expression(self, expression: str) -> TextFeatures:
        """Features of one cleaned expression: words ``(77, D)`` and sentence ``(D,)``."""
        texts = in_templates(expression, is_class=False)
        words = self.tower(self._tokens(texts[:1])).words[0]
        return TextFeatures(words, self._mean_sentence(texts))

    @torch.no_grad()
    def encode_classes(self, names: Sequence[str]) -> Tensor:
        """Embeddings ``(K, D)`` of class names, averaged over 81 templates."""
        rows = [
            self._mean_sentence(in_templates(clean_class_name(name), is_class=True))
            for name in names
        ]
        projection = self.tower.text_projection
        return torch.stack(rows) if rows else projection.new_zeros(0, projection.shape[1])

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        return self.tokenizer(texts).to(self.tower.text_projection.device)

    def _mean_sentence(self, texts: Sequence[str]) -> Tensor:
        tokens = self._tokens(texts)
        # Tokens do not see those after them, so the padding can be left out.
        length = int(tokens.argmax(-1).max()) + 1
        return self.tower(tokens[:, :length]).sentences.mean(0)
