"""Reading json annotation files, with errors that name the file and the place in it."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class AnnotationError(ValueError):
    """An annotation file is damaged or contradicts itself; the message names file and place."""


def read_json(path: str | Path, *, keys: Iterable[str] = ()) -> dict[str, Any]:
    """Read an object from a json file.

    Args:
        path: the file.
        keys: keys that it must have.

    Raises:
        AnnotationError: the file is truncated, is not json, or lacks a key.
    """
    # Parsing makes millions of objects and no cycles: the collector would only search in vain.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with open(path, "rb") as file:
            content = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        size = Path(path).stat().st_size
        raise AnnotationError(
            f"{path} is not valid json ({error}); it has {size} bytes and is probably truncated. "
            "Fetch it again."
        ) from error
    finally:
        if collecting:
            gc.enable()
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: expected an object at the top, found a list or a value.")
    missing = [key for key in keys if key not in content]
    if missing:
        raise AnnotationError(
            f"{path} has no key {', '.join(map(repr, missing))}; its keys are {sorted(content)}. Is it "
            "the right file for this dataset?"
        )
    return content


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
