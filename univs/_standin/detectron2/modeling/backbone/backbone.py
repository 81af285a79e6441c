"""The interface of a backbone."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod

from torch import Tensor, nn

from detectron2.layers import ShapeSpec

__all__ = ["Backbone"]


class Backbone(nn.Module, metaclass=ABCMeta):
    """Images to feature maps by name.

    Subclasses set ``_out_features`` (names), ``_out_feature_channels`` and ``_out_feature_strides``
    (by name), or override :meth:`output_shape`.
    """

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images ``[N, C, H, W]`` to feature maps by name."""

    @property
    def size_divisibility(self) -> int:
        """Height and width of the input must be multiples of this; 0 if any size will do."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """``size_divisibility`` and ``square_size`` of the input, where there are such demands."""
        return {}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each feature map."""
        return {
            name: ShapeSpec(
                channels=self._out_feature_channels[name], stride=self._out_feature_strides[name]
            )
            for name in self._out_features
        }
