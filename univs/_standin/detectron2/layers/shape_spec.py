"""What one module tells another about the feature maps it produces."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ShapeSpec"]


@dataclass
class ShapeSpec:
    """Shape of a feature map; anything unknown or variable is None.

    Attributes:
        channels: number of channels.
        height: rows.
        width: columns.
        stride: input pixels per feature pixel, in both directions.
    """

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None
