"""Keys that YAML files of the original projects use and this project does not.

Every system lists its own as ``TRANSLATIONS`` beside the keys it declares: a key was renamed, or it
is dead because nothing ever read it or the original ignored it. A translation only applies where
the configuration does not know the key itself, so it never hides a live key.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Translation:
    """What becomes of one key of an original project.

    Attributes:
        key: the dotted key, or the name of a whole section with everything below it.
        new: the dotted key that replaces it; None if the key is ignored.
        reason: why it is ignored, for the user.
        silent: do not mention it; for dead keys that nearly every original file sets.
    """

    key: str
    new: str | None = None
    reason: str = ""
    silent: bool = False

    def renamed(self, key: str) -> str | None:
        """What ``key``, this translation's own or one below it, is called now; None if ignored."""
        return None if self.new is None else self.new + key[len(self.key) :]


def table(*groups: Iterable[Translation]) -> dict[str, Translation]:
    """Join the translations of several systems, by key.

    Raises:
        ValueError: two systems translate the same key differently.
    """
    joined: dict[str, Translation] = {}
    for translation in (entry for group in groups for entry in group):
        known = joined.setdefault(translation.key, translation)
        if known != translation:
            raise ValueError(f"{translation.key} is translated twice: {known} and {translation}")
    return joined


def find(key: str, translations: Mapping[str, Translation]) -> Translation | None:
    """The translation of the dotted ``key``: its own, or that of the section it lies in."""
    while key:
        if key in translations:
            return translations[key]
        key = key.rpartition(".")[0]
    return None


class TranslationLog:
    """Collects what was translated while one configuration is loaded, to warn once at the end."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}  # an ordered set

    def add(self, key: str, translation: Translation, source: str) -> None:
        """Note that ``key`` of ``source`` was renamed or ignored."""
        renamed = translation.renamed(key)
        if renamed is not None:
            self._lines[f"{key} is now {renamed} ({source})"] = None
        elif not translation.silent:
            self._lines[f"{key} is ignored: {translation.reason} ({source})"] = None

    def warn(self) -> None:
        """Log one warning that lists every renamed and every ignored key, if there are any."""
        if self._lines:
            _logger.warning(
                "Keys of an original project were translated:\n%s",
                "\n".join(f"  {line}" for line in self._lines),
            )
