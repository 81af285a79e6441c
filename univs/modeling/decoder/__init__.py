"""Transformer decoders: queries attend to pixel features and predict classes and masks."""

from univs.modeling.decoder.masked_attention import (
    MultiScaleMaskedTransformerDecoder,
    VideoMultiScaleMaskedTransformerDecoder,
)
from univs.modeling.decoder.predictions import (
    DecoderOutput,
    PromptedOutput,
    PromptedPredictions,
    PromptQueries,
    QueryPredictions,
)
from univs.modeling.decoder.registry import TRANSFORMER_DECODER_REGISTRY, build_transformer_decoder
from univs.modeling.decoder.tarvis import TarVisDecoder
from univs.modeling.decoder.univs import VideoMultiScaleMaskedTransformerDecoderUniVS

__all__ = [
    "TRANSFORMER_DECODER_REGISTRY",
    "DecoderOutput",
    "MultiScaleMaskedTransformerDecoder",
    "PromptQueries",
    "PromptedOutput",
    "PromptedPredictions",
    "QueryPredictions",
    "TarVisDecoder",
    "VideoMultiScaleMaskedTransformerDecoder",
    "VideoMultiScaleMaskedTransformerDecoderUniVS",
    "build_transformer_decoder",
]
