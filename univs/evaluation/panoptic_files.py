"""Panoptic maps as PNG files: colours R + 256 G + 65536 B, or the ids themselves in 16 bits."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from univs.evaluation.metrics.panoptic_ids import id_to_rgb

LOW_BYTES = np.uint32(0x00FFFFFF)


def read_id_map(path: str | os.PathLike) -> np.ndarray:
    """Read the segment ids of a colour-coded or single-channel PNG: [H, W] uint32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or one with other channels.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no panoptic map {path}.")
    image = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{path} cannot be read as an image.")
    if image.ndim == 2:
        return image.astype(np.uint32)
    if image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"{path} must be an 8-bit RGB image or a single-channel one.")
    packed = cv2.cvtColor(image, cv2.COLOR_BGR2RGBA).view("<u4")[..., 0]  # R is the lowest byte
    return packed & LOW_BYTES


def write_id_map(path: str | os.PathLike, ids: np.ndarray) -> None:
    """Write segment ids, [H, W] integer below 2^24, as a colour-coded PNG, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, encoded = cv2.imencode(".png", np.ascontiguousarray(id_to_rgb(ids)[..., ::-1]))
    if not ok:
        raise OSError(f"The panoptic map {path} cannot be encoded.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(encoded.tobytes())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
