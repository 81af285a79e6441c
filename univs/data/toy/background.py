"""Textured stuff regions behind the objects."""

from __future__ import annotations

import cv2
import numpy as np

from univs.data.toy.classes import STUFF_CLASSES

_GROUND = tuple(i for i, name in enumerate(STUFF_CLASSES) if name != "sky")
_SKY = STUFF_CLASSES.index("sky")

# Mean colour (RGB) of each stuff class, and how much it varies between videos.
_COLOURS = {
    "sky": ((150, 185, 220), 22),
    "grass": ((95, 130, 60), 22),
    "water": ((60, 105, 135), 22),
    "road": ((115, 110, 108), 18),
}


def draw_background(
    rng: np.random.Generator, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a panorama: sky above a horizon, one to three kinds of ground below.

    Returns:
        Colours, float32 [height, width, 3] in RGB 0-255, and the stuff class of every pixel, uint8
        [height, width].
    """
    labels = _draw_regions(rng, height, width)
    colours = np.zeros((height, width, 3), np.float32)
    for index in np.unique(labels):
        here = labels == index
        colours[here] = _draw_texture(rng, STUFF_CLASSES[index], height, width)[here]
    return colours, labels


def _wavy(rng: np.random.Generator, length: int, level: float, slope: float, swing: float):
    """A wavy border: its position at each of ``length`` pixels, float [length]."""
    at = np.linspace(-0.5, 0.5, length)
    border = level + slope * at * length
    for frequency in (1.0, 2.3, 5.1):
        phase = rng.random() * 2 * np.pi
        border = border + swing / frequency * np.sin(2 * np.pi * frequency * at + phase)
    return border


def _draw_regions(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    kinds = rng.permutation(_GROUND)
    labels = np.full((height, width), kinds[0], np.uint8)
    count = int(rng.integers(1, 4))
    if count >= 2:
        # A second ground, on one side of an upright border or in the near half of the picture.
        if rng.random() < 0.5:
            border = _wavy(
                rng, height, width * rng.uniform(0.35, 0.65), rng.uniform(-0.6, 0.6), width * 0.04
            )
            labels = np.where(columns > border[:, None], np.uint8(kinds[1]), labels)
        else:
            border = _wavy(
                rng, width, height * rng.uniform(0.6, 0.75), rng.uniform(-0.2, 0.2), height * 0.04
            )
            labels = np.where(rows > border, np.uint8(kinds[1]), labels)
    if count == 3:
        # A third one winds through as a band.
        middle = _wavy(
            rng, height, width * rng.uniform(0.3, 0.7), rng.uniform(-0.8, 0.8), width * 0.05
        )
        half = width * rng.uniform(0.06, 0.1) * (0.4 + 1.2 * np.arange(height) / height)
        labels = np.where(
            np.abs(columns - middle[:, None]) < half[:, None], np.uint8(kinds[2]), labels
        )
    if rng.random() < 0.8:
        level = height * rng.uniform(0.25, 0.5)
        horizon = _wavy(rng, width, level, rng.uniform(-0.12, 0.12), height * 0.02)
        labels = np.where(rows < horizon, np.uint8(_SKY), labels)
    return labels


def _cloud(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise in about [-1, 1] with ``cells`` features along (y, x). float32 [h, w]."""
    coarse = rng.uniform(-1, 1, (cells[0] + 1, cells[1] + 1)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _draw_texture(rng: np.random.Generator, name: str, height: int, width: int) -> np.ndarray:
    """The texture of a stuff class over the whole panorama, float32 [height, width, 3]."""
    mean, spread = _COLOURS[name]
    base = np.array(mean, np.float32) + rng.uniform(-spread, spread, 3).astype(np.float32)
    slow = _cloud(rng, height, width, (3, 4)) * 12
    if name == "sky":
        clouds = np.clip(_cloud(rng, height, width, (6, 5)), 0, 1)[..., None] * 0.5
        plain = base + slow[..., None]
        return plain * (1 - clouds) + 235 * clouds
    if name == "grass":
        detail = _cloud(rng, height, width, (height // 3, width // 2)) * 22
    elif name == "water":
        detail = _cloud(rng, height, width, (height // 4, width // 18)) * 20
    else:
        detail = _cloud(rng, height, width, (height // 2, width // 2)) * 9
    return base + (slow + detail)[..., None]
