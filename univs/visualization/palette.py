"""Colours: one for every track id, and the palette of DAVIS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
_FIRST_HUE = 0.45  # radians: track 1 is a warm red
# Neighbouring ids also differ in lightness, which helps where hues are hard to tell apart.
_LIGHTNESS = np.array([0.68, 0.78, 0.60])
_CHROMA = np.array([0.20, 0.16, 0.20])


def track_colors(ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """Colours of track ids, the same in every frame, video and run.

    Consecutive ids lie a golden angle apart on the hue circle of the OKLCh colour space (Ottosson,
    2020), so that any few of them are about as different as that many colours can be.

    Args:
        ids: N ids; 0, the background, is black.

    Returns:
        [N, 3] uint8 RGB.
    """
    ids = np.asarray(ids, dtype=np.int64).reshape(-1)
    hue = _FIRST_HUE + (ids - 1) * _GOLDEN_ANGLE
    step = (ids - 1) % len(_LIGHTNESS)
    colors = _oklch_to_rgb(_LIGHTNESS[step], _CHROMA[step], hue)
    colors[ids == 0] = 0
    return colors


def davis_palette() -> np.ndarray:
    """The 256 colours of DAVIS, MOSE and VIPOSeg annotations, which are those of PASCAL VOC.

    Bits 0, 1 and 2 of an index go into the highest free bit of red, green and blue; bits 3, 4 and 5
    into the next one; and so on.

    Returns:
        [256, 3] uint8 RGB.
    """
    index = np.arange(256)[:, None]
    channel = np.arange(3)
    palette = np.zeros((256, 3), dtype=np.int64)
    for level in range(3):  # an index has eight bits, that is three of each channel at most
        palette |= (index >> (3 * level + channel) & 1) << (7 - level)
    return palette.astype(np.uint8)


def readable_on(colors: np.ndarray) -> np.ndarray:
    """Black or white, whichever stands out more on each colour: [N, 3] uint8 -> [N, 3] uint8."""
    linear = _to_linear(np.asarray(colors) / 255.0)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    # Equal contrast by WCAG 2: (luminance + 0.05) / 0.05 = 1.05 / (luminance + 0.05).
    is_bright = luminance > np.sqrt(1.05 * 0.05) - 0.05
    return np.where(is_bright[:, None], 0, 255).repeat(3, axis=1).astype(np.uint8)


def _oklch_to_rgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """OKLCh, each [N] -> sRGB [N, 3] uint8; colours outside the gamut are clipped."""
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    to_cone = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((lab @ to_cone.T) ** 3 @ to_linear_rgb.T, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * rgb).astype(np.uint8)


def _to_linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
