"""Networks. Importing this package registers backbones, heads and meta-architectures."""

from univs.modeling import backbone, decoder, meta_arch, pixel_decoder

__all__ = ["backbone", "decoder", "meta_arch", "pixel_decoder"]
