"""The base of the blocks that convolutional backbones are made of."""

from __future__ import annotations

from torch import nn

from detectron2.layers.batch_norm import FrozenBatchNorm2d

__all__ = ["CNNBlockBase"]


class CNNBlockBase(nn.Module):
    """A block with one input and one output feature map.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: input pixels per output pixel.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def freeze(self) -> CNNBlockBase:
        """Stop the training of all parameters and batch norms in place, and return the block."""
        for parameter in self.parameters():
            parameter.requires_grad = False
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        return self
