"""Outlines of the thing classes, their textures, and anti-aliased rasterisation."""

from __future__ import annotations

import cv2
import numpy as np

from univs.data.toy.classes import THING_CLASSES

SUPERSAMPLING = 4  # sub-pixels per pixel and axis
_FRACTION_BITS = 4  # sub-pixel precision of cv2.fillPoly
_POINTS = 96  # per contour


def _closed(corners: list[tuple[float, float]]) -> np.ndarray:
    """Resample a closed polygon at equal distances, so that it can be bent. Returns [P, 2]."""
    points = np.asarray(corners + corners[:1], dtype=np.float64)
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.union1d(np.linspace(0, lengths[-1], _POINTS), lengths)[:-1]  # keeps the corners sharp
    return np.stack([np.interp(at, lengths, points[:, axis]) for axis in (0, 1)], axis=1)


def _around(radii: list[float], start: float) -> list[tuple[float, float]]:
    angles = start + np.arange(len(radii)) * (2 * np.pi / len(radii))
    return [
        (r * float(np.cos(a)), r * float(np.sin(a))) for r, a in zip(radii, angles, strict=True)
    ]


def _outlines() -> dict[str, list[np.ndarray]]:
    arm = 0.33
    cross = [(arm, 1), (arm, arm), (1, arm)]
    cross += [(1, -arm), (arm, -arm), (arm, -1)]
    cross += [(-arm, -1), (-arm, -arm), (-1, -arm)]
    cross += [(-1, arm), (-arm, arm), (-arm, 1)]
    return {
        "circle": [_closed(_around([0.95] * _POINTS, 0.0))],
        "square": [_closed(_around([1.15] * 4, np.pi / 4))],
        "triangle": [_closed(_around([1.2] * 3, -np.pi / 2))],
        "star": [_closed(_around([1.2, 0.5] * 5, -np.pi / 2))],
        "cross": [_closed(cross)],
        "ring": [
            _closed(_around([1.0] * _POINTS, 0.0)),
            _closed(_around([0.55] * _POINTS, 0.0)),
        ],
    }


#: Contours of every thing class, in units of its radius; inner contours are holes.
OUTLINES = _outlines()
assert tuple(OUTLINES) == THING_CLASSES


def rasterise(contours: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Share of every pixel that lies inside the contours (even-odd rule).

    Args:
        contours: arrays [P, 2] of (x, y) in pixels; pixel (0, 0) covers [0, 1) x [0, 1).

    Returns:
        float32 [height, width] in [0, 1].
    """
    canvas = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    scale = SUPERSAMPLING * (1 << _FRACTION_BITS)
    # fillPoly counts from pixel centres, contours from pixel corners.
    polygons = [
        np.round(points * scale - (1 << _FRACTION_BITS) / 2).astype(np.int32) for points in contours
    ]
    cv2.fillPoly(canvas, polygons, 255, shift=_FRACTION_BITS)
    blocks = canvas.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
    return blocks.mean(axis=(1, 3), dtype=np.float32) / 255


def paint(
    texture: str, u: np.ndarray, v: np.ndarray, colour: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Paint a texture in coordinates that move with the object.

    Args:
        texture: a name in ``TEXTURES``.
        u, v: float [h, w], coordinates in units of the object's radius.
        colour, second: float [3], RGB 0-255.

    Returns:
        float32 [h, w, 3], RGB 0-255.
    """
    if texture == "plain":
        share = np.zeros_like(u)
    elif texture == "striped":
        share = np.sin(u * 7.0) * 3 + 0.5
    elif texture == "dotted":
        share = (np.cos(u * 7.5) * np.cos(v * 7.5) - 0.35) * 4
    elif texture == "checkered":
        share = np.sin(u * 5.0) * np.sin(v * 5.0) * 5 + 0.5
    else:
        raise ValueError(f"There is no texture {texture!r}.")
    share = np.clip(share, 0, 1)[..., None]  # soft edges, as the outline
    shade = 1 - 0.12 * v[..., None]
    return ((colour * (1 - share) + second * share) * shade).astype(np.float32)
