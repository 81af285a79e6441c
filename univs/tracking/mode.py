"""Online, semi-online, offline: how much of a video is seen before a result is given."""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("online", "semi-online", "offline")

# Modes by MODEL.META_ARCHITECTURE. Other systems have clips of their own, see their keys.
_MODES_OF = {
    "Genvis": MODES,
    "Vita": ("offline",),
    "VideoMaskFormer": ("online", "semi-online"),
}


@dataclass(frozen=True)
class Clips:
    """How a video is cut.

    Attributes:
        length: frames that the network looks at together; None for the whole video.
        stride: new frames among them; the others were seen before. Results come with this latency.
    """

    length: int | None
    stride: int | None


def clips_of(cfg, trained_length: int) -> Clips:
    """The clips that ``TEST.MODE``, ``TEST.CLIP_LENGTH`` and ``TEST.CLIP_STRIDE`` ask for.

    Args:
        cfg: config.
        trained_length: frames of a clip if the config does not say.

    Raises:
        ValueError: the keys contradict one another, or the model has no such mode.
    """
    mode, length = cfg.TEST.MODE, cfg.TEST.CLIP_LENGTH or trained_length
    check_mode(cfg)
    if mode == "offline":
        return Clips(None, None)
    if mode == "online":
        length = cfg.TEST.CLIP_LENGTH if cfg.TEST.CLIP_STRIDE == 1 else 1
    elif mode == "semi-online" and length < 2:
        raise ValueError(
            "a semi-online model looks at several frames at a time: set TEST.CLIP_LENGTH "
            "(--clip-length) to 2 or more"
        )
    stride = cfg.TEST.CLIP_STRIDE or length
    return Clips(length, stride)
