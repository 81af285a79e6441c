"""The precision that losses are computed in."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """``values`` in float32 if they are in half precision, otherwise as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
