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
