"""Targets on the command line: what ``univs segment`` is to follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from univs.structures import BoxTarget, MaskTarget, PointTarget, Target, TextTarget

_KINDS = ("mask", "box", "points", "text")


def targets_from_file(path: str | Path) -> list[Target]:
    """Read targets from a file.

    Args:
        path: a PNG whose pixel values are the ids of objects in the first frame (0 and 255 are
            none), or a JSON list of objects with the keys

            - ``id``: 1 or more; numbered in order by default;
            - ``frame``: index of the frame it is given in, 0 by default;
            - one of ``mask`` (a PNG, relative to the JSON; non-zero pixels), ``box``
              (``[x0, y0, x1, y1]``), ``points`` (``[[x, y], ...]``, with ``inside``, a list of true
              and false, if some are outside of the object) and ``text``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not understood; the message says which target is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file of targets; check the path.")
    if path.suffix.lower() != ".json":
        return targets_from_id_map(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file: {error}") from error
    if not isinstance(content, list) or not all(isinstance(item, Mapping) for item in content):
        raise ValueError(f"{path} must hold a list of targets, each with one of {_named(_KINDS)}.")
    targets = []
    for index, item in enumerate(content):
        where = f"{path}, target {index}"
        try:
            targets.append(_target(item, index + 1, path.parent))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error
    return targets


def targets_from_id_map(path: str | Path, frame_index: int = 0) -> list[Target]:
    """One mask target for each value of a PNG but 0 and 255, under that id.

    Raises:
        ValueError: it is no image with one value per pixel, or shows no object.
    """
    values = _values(Path(path))
    ids = [int(value) for value in np.unique(values) if value not in (0, 255)]
    if not ids:
        raise ValueError(f"{path} shows no object: all its pixels are 0 or 255.")
    return [MaskTarget(id=i, mask=values == i, frame_index=frame_index) for i in ids]


def _target(item: Mapping, number: int, folder: Path) -> Target:
    unknown = set(item) - {"id", "frame", "inside", *_KINDS}
    if unknown:
        raise ValueError(f"the keys {_named(sorted(unknown))} are not understood.")
    kinds = [kind for kind in _KINDS if kind in item]
    if len(kinds) != 1:
        raise ValueError(f"give exactly one of {_named(_KINDS)}.")
    shared = {"id": item.get("id", number), "frame_index": item.get("frame", 0)}
    value = item[kinds[0]]
    if kinds[0] == "mask":
        return MaskTarget(mask=_values(folder / value) > 0, **shared)
    if kinds[0] == "box":
        return BoxTarget(box=value, **shared)
    if kinds[0] == "points":
        inside = item.get("inside")
        return PointTarget(
            points=value, is_inside=None if inside is None else np.array(inside), **shared
        )
    return TextTarget(text=value, **shared)


def _values(path: Path) -> np.ndarray:
    """The values of an image with one channel, indexed or grey: integer [H, W]."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; check the path.")
    try:
        with Image.open(path) as image:
            values = np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is not an image that can be read ({error}).") from error
    if values.ndim != 2:
        raise ValueError(f"{path} has {values.shape[2]} channels; masks have one value per pixel.")
    return values


def _named(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(repr(word) for word in words)


def parse_point(text: str) -> tuple[float, float]:
    """``"120,80"`` as x and y in pixels.

    Raises:
        ValueError: these are not two numbers.
    """
    return _numbers(text, 2, "x,y")


def parse_box(text: str) -> tuple[float, float, float, float]:
    """``"10,20,110,90"`` as x0, y0, x1 and y1 in pixels.

    Raises:
        ValueError: these are not four numbers.
    """
    return _numbers(text, 4, "x0,y0,x1,y1")


def _numbers(text: str, count: int, form: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise ValueError(f"{text!r} is not {form} in pixels.")
    return numbers
