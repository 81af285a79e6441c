"""Masks as the benchmarks store them: run lengths, boxes, palette, 16-bit and RGB PNG files."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask


def uncompressed_rle(mask: np.ndarray) -> dict:
    """Run lengths of a bool mask [H, W] in column-major order, starting with zeros."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": list(mask.shape)}


def compressed_rle(mask: np.ndarray) -> dict:
    """COCO's compressed run lengths of a bool mask [H, W], with text counts."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"counts": rle["counts"].decode("ascii"), "size": list(mask.shape)}


def box_of(mask: np.ndarray) -> list[float]:
    """[x, y, width, height] in pixels of a bool mask [H, W] that is not empty."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    x, y = int(columns[0]), int(rows[0])
    return [float(x), float(y), float(columns[-1] + 1 - x), float(rows[-1] + 1 - y)]


def encode_png(image: np.ndarray) -> bytes:
    """A PNG file of a uint8 or uint16 map [H, W], or of a uint8 RGB image [H, W, 3]."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", image)[1].tobytes()


def _davis_palette() -> bytes:
    """256 RGB colours that differ most between neighbouring indices (PASCAL VOC's bit rule)."""
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return palette.tobytes()


_PALETTE = _davis_palette()


def encode_palette_png(ids: np.ndarray) -> bytes:
    """A palette PNG of object numbers, uint8 [H, W]; 0 is background."""
    image = Image.fromarray(ids, mode="P")
    image.putpalette(_PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def object_ids(masks: np.ndarray) -> np.ndarray:
    """Number objects 1..N: bool masks [N, T, H, W] to uint8 [T, H, W], 0 where there is none."""
    numbers = np.arange(1, len(masks) + 1, dtype=np.uint8)[:, None, None, None]
    return (masks * numbers).sum(axis=0, dtype=np.uint8)


def rgb_ids(ids: np.ndarray) -> np.ndarray:
    """Panoptic ids, int [..., H, W], as colours: id = R + 256 G + 65536 B. uint8 [..., H, W, 3]."""
    return np.stack([ids & 255, (ids >> 8) & 255, (ids >> 16) & 255], axis=-1).astype(np.uint8)
