"""Panoptic maps as PNG files.

Colours are segment ids, R + 256 G + 65536 B, or class and instance as KITTI-STEP has them; the maps
of single-channel files are the segment ids themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from univs.evaluation.metrics.panoptic_ids import (
    id_to_rgb,
    label_to_step_rgb,
    step_rgb_to_label,
)

LOW_BYTES = np.uint32(0x00FFFFFF)


def read_id_map(path: str | os.PathLike) -> np.ndarray:
    """Read the segment ids of a colour-coded or single-channel PNG: [H, W] uint32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or one with other channels.
    """
    image = _read_image(path)
    if image.ndim == 2:
        return image.astype(np.uint32)
    _check_colours(image, path, "or a single-channel one")
    packed = cv2.cvtColor(image, cv2.COLOR_BGR2RGBA).view("<u4")[..., 0]  # R is the lowest byte
    return packed & LOW_BYTES


def write_id_map(path: str | os.PathLike, ids: np.ndarray) -> None:
    """Write segment ids, [H, W] integer below 2^24, as a colour-coded PNG, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    _write_colours(Path(path), id_to_rgb(ids))


def read_step_map(path: str | os.PathLike) -> np.ndarray:
    """Read a map of KITTI-STEP: [H, W] int64, ``(class << 16) + instance``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no 8-bit RGB image.
    """
    image = _read_image(path)
    _check_colours(image, path, "with the class in red and the instance in green and blue")
    return step_rgb_to_label(image[..., ::-1])


def write_step_map(path: str | os.PathLike, labels: np.ndarray) -> None:
    """Write labels as `read_step_map` returns them, whole or not at all.

    Raises:
        OSError: the file cannot be written.
        ValueError: a class is above 255.
    """
    _write_colours(Path(path), label_to_step_rgb(labels))


def _read_image(path: str | os.PathLike) -> np.ndarray:
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no panoptic map {path}.")
    image = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{path} cannot be read as an image.")
    return image


def _check_colours(image: np.ndarray, path: str | os.PathLike, alternative: str) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"{path} must be an 8-bit RGB image {alternative}.")


def _write_colours(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, encoded = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))
    if not ok:
        raise OSError(f"The panoptic map {path} cannot be encoded.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(encoded.tobytes())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
