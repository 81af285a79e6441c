"""What a decoder predicts."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class QueryPredictions:
    """Predictions of one prediction head for B clips (an image is a clip of one frame).

    Attributes:
        class_logits: ``(B, Q, K + 1)``; the last class is "no object".
        mask_logits: ``(B, Q, T, h, w)`` at the stride of the mask features.
        queries: ``(B, Q, C)`` normalised query features, which identify objects across clips.
        attention_mask: bool ``(B, Q, T * h' * w')``, the keys that each query must not attend to in
            the next layer (before rows that block every key are opened); None after the last layer.
    """

    class_logits: Tensor
    mask_logits: Tensor
    queries: Tensor
    attention_mask: Tensor | None = None


@dataclass
class DecoderOutput:
    """Predictions of all heads: ``auxiliary`` from the initial queries on, ``final`` the last."""

    final: QueryPredictions
    auxiliary: list[QueryPredictions] = field(default_factory=list)

    @property
    def heads(self) -> list[QueryPredictions]:
        """All heads in the order of computation."""
        return [*self.auxiliary, self.final]


@dataclass
class PromptedPredictions(QueryPredictions):
    """Predictions of a decoder whose queries differ from frame to frame.

    Queries are the learnable ones first, then those of P prompts.

    Attributes:
        class_logits: ``(B, Q, K)`` for all rows of the concept table; for expressions
            ``(B, Q, P)``, similarities to their sentences. There is no "no object".
        queries: ``(B, Q, T, C)`` normalised query features of each frame.
        attention_mask: bool ``(B, T, Q, h' * w')``, per frame.
        prompt_similarity: ``(B, Q, P)``, mean cosine of each query with those of the prompts; for
            expressions at inference only.
    """

    prompt_similarity: Tensor | None = None


@dataclass
class PromptedOutput(DecoderOutput):
    """Predictions of learnable and prompt queries by all heads.

    Attributes:
        decoded: ``(B, Q, T, C)``, the final queries before their normalisation.
        prompts: the initial prompt queries and what ProCA attended to; None without prompts.
    """

    decoded: Tensor | None = None
    prompts: PromptQueries | None = None


@dataclass
class PromptQueries:
    """P prompts of B clips as the decoder starts with them.

    Attributes:
        content: ``(B, T, P, C)``, the initial queries.
        position: ``(B, T, P, C)``, their position.
        tokens: ``(B, G, P, L, C)``, what ProCA attends to besides the query itself; G is T, or 1 if
            the tokens are the same for all frames.
        token_positions: ``(B, G, P, L, C)``, or None: then ProCA uses no positions at all.
    """

    content: Tensor
    position: Tensor
    tokens: Tensor
    token_positions: Tensor | None = None
