"""Convolutions that carry their norm and activation, and a few tensor functions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Linear",
    "cat",
    "interpolate",
    "move_device_like",
    "nonzero_tuple",
    "shapes_to_tensor",
]

BatchNorm2d = nn.BatchNorm2d
ConvTranspose2d = nn.ConvTranspose2d
Linear = nn.Linear
interpolate = F.interpolate


class Conv2d(nn.Conv2d):
    """``torch.nn.Conv2d``, then an optional norm and an optional activation.

    Args:
        norm: a module on ``[N, out_channels, H, W]``.
        activation: a function of a tensor.

    All other arguments are those of ``torch.nn.Conv2d``; N may be 0.
    """

    def __init__(
        self,
        *args,
        norm: nn.Module | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, in_channels, H, W]`` to ``[N, out_channels, H', W']``."""
        x = super().forward(x)
        if self.norm is not None:
            x = self.norm(x)
        if self.activation is not None:
            x = self.activation(x)
        return x


def cat(tensors: list[Tensor] | tuple[Tensor, ...], dim: int = 0) -> Tensor:
    """``torch.cat`` that returns a single tensor itself, without a copy."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"cat needs a list or tuple of tensors, not {type(tensors).__name__}")
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def nonzero_tuple(x: Tensor) -> tuple[Tensor, ...]:
    """Indices of the elements that are not zero, one tensor per dimension (one for a scalar)."""
    return (x.unsqueeze(0) if x.dim() == 0 else x).nonzero(as_tuple=True)


def move_device_like(src: Tensor, dst: Tensor) -> Tensor:
    """``src`` on the device of ``dst``."""
    return src.to(dst.device)


def shapes_to_tensor(x: list[int], device: torch.device | None = None) -> Tensor:
    """The sizes ``x`` as a tensor of int64."""
    return torch.as_tensor(x, dtype=torch.int64, device=device)
