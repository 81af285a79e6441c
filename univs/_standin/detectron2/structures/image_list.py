"""Images of different sizes in one padded tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ImageList"]


class ImageList:
    """A batch of images, padded at the bottom and right.

    Attributes:
        tensor: ``(N, ..., H, W)``.
        image_sizes: (h, w) of each image without padding.
    """

    def __init__(self, tensor: Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensor = tensor
        self.image_sizes = image_sizes

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, index: int) -> Tensor:
        """Image ``index`` without padding."""
        height, width = self.image_sizes[index]
        return self.tensor[index, ..., :height, :width]

    def to(self, *args: Any, **kwargs: Any) -> ImageList:
        return ImageList(self.tensor.to(*args, **kwargs), self.image_sizes)

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    @staticmethod
    def from_tensors(
        tensors: Sequence[Tensor],
        size_divisibility: int = 0,
        pad_value: float = 0.0,
        padding_constraints: dict[str, int] | None = None,
    ) -> ImageList:
        """Pad images to the largest height and the largest width among them.

        Args:
            tensors: ``(..., h, w)`` each, equal but for h and w.
            size_divisibility: the padded sides are multiples of it, if it is above 1.
            pad_value: value of the padding.
            padding_constraints: ``size_divisibility`` to use instead, and ``square_size``, the
                side to pad to if it is above 0.
        """
        sizes = [(image.shape[-2], image.shape[-1]) for image in tensors]
        height, width = (max(side) for side in zip(*sizes, strict=True))
        constraints = padding_constraints or {}
        if constraints.get("square_size", 0) > 0:
            height = width = constraints["square_size"]
        divisor = constraints.get("size_divisibility", size_divisibility)
        if divisor > 1:
            height, width = (-(-side // divisor) * divisor for side in (height, width))
        padded = [
            F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2]), value=pad_value)
            for image in tensors
        ]
        return ImageList(torch.stack(padded).contiguous(), sizes)
