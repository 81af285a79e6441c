"""Today's names for the tensors of any supported file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from univs.checkpoint.errors import CheckpointFileError
from univs.checkpoint.key_maps import KEY_MAPS


@dataclass(frozen=True)
class NameMap:
    """What the names of one file become.

    Attributes:
        names: today's name of every tensor that is of use, by its name in the file.
        dropped: names in the file of tensors that are of no use.
        recognised: descriptions of the rules that were applied, in order.
    """

    names: dict[str, str]
    dropped: tuple[str, ...]
    recognised: tuple[str, ...]


def current_names(file_names: Iterable[str]) -> NameMap:
    """Translate the tensor names of a file, deciding by the names alone.

    Names that are up to date stay as they are, so translating twice is translating once. If a file
    has a tensor under its old and under its new name, the new one is taken.

    Raises:
        CheckpointFileError: two old names become the same new one.
    """
    names = {name: name for name in file_names}
    dropped: list[str] = []
    recognised = []
    for key_map in KEY_MAPS:
        present = set(names.values())
        if not key_map.applies(present):
            continue
        recognised.append(key_map.description)
        renamed: dict[str, str] = {}
        for original, name in names.items():
            new = key_map.rename(name)
            if new is None or (new != name and new in present and key_map.rename(new) == new):
                dropped.append(original)
            else:
                renamed[original] = new
        _check_unique(renamed, key_map.description)
        names = renamed
    return NameMap(names, tuple(dropped), tuple(recognised))


def _check_unique(renamed: dict[str, str], description: str) -> None:
    origin: dict[str, str] = {}
    for original, new in renamed.items():
        if new in origin:
            raise CheckpointFileError(
                f"{origin[new]} and {original} would both become {new} (read as: {description}). "
                "Remove one of them from the file."
            )
        origin[new] = original
