"""Transformer decoders: queries attend to pixel features and predict classes and masks."""

from univs.modeling.decoder.masked_attention import (
    MultiScaleMaskedTransformerDecoder,
    VideoMultiScaleMaskedTransformerDecoder,
)
from univs.modeling.decoder.predictions import DecoderOutput, QueryPredictions
from univs.modeling.decoder.registry import TRANSFORMER_DECODER_REGISTRY, build_transformer_decoder

__all__ = [
    "TRANSFORMER_DECODER_REGISTRY",
    "DecoderOutput",
    "MultiScaleMaskedTransformerDecoder",
    "QueryPredictions",
    "VideoMultiScaleMaskedTransformerDecoder",
    "build_transformer_decoder",
]
