"""Writes frames and masks of a few pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

SIZE = (6, 8)  # height, width


def write_frame(path: Path, size: tuple[int, int] = SIZE) -> None:
    """A grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (90, 90, 90)).save(path)


def write_ids(path: Path, ids: np.ndarray) -> None:
    """An 8-bit image of numbers ``[H, W]``, or an RGB one ``[H, W, 3]``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids.astype(np.uint8)).save(path)


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def box_mask(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """A rectangle, bool ``[H, W]``."""
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def rle(mask: np.ndarray) -> dict:
    """COCO's compressed run lengths."""
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(SIZE), "counts": encoded["counts"].decode()}
