"""The text encoder that a config asks for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from univs.modeling.prompts.clip_text import TOWERS, ClipTextEncoder
from univs.modeling.prompts.hashed_text import HashedTextEncoder
from univs.modeling.prompts.text_features import TextEncoder, TextFeatures


class DeferredClipTextEncoder:
    """CLIP's text encoder, read from its file when it is first used.

    Only expressions need it, and it is twice as large as the rest of a small model.
    """

    def __init__(self, name: str, weights: str, vocabulary: str, device: str) -> None:
        """
        Args:
            name: a key of :data:`~univs.modeling.prompts.clip_text.TOWERS`.
            weights, vocabulary: see
                :meth:`~univs.modeling.prompts.clip_text.ClipTextEncoder.from_file`.
            device: where it works.
        """
        self._arguments = (name, weights, vocabulary)
        self._device = device
        self._encoder: ClipTextEncoder | None = None

    @property
    def _loaded(self) -> ClipTextEncoder:
        if self._encoder is None:
            self._encoder = ClipTextEncoder.from_file(*self._arguments).to(self._device)
        return self._encoder

    def encode_expressions(self, expressions: Sequence[str]) -> TextFeatures:
        """Features of expressions as a user types them."""
        return self._loaded.encode_expressions(expressions)

    def encode_classes(self, names: Sequence[str]) -> Tensor:
        """Embeddings ``(K, D)`` of class names for a concept table."""
        return self._loaded.encode_classes(names)


def text_encoder_from_config(cfg) -> TextEncoder:
    """The encoder of ``MODEL.UniVS.TEXT_ENCODER``.

    Raises:
        ValueError: there is none of that name, or its features have another width than
            ``MODEL.UniVS.TEXT_DIM``.
    """
    options = cfg.MODEL.UniVS
    if options.TEXT_ENCODER == "hashed":
        return HashedTextEncoder(options.TEXT_DIM)
    if options.TEXT_ENCODER not in TOWERS:
        raise ValueError(
            f"MODEL.UniVS.TEXT_ENCODER must be hashed or one of {', '.join(TOWERS)}, but is "
            f"{options.TEXT_ENCODER!r}."
        )
    width = TOWERS[options.TEXT_ENCODER].embed_dim
    if width != options.TEXT_DIM:
        raise ValueError(
            f"MODEL.UniVS.TEXT_DIM is {options.TEXT_DIM}, but the features of CLIP "
            f"{options.TEXT_ENCODER} have {width} channels."
        )
    return DeferredClipTextEncoder(
        options.TEXT_ENCODER, cfg.MODEL.CLIP.WEIGHTS, cfg.MODEL.CLIP.VOCABULARY, cfg.MODEL.DEVICE
    )
