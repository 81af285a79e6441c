"""Names of datasets that the original projects register and this one cannot read (yet)."""

from __future__ import annotations

from fnmatch import fnmatch

_RAW = (
    "its videos have no annotations: point `univs data register` at the folder, with the format "
    "'videos'"
)

#: Why, by pattern of names.
_REASONS = {
    "sa_1b_train_250k_*": "SA-1B keeps its masks in one json per image; there is no reader for "
    "that yet",
    "flickr30k_entity-train": "it has boxes for the words of captions, and no published converter",
    "ytvis_2021_dev_merge": "how its classes were merged was not published",
    "ovis_dev_merge": "how its classes were merged was not published",
    "mots_burst_val_det": "detection of all classes of BURST is not supported yet; burst_val_mask "
    "and burst_val_point are",
    "custom_videos_text_internvid": _RAW,
    "internvid-*": _RAW,
    "pexel-*": _RAW,
    "msr-vtt-test": _RAW,
}


def why_unsupported(name: str) -> str | None:
    """Why the dataset of this name of an original project is not supported; None for others."""
    return next((why for pattern, why in _REASONS.items() if fnmatch(name, pattern)), None)


def unsupported_names() -> list[str]:
    """Patterns of the names, sorted."""
    return sorted(_REASONS)
