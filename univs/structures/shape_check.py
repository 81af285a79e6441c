"""One check for the shapes that cross the borders between rooms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import torch

    Array: TypeAlias = torch.Tensor | np.ndarray


def check_shape(tensor: Array, pattern: str, name: str) -> dict[str, int]:
    """Raise unless ``tensor`` has the shape that ``pattern`` describes.

    Args:
        tensor: a torch tensor or numpy array.
        pattern: one word per dimension, separated by spaces. A number must be matched exactly; a
            letter or word stands for any size, the same wherever it occurs; a leading ``*`` stands
            for any number of dimensions, none included. ``"B T 3 H W"``, ``"* C"``, ``"N N"``.
        name: what the caller calls the tensor; it opens the error message.

    Returns:
        The sizes the letters stand for, for example ``{"B": 2, "T": 5, "H": 64, "W": 96}``.

    Raises:
        ValueError: the shape does not match.
    """
    return check_shapes((tensor, pattern, name))


def check_shapes(*arguments: tuple[Array, str, str]) -> dict[str, int]:
    """Check several tensors in one call, in which a letter means one size throughout.

    ``check_shapes((frames, "B T 3 H W", "frames"), (masks, "B Q T H W", "masks"))`` also demands
    that both have the same B, T, H and W.

    Args:
        arguments: triples of tensor, pattern and name, see `check_shape`.

    Returns:
        The sizes the letters stand for.

    Raises:
        ValueError: a shape does not match its pattern or contradicts an earlier one.
    """
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}  # indexed by letter: the tensor that gave it its size
    for tensor, pattern, name in arguments:
        if not hasattr(tensor, "shape"):
            raise ValueError(
                f"{name} must be a tensor or array of shape [{pattern}], but is a "
                f"{type(tensor).__name__}."
            )
        shape = tuple(tensor.shape)
        words = pattern.split()
        anywhere = words[:1] == ["*"]
        words = words[anywhere:]
        if len(shape) < len(words) or (not anywhere and len(shape) > len(words)):
            count = f"{'at least ' if anywhere else ''}{len(words)}"
            raise ValueError(
                f"{name} must have the shape [{pattern}] ({count} dimensions), but has "
                f"{list(shape)}."
            )
        for word, size in zip(words, shape[len(shape) - len(words) :], strict=True):
            expected = int(word) if word.isdigit() else sizes.setdefault(word, size)
            if size != expected:
                raise ValueError(
                    f"{name} must have the shape [{pattern}]{_where(sizes, origin)}, but has "
                    f"{list(shape)}."
                )
            origin.setdefault(word, name)
    return sizes


def _where(sizes: Mapping[str, int], origin: Mapping[str, str]) -> str:
    """``" with B=2 (from frames)"`` for the letters that are already bound."""
    bound = [
        f"{letter}={sizes[letter]} (from {origin[letter]})" for letter in sizes if letter in origin
    ]
    return f" with {', '.join(bound)}" if bound else ""
