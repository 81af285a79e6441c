"""Pixel decoders: backbone features in, per-pixel embeddings and decoder memory out."""

from univs.modeling.pixel_decoder.ms_deform_attn import MSDeformAttnPixelDecoder, PixelFeatures
from univs.modeling.pixel_decoder.tarvis import TemporalPixelDecoder

__all__ = ["MSDeformAttnPixelDecoder", "PixelFeatures", "TemporalPixelDecoder"]
