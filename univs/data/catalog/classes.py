"""Class lists, in ``class_tables/<domain>.json``; categories of records are positions in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "class_tables"


@dataclass(frozen=True)
class ClassTable:
    """The classes of a domain in the order that categories index.

    Attributes:
        names: one per class.
        ids: official ids, ascending.
        is_thing: False for stuff.
        colors: RGB 0-255 for drawing, one per class, or empty.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]
    is_thing: tuple[bool, ...]
    colors: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.ids) == len(self.is_thing):
            raise ValueError("A class table needs one name, one id and one kind per class.")
        if list(self.ids) != sorted(set(self.ids)):
            raise ValueError("The ids of a class table must be distinct and ascending.")
        if self.colors and len(self.colors) != len(self.names):
            raise ValueError("A class table needs one colour per class or none.")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def things(self) -> list[int]:
        """Positions of the thing classes."""
        return [position for position, thing in enumerate(self.is_thing) if thing]

    @property
    def stuff(self) -> list[int]:
        """Positions of the stuff classes."""
        return [position for position, thing in enumerate(self.is_thing) if not thing]


@cache
def domains() -> tuple[str, ...]:
    """Names of all class lists, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def class_table(domain: str) -> ClassTable:
    """The class list of ``domain``.

    Raises:
        ValueError: there is none of this name.
    """
    path = _FOLDER / f"{domain}.json"
    if not path.is_file():
        raise ValueError(f"There is no class list {domain!r}; known are {', '.join(domains())}.")
    content = json.loads(path.read_text(encoding="utf-8"))
    count = len(content["names"])
    things = content.get("things")  # positions of the thing classes; absent: all
    is_thing = [True] * count if things is None else [i in set(things) for i in range(count)]
    return ClassTable(
        names=tuple(content["names"]),
        ids=tuple(content.get("ids") or range(content.get("first_id", 1), count + 1)),
        is_thing=tuple(is_thing),
        colors=tuple(tuple(color) for color in content.get("colors", ())),
    )


def table_of_categories(categories: Iterable[Mapping]) -> ClassTable:
    """The class list of ``categories`` of a json: ``id``, ``name``, and perhaps ``isthing``.

    Raises:
        ValueError: an id occurs twice.
    """
    rows = sorted(
        (int(item["id"]), str(item["name"]), bool(item.get("isthing", 1))) for item in categories
    )
    ids, names, is_thing = zip(*rows, strict=True) if rows else ((), (), ())
    return ClassTable(names=names, ids=ids, is_thing=is_thing)
