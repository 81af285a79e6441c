"""Building blocks of networks."""

from detectron2.layers.batch_norm import FrozenBatchNorm2d, LayerNorm, get_norm
from detectron2.layers.blocks import CNNBlockBase
from detectron2.layers.shape_spec import ShapeSpec
from detectron2.layers.wrappers import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Linear,
    cat,
    interpolate,
    move_device_like,
    nonzero_tuple,
    shapes_to_tensor,
)

__all__ = [
    "BatchNorm2d",
    "CNNBlockBase",
    "Conv2d",
    "ConvTranspose2d",
    "FrozenBatchNorm2d",
    "LayerNorm",
    "Linear",
    "ShapeSpec",
    "cat",
    "get_norm",
    "interpolate",
    "move_device_like",
    "nonzero_tuple",
    "shapes_to_tensor",
]
