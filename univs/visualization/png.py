"""PNG files, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write a picture: [H, W, 3] uint8 RGB, or [H, W] uint8 or uint16 grey."""
    _save(Image.fromarray(np.ascontiguousarray(image)), Path(path))


def write_id_map(path: str | Path, id_map: np.ndarray, palette: np.ndarray) -> None:
    """Write an id map so that a reader gets the ids back and a viewer shows colours.

    Args:
        path: the file.
        id_map: [H, W]; uint8 becomes an indexed PNG with the palette, uint16 a 16-bit grey one
            without (PNG has no palette for it).
        palette: [256, 3] uint8 RGB, indexed by id.
    """
    image = Image.fromarray(np.ascontiguousarray(id_map))
    if id_map.dtype == np.uint8:
        image.putpalette(np.ascontiguousarray(palette, dtype=np.uint8).tobytes())  # L -> P
    _save(image, Path(path))


def _save(image: Image.Image, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        image.save(temporary, format="PNG", compress_level=3)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
