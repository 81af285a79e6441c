"""Pixel decoder and transformer decoder under the names of published checkpoints."""

from __future__ import annotations

from torch import Tensor, nn

from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import SEM_SEG_HEADS_REGISTRY
from univs.modeling.decoder import DecoderOutput, build_transformer_decoder
from univs.modeling.pixel_decoder import PixelFeatures


@SEM_SEG_HEADS_REGISTRY.register()
class MaskFormerHead(nn.Module):
    """Backbone features in, predictions of all heads out."""

    @configurable
    def __init__(self, *, pixel_decoder: nn.Module, predictor: nn.Module, num_classes: int) -> None:
        """
        Args:
            pixel_decoder: see :class:`~univs.modeling.pixel_decoder.MSDeformAttnPixelDecoder`.
            predictor: transformer decoder, see :mod:`univs.modeling.decoder`.
            num_classes: K, without "no object".
        """
        super().__init__()
        self.pixel_decoder = pixel_decoder
        self.predictor = predictor
        self.num_classes = num_classes

    @classmethod
    def from_config(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        head = cfg.MODEL.SEM_SEG_HEAD
        pixel_decoder = SEM_SEG_HEADS_REGISTRY.get(head.PIXEL_DECODER_NAME)(cfg, input_shape)
        return {
            "pixel_decoder": pixel_decoder,
            "predictor": build_transformer_decoder(cfg, head.CONVS_DIM),
            "num_classes": head.NUM_CLASSES,
        }

    def forward(self, features: dict[str, Tensor], num_frames: int = 1) -> DecoderOutput:
        """
        Args:
            features: backbone features ``(B * T, C, h, w)`` by name.
            num_frames: T, frames of a clip adjacent.
        """
        return self.decode(self.pixel_decoder.forward_features(features, num_frames), num_frames)

    def decode(self, features: PixelFeatures, num_frames: int) -> DecoderOutput:
        """Predict from pixel features, which may be kept from earlier calls."""
        return self.predictor(features.multi_scale, features.mask_features, num_frames)
