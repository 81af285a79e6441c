"""Backbones beyond Detectron2's own."""

from univs.modeling.backbone.small_cnn import SmallCNN
from univs.modeling.backbone.swin import D2SwinTransformer, SwinTransformer

__all__ = ["D2SwinTransformer", "SmallCNN", "SwinTransformer"]
