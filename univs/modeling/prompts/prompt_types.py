"""What tells the UniVS decoder which targets to segment (UniVS, section 3.2).

Letters: B clips, T frames, P prompts (targets) per clip, L tokens per prompt, C channels of the
decoder, D width of text features. P is the same for all clips of a batch; it may be 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import torch
from torch import Tensor

from univs.structures.shape_check import check_shape, check_shapes


@dataclass
class CategoryPrompts:
    """Targets named by categories; one token each.

    Attributes:
        rows: int64 ``(B, P)``, rows of the model's concept table.
    """

    rows: Tensor

    def __post_init__(self) -> None:
        check_shape(self.rows, "B P", "the rows of category prompts")

    @property
    def shape(self) -> tuple[int, int]:
        """B and P."""
        return tuple(self.rows.shape)


@dataclass
class ExpressionPrompts:
    """Targets described by expressions; one token for the sentence and one for each of W words.

    Attributes:
        words: ``(B, P, W, D)`` text features of the words, padding included.
        sentences: ``(B, P, D)`` text features of the whole expressions.
        visual: further tokens that ProCA attends to, from masks of earlier frames. Their positions
            are not used, because text has none.
    """

    words: Tensor
    sentences: Tensor
    visual: PromptTokens | None = None

    def __post_init__(self) -> None:
        check_shapes(
            (self.words, "B P W D", "the word features of expression prompts"),
            (self.sentences, "B P D", "the sentence features of expression prompts"),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """B and P."""
        return tuple(self.sentences.shape[:2])


@dataclass
class PromptTokens:
    """Tokens of visual prompts, taken from the finest level of the pixel features.

    A token whose features are all zero is blank: it is not averaged, but attended to (as
    published).

    Attributes:
        features: ``(B, G, P, L, C)``; G is T, or 1 if the tokens are the same for all frames.
        positions: ``(B, G, P, L, C)``, their position encodings.
    """

    features: Tensor
    positions: Tensor

    def __post_init__(self) -> None:
        check_shapes(
            (self.features, "B G P L C", "the features of prompt tokens"),
            (self.positions, "B G P L C", "the positions of prompt tokens"),
        )

    def __len__(self) -> int:
        """The number of prompts P."""
        return self.features.shape[2]

    def join(self, other: PromptTokens) -> PromptTokens:
        """The tokens of both for each prompt, these first: L is the sum."""
        frames = max(self.features.shape[1], other.features.shape[1])
        pairs = [
            [tokens.expand(-1, frames, -1, -1, -1) for tokens in pair]
            for pair in ((self.features, other.features), (self.positions, other.positions))
        ]
        return PromptTokens(*(torch.cat(pair, dim=3) for pair in pairs))

    def select(self, prompts: Tensor) -> PromptTokens:
        """The prompts of the given indices ``(P',)``."""
        return PromptTokens(self.features[:, :, prompts], self.positions[:, :, prompts])


@dataclass
class VisualPrompts:
    """Targets shown by masks, boxes or points.

    Attributes:
        own: the tokens of each frame of this clip; their average is the initial query.
        attended: the tokens that ProCA attends to, which may include those of other frames.
        position_from_features: the position of the initial query is the average of the features,
            not of the positions; drawn with probability one half in training (as published).
    """

    own: PromptTokens
    attended: PromptTokens
    position_from_features: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """B and P."""
        return self.own.features.shape[0], len(self.own)

    @classmethod
    def of(cls, tokens: PromptTokens, *, position_from_features: bool = False) -> VisualPrompts:
        """Prompts that attend to their own tokens only."""
        return cls(own=tokens, attended=tokens, position_from_features=position_from_features)

    def with_memory(self, memory: PromptTokens) -> VisualPrompts:
        """The same prompts, attending to ``memory`` as well."""
        return replace(self, attended=memory.join(self.attended))


class PromptKind(IntEnum):
    """How a visual prompt shows its target."""

    MASK = 0
    POINT = 1
    BOX = 2


Prompts = CategoryPrompts | ExpressionPrompts | VisualPrompts


@dataclass
class PromptObjects:
    """The N objects of one training clip that visual prompts can be drawn from.

    Attributes:
        masks: bool ``(N, T, H, W)`` at the padded input size.
        boxes: float ``(N, T, 4)``, xyxy relative to the padded size, 0 to 1.
        visible: bool ``(N, T)``.
        num_prompts: the most prompts to draw.
        rows: int64 ``(P,)``, the objects to prompt, in this order; None draws them from those
            visible in the key frame.
    """

    masks: Tensor
    boxes: Tensor
    visible: Tensor
    num_prompts: int
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        check_shapes(
            (self.masks, "N T H W", "the masks of prompt objects"),
            (self.boxes, "N T 4", "the boxes of prompt objects"),
            (self.visible, "N T", "the visibility of prompt objects"),
        )


@dataclass
class SampledPrompts:
    """What the training sampler drew for B clips.

    Attributes:
        prompts: None if a clip of the batch has nothing to prompt with (as published).
        rows: per clip int64 ``(P,)``, the object of each prompt; -1 where there is none.
        kinds: per clip the kind of each prompt as ``PromptKind`` values, int64 ``(P,)``.
    """

    prompts: VisualPrompts | None
    rows: list[Tensor]
    kinds: list[Tensor]
