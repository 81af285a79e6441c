"""Online, semi-online, offline: how much of a video is seen before a result is given.

The keys ``TEST.MODE``, ``TEST.CLIP_LENGTH`` and ``TEST.CLIP_STRIDE`` say it.
"""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("online", "semi-online", "offline")

# By MODEL.META_ARCHITECTURE.
_MODES_OF = {
    "Genvis": MODES,
    "Vita": ("offline",),
    "VideoMaskFormer": ("online", "semi-online"),
    "TarViS": ("semi-online", "offline"),
    "UniVS_Prompt": MODES,
    "UniVS_Prompt_LongVideo": MODES,
}
# Why it has no other modes, and what to do instead.
_WHY = {
    "Vita": "it looks at all frames before it answers; GenVIS answers clip by clip",
    "VideoMaskFormer": "it looks at clips of a fixed length; to show it the whole video at once "
    "set TEST.CLIP_LENGTH to the number of frames",
    "TarViS": "it joins clips by the frames that they share; the shortest are --mode semi-online "
    "--clip-length 2 --stride 1",
}


@dataclass(frozen=True)
class Clips:
    """How a video is cut.

    Attributes:
        length: frames that the network looks at together.
        stride: frames from the beginning of a clip to that of the next.
    """

    length: int
    stride: int


def is_offline(cfg) -> bool:
    """Whether results wait for the end of the video."""
    return cfg.TEST.MODE == "offline"


def clips_of(cfg, trained_length: int, published_stride: int | None = None) -> Clips:
    """The clips that a video is cut into.

    Args:
        cfg: config.
        trained_length: frames of a clip where the config leaves it open.
        published_stride: stride where the config leaves it open, if clips are as long; default: the
            length of a clip, so that clips do not overlap.

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
    asked = cfg.TEST.CLIP_STRIDE if mode == "semi-online" else 0
    stride = asked or min(published_stride or length, length)
    if not 1 <= stride <= length:
        raise ValueError(
            f"clips of {length} frames (TEST.CLIP_LENGTH, --clip-length), each {stride} after the "
            "one before (TEST.CLIP_STRIDE, --stride), leave out frames or do not exist: give a "
            "length of 1 or more, and a stride from 1 to the length"
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
        remedy = "leave out the mode"
        if available:
            remedy = f"it is {' or '.join(available)}, because {_WHY[system]}"
        raise ValueError(f"a {system} model cannot be {mode}: {remedy}")
    is_cut = mode == "semi-online" and system == "VideoMaskFormer"
    if is_cut and cfg.TEST.CLIP_STRIDE not in (0, cfg.TEST.CLIP_LENGTH):
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
    keys = {"TEST.MODE": mode, "TEST.CLIP_LENGTH": clip_length, "TEST.CLIP_STRIDE": stride}
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
