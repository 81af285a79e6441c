"""Registry of transformer decoders, chosen by ``MODEL.MASK_FORMER.TRANSFORMER_DECODER_NAME``."""

from __future__ import annotations

from torch import nn

from detectron2.utils.registry import Registry

TRANSFORMER_DECODER_REGISTRY = Registry("TRANSFORMER_MODULE")
TRANSFORMER_DECODER_REGISTRY.__doc__ = "Transformer decoders, built with (cfg, in_channels)."


def build_transformer_decoder(cfg, in_channels: int) -> nn.Module:
    """Build the configured decoder for memory of ``in_channels`` channels."""
    name = cfg.MODEL.MASK_FORMER.TRANSFORMER_DECODER_NAME
    return TRANSFORMER_DECODER_REGISTRY.get(name)(cfg, in_channels)
