"""Online, semi-online, offline: how much of a video is seen before a result is given.

The keys ``TEST.MODE``, ``TEST.CLIP_LENGTH`` and ``MODEL.GENVIS.CLIP_STRIDE`` (GenVIS) or
``TEST.CLIP_STRIDE`` (UniVS) say it.
"""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("online", "semi-online", "offline")

# By MODEL.META_ARCHITECTURE. The clips of other systems have keys of their own.
_MODES_OF = {
    "Genvis": MODES,
    "Vita": ("offline",),
    "VideoMaskFormer": ("online", "semi-online"),
    "UniVS_Prompt": ("online", "semi-online"),
    "UniVS_Prompt_LongVideo": ("online", "semi-online"),
}


@dataclass(frozen=True)
class Clips:
    """How a video is cut.

    Attributes:
        length: frames that the network looks at together.
        stride: how many of them are new; it saw the others before. Results wait for that many.
    """

    length: int
    stride: int


def is_offline(cfg) -> bool:
    """Whether the whole video is looked at together."""
    return cfg.TEST.MODE == "offline"


def clips_of(cfg, trained_length: int) -> Clips:
    """The clips of a video that is not segmented offline.

    Args:
        cfg: config.
        trained_length: frames of a clip where the config leaves it open.

    Raises:
        ValueError: the keys contradict one another.
    """
    mode, length = cfg.TEST.MODE, cfg.TEST.CLIP_LENGTH or trained_length
    if mode == "online":
        length = 1
    elif mode == "semi-online" and length == 1:
        raise ValueError(
            "a semi-online model looks at several frames at a time: set TEST.CLIP_LENGTH "
            "(--clip-length) to 2 or more"
        )
    stride = cfg.MODEL.GENVIS.CLIP_STRIDE or length
    if not 1 <= stride <= length:
        raise ValueError(
            f"clips of {length} frames (TEST.CLIP_LENGTH) of which {stride} are new "
            "(MODEL.GENVIS.CLIP_STRIDE) do not exist: give at least one frame, and as many or "
            "fewer new ones"
        )
    return Clips(length, stride)


def check_mode(cfg) -> None:
    """Refuse what the model does not have.

    Raises:
        ValueError: it has no such mode, and the message names those that it has; or its clips
            cannot overlap.
    """
    mode, system = cfg.TEST.MODE, cfg.MODEL.META_ARCHITECTURE
    if mode not in ("", *MODES):
        raise ValueError(f"TEST.MODE is {mode!r}: choose one of {', '.join(MODES)}")
    available = _MODES_OF.get(system, ())
    if mode and mode not in available:
        remedy = f"it is {' or '.join(available)}" if available else "its config says how it works"
        raise ValueError(f"a {system} model cannot be {mode}: {remedy}")
    if cfg.MODEL.GENVIS.CLIP_STRIDE and system != "Genvis" and not system.startswith("UniVS"):
        raise ValueError(f"clips of a {system} model cannot overlap: leave out --stride")


def mode_options(
    mode: str | None, clip_length: int | None = None, stride: int | None = None
) -> list[object]:
    """Config overrides ``[key, value, ...]`` for a mode.

    Args:
        mode: one of :data:`MODES`; None leaves it to the config.
        clip_length, stride: of semi-online clips, in frames; None leaves them to the config.

    Raises:
        ValueError: there are clips to be cut, but the mode is another one.
    """
    if mode != "semi-online" and (clip_length is not None or stride is not None):
        raise ValueError("--clip-length and --stride are those of --mode semi-online: add it")
    keys = {
        "TEST.MODE": mode,
        "TEST.CLIP_LENGTH": clip_length,
        "MODEL.GENVIS.CLIP_STRIDE": stride,
        "TEST.CLIP_STRIDE": stride,  # of UniVS
    }
    return [word for pair in keys.items() if pair[1] is not None for word in pair]


def describe_latency(latency: int | None, fps: float | None = None) -> str:
    """For the user, what a session's ``latency`` means.

    Args:
        latency: the most frames that must follow a frame before its result comes; None: all.
        fps: frames per second of the video, if known.
    """
    if latency is None:
        return "results come at the end of the video"
    if latency == 0:
        return "a result comes with every frame, without waiting for another"
    time = f" ({1000 * latency / fps:.0f} ms at {fps:g} frames per second)" if fps else ""
    return f"a result waits for up to {latency} more frame{'s' * (latency > 1)}{time}"
