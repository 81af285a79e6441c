"""Names of datasets that UniVS registers and this project does not."""

from __future__ import annotations

from fnmatch import fnmatch

_RAW = (
    "they are numbered parts of a crawl that was never published: point `univs data register` at "
    "your folder, with the format 'videos'"
)

#: Why, by pattern of names.
_REASONS = {
    "internvid-*": _RAW,
    "pexel-*": _RAW,
}


def why_unsupported(name: str) -> str | None:
    """Why the dataset of this name of an original project is not supported; None for others."""
    return next((why for pattern, why in _REASONS.items() if fnmatch(name, pattern)), None)


def unsupported_names() -> list[str]:
    """Patterns of the names, sorted."""
    return sorted(_REASONS)
