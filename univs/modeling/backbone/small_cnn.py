"""A convolutional network small enough to learn from scratch on a CPU, for toy data and tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.config import configurable
from detectron2.layers import Conv2d, ShapeSpec, get_norm
from detectron2.modeling import BACKBONE_REGISTRY, Backbone


class DownsamplingStage(nn.Module):
    """Halve the resolution, then refine with a residual convolution."""

    def __init__(self, in_channels: int, out_channels: int, norm: str) -> None:
        super().__init__()
        self.down = _conv(in_channels, out_channels, norm, stride=2)
        self.refine = _conv(out_channels, out_channels, norm)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w)`` -> ``(N, C', h / 2, w / 2)``, sizes rounded up."""
        x = F.relu(self.down(x))
        return F.relu(x + self.refine(x))


def _conv(in_channels: int, out_channels: int, norm: str, stride: int = 1) -> Conv2d:
    return Conv2d(
        in_channels,
        out_channels,
        kernel_size=3,
        stride=stride,
        padding=1,
        bias=norm == "",
        norm=get_norm(norm, out_channels),
    )


@BACKBONE_REGISTRY.register()
class SmallCNN(Backbone):
    """A strided convolution and four stages, ``res2`` to ``res5`` at strides 4 to 32."""

    @configurable
    def __init__(self, *, stem_channels: int, channels: Sequence[int], norm: str) -> None:
        """
        Args:
            stem_channels: channels at stride 2.
            channels: of the four stages.
            norm: normalisation after every convolution, as Detectron2 names it.
        """
        super().__init__()
        self.stem = _conv(3, stem_channels, norm, stride=2)
        widths = [stem_channels, *channels]
        names = [f"res{index}" for index in range(2, 2 + len(channels))]
        for name, width, following in zip(names, widths, widths[1:], strict=False):
            self.add_module(name, DownsamplingStage(width, following, norm))
        self._out_features = names
        self._out_feature_channels = dict(zip(names, channels, strict=True))
        self._out_feature_strides = {name: 4 * 2**index for index, name in enumerate(names)}

    @classmethod
    def from_config(cls, cfg, input_shape: ShapeSpec) -> dict:
        options = cfg.MODEL.SMALL_CNN
        return {
            "stem_channels": options.STEM_CHANNELS,
            "channels": list(options.CHANNELS),
            "norm": options.NORM,
        }

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """``(N, 3, H, W)`` -> ``{"res2": (N, C, H / 4, W / 4), ...}``, sizes rounded up."""
        x = F.relu(self.stem(image))
        features = {}
        for name in self._out_features:
            x = features[name] = self.get_submodule(name)(x)
        return features
