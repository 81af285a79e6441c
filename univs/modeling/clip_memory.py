"""What queries attend to: the pixel features of a clip on three levels, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class ClipMemory:
    """Pixel features of B clips of T frames, coarse to fine (strides 32, 16, 8).

    Attributes:
        features: per level ``(B, T, C, h, w)``.
        positions: per level ``(B, T, C, h, w)``, position encodings.
        frame_positions: ``(B, T)``, the positions of the frames in radians that the encodings are
            made with.
    """

    features: list[Tensor]
    positions: list[Tensor]
    frame_positions: Tensor

    @property
    def finest(self) -> tuple[Tensor, Tensor]:
        """Features and positions ``(B, T, C, H / 8, W / 8)``; visual prompts are sampled here."""
        return self.features[-1], self.positions[-1]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each level."""
        return [tuple(level.shape[-2:]) for level in self.features]

    @property
    def tokens(self) -> Tensor:
        """The features of all levels in one sequence, ``(B, T, S, C)``."""
        return torch.cat([tokens_of(level) for level in self.features], dim=2)


def tokens_of(maps: Tensor) -> Tensor:
    """Maps as sequences of their cells, row by row: ``(*, C, h, w)`` -> ``(*, h * w, C)``."""
    return maps.flatten(-2).transpose(-1, -2)
