"""Reading json annotation files, piece by piece, with errors that name file and place."""

from __future__ import annotations

import gc
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

_AFTER_VALUE = frozenset(" \t\n\r,:]}")
_NOT_SPACE = re.compile(r"[^ \t\n\r]")


class AnnotationError(ValueError):
    """An annotation file is damaged or contradicts itself; the message names file and place."""


def read_json(
    path: str | Path,
    *,
    keys: Iterable[str] = (),
    convert: Mapping[str, Callable[[dict], Any]] | None = None,
) -> dict[str, Any]:
    """Read an object from a json file.

    Args:
        path: the file.
        keys: keys that it must have.
        convert: by key of a list: a function that every item of the list goes through as soon as it
            is parsed. What it returns takes the item's place, so that a list which is much bigger
            as parsed json than as records is never held as json.

    Raises:
        AnnotationError: the file is truncated, is not json, or lacks a key; or ``convert`` raises
            it.
    """
    # Parsing makes millions of objects and no cycles: the collector would only search in vain.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with open(path, encoding="utf-8") as file:
            content = _Parser(file).read_object(convert or {})
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        size = Path(path).stat().st_size
        raise AnnotationError(
            f"{path} is not valid json ({error}); it has {size} bytes and is probably truncated. "
            "Fetch it again."
        ) from error
    finally:
        if collecting:
            gc.enable()
    missing = [key for key in keys if key not in content]
    if missing:
        raise AnnotationError(
            f"{path} has no key {', '.join(map(repr, missing))}; its keys are {sorted(content)}. "
            "Is it the right file for this dataset?"
        )
    return content


class _Parser:
    """Parses an object at the top of a text file, reading the file in pieces."""

    _PIECE = 1 << 23  # characters

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._position = 0
        self._at_end = False
        self._scan = json.JSONDecoder().raw_decode

    def read_object(self, convert: Mapping[str, Callable[[dict], Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        self._expect("{")
        if self._accept("}"):
            return content
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise json.JSONDecodeError("Expected a key", self._text, self._position)
            self._expect(":")
            is_list = key in convert and self._peek() == "["
            content[key] = self._converted(convert[key]) if is_list else self._value()
            if not self._accept(","):
                self._expect("}")
                return content

    def _converted(self, function: Callable[[dict], Any]) -> list:
        items: list = []
        self._expect("[")
        if self._accept("]"):
            return items
        while True:
            items.append(function(self._value()))
            if not self._accept(","):
                self._expect("]")
                return items

    def _value(self) -> Any:
        """Any json value; parsed again with more text if it reaches the end of what was read."""
        self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._position)
            except json.JSONDecodeError:
                if self._at_end:
                    raise
            else:
                # Else a number may go on: "0" of "0.5", "1" of "1e3".
                if self._at_end or self._text[end : end + 1] in _AFTER_VALUE:
                    self._position = end
                    return value
            self._read_more()

    def _peek(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            match = _NOT_SPACE.search(self._text, self._position)
            if match is not None:
                self._position = match.start()
                return match.group()
            self._position = len(self._text)
            if self._at_end:
                return ""
            self._read_more()

    def _accept(self, character: str) -> bool:
        found = self._peek() == character
        self._position += found
        return found

    def _expect(self, character: str) -> None:
        if not self._accept(character):
            raise json.JSONDecodeError(f"Expected {character!r}", self._text, self._position)

    def _read_more(self) -> None:
        rest = self._text[self._position :]
        # As much again as is left over: a value of any length is parsed a few times at most.
        piece = self._file.read(max(self._PIECE, len(rest)))
        self._at_end = not piece
        self._text = rest + piece
        self._position = 0


def require(item: dict, keys: Iterable[str], where: str) -> None:
    """Raise an AnnotationError unless ``item``, described by ``where``, has all ``keys``."""
    for key in keys:
        if key not in item:
            raise AnnotationError(f"{where} has no key {key!r}.")


def check_unique(ids: Iterable, path: str | Path, what: str) -> None:
    """Raise an AnnotationError if an id occurs twice."""
    repeated = [value for value, count in Counter(ids).items() if count > 1]
    if repeated:
        raise AnnotationError(f"{path}: {what} id {repeated[0]!r} occurs more than once.")


def contiguous_ids(categories: list[dict], path: str | Path) -> dict[int, int]:
    """Map official category ids to 0-based ranks, in ascending order of the ids.

    Raises:
        AnnotationError: an id occurs twice.
    """
    for position, category in enumerate(categories):
        require(category, ("id", "name"), f"{path}: category {position}")
    ids = [category["id"] for category in categories]
    check_unique(ids, path, "category")
    return {official: rank for rank, official in enumerate(sorted(ids))}
