"""Backbones beyond Detectron2's own."""

from univs.modeling.backbone.swin import D2SwinTransformer, SwinTransformer

__all__ = ["D2SwinTransformer", "SwinTransformer"]
