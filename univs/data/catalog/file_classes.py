"""Class lists that only the annotations of a dataset hold: large vocabularies, TarViS's files.

Such files may have a gigabyte; the list lies near one of their ends, so that it is found without
reading the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from univs.data.catalog.classes import ClassTable, table_of_categories
from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.readers.json_file import AnnotationError, read_json, require

_KEY = re.compile(r'"(categories|category_labels)"\s*:\s*')
_END = 1 << 22  # bytes at each end of a file in which the list is looked for


def with_file_classes(entry: DatasetEntry, location: Location) -> DatasetEntry:
    """The entry with the class list of its files, if it has none of its own.

    Raises:
        AnnotationError: the file has none, or is damaged.
    """
    if not entry.has_classes_in_file:
        return entry
    path = location.categories or location.annotations
    content = _at_an_end(path)
    if content is None:
        whole = read_json(path, convert={"annotations": lambda item: None})
        content = whole.get("categories", whole.get("meta", {}).get("category_labels"))
    return replace(entry, classes=_table(content, path))


def known_file_classes(entry: DatasetEntry, location: Location) -> DatasetEntry:
    """The same, if the files are there and the list is found at once; else the entry as it is."""
    if not entry.has_classes_in_file or location.missing():
        return entry
    path = location.categories or location.annotations
    try:
        content = _at_an_end(path)
        return entry if content is None else replace(entry, classes=_table(content, path))
    except (AnnotationError, OSError):
        return entry  # reading the dataset tells what is wrong with it


def _at_an_end(path: str) -> list | dict | None:
    """The list of classes, if it lies in the first or last megabytes of a file."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        first = file.read(_END)
        file.seek(max(0, Path(path).stat().st_size - _END))
        last = file.read(_END)
    if first.lstrip()[:1] == b"[":  # a file of nothing but categories
        return _decoded(first.decode("utf-8", "replace"), 0)
    for piece in (last, first):
        text = piece.decode("utf-8", "replace")
        for match in _KEY.finditer(text):
            content = _decoded(text, match.end())
            if content is not None:
                return content
    return None


def _decoded(text: str, start: int) -> list | dict | None:
    """A value of json that begins at ``start``, if it looks like a list of classes."""
    try:
        content, _ = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError:
        return None
    if isinstance(content, Mapping):
        is_list_of_classes = all(isinstance(name, str) for name in content.values())
    else:
        is_list_of_classes = isinstance(content, list) and all(
            isinstance(item, Mapping) and {"id", "name"} <= item.keys() for item in content
        )
    return content if content and is_list_of_classes else None


def _table(content: Any, path: str) -> ClassTable:
    if not content:
        raise AnnotationError(f"{path} has no list of classes.")
    if isinstance(content, Mapping):  # name by id
        content = [{"id": number, "name": name} for number, name in content.items()]
    for position, item in enumerate(content):
        require(item, ("id", "name"), f"{path}: category {position}")
    try:
        return table_of_categories(content)
    except ValueError as error:
        raise AnnotationError(f"{path}: {error}") from error
