"""Augmentations of colour; they leave masks alone."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

#: Weights of red, green and blue in luminance.
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class ColorJitter:
    """Scales brightness, contrast and saturation by random factors, drawn for every frame.

    A factor of 1 changes nothing. Contrast blends with the mean, saturation with the grey image.

    Args:
        kinds: any of ``brightness``, ``contrast``, ``saturation``, applied in this order.
        smallest: smallest factor.
        largest: largest factor.
    """

    KINDS = ("brightness", "contrast", "saturation")

    def __init__(
        self, kinds: tuple[str, ...], *, smallest: float = 0.9, largest: float = 1.1
    ) -> None:
        unknown = set(kinds) - set(self.KINDS)
        if unknown:
            raise ValueError(f"Unknown colour augmentation {sorted(unknown)}; known: {self.KINDS}.")
        self.kinds = tuple(kind for kind in self.KINDS if kind in kinds)
        self.smallest = smallest
        self.largest = largest

    def __call__(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return a changed copy of ``image``, ``[H, W, 3]`` uint8 RGB."""
        for kind in self.kinds:
            factor = np.float32(random.uniform(self.smallest, self.largest))
            values = image.astype(np.float32)
            if kind == "brightness":
                reference = np.float32(0)
            elif kind == "contrast":
                reference = values.mean()
            else:
                reference = (values @ _LUMINANCE)[..., None]
            blended = reference + factor * (values - reference)
            image = np.clip(blended, 0, 255).astype(np.uint8)
        return image

    def for_clip(self, random: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """What changes the frames of one clip, every frame differently."""
        return lambda image: self(image, random)


class ColorShift:
    """Shifts hue, saturation and brightness and scales contrast, alike in all frames of a clip.

    Of TarViS. Contrast is scaled by 0.95 to 1.05 about the middle grey.

    Args:
        saturation: largest shift of the saturation, and of the hue in 255ths of a turn.
        brightness: largest shift of the brightness.
    """

    def __init__(self, *, saturation: int, brightness: int) -> None:
        self.saturation = saturation
        self.brightness = brightness

    def for_clip(self, random: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """What changes the frames of one clip, ``[H, W, 3]`` uint8 RGB each."""
        hue, saturation = random.uniform(-self.saturation, self.saturation, 2)
        turn = int(round(hue / 255 * 180))  # OpenCV counts hue to 180
        contrast = float(random.uniform(0.95, 1.05))
        shift = float(random.uniform(-self.brightness, self.brightness))
        hues = ((np.arange(256) + turn) % 180).astype(np.uint8)
        saturations = _linear(np.arange(256), shift=float(saturation))
        values = _linear(np.arange(256), scale=contrast, shift=128 * (1 - contrast) + shift)
        same = np.arange(256, dtype=np.uint8)
        tables = np.stack([hues, saturations, same], axis=-1)[None]  # of hue, saturation, value

        def change(image: np.ndarray) -> np.ndarray:
            hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), tables)
            return cv2.LUT(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), values)

        return change


class SSDColorJitter:
    """Random brightness, contrast, saturation and hue as in SSD (Liu et al. 2016, section 3.6).

    Each is applied with probability one half: brightness is shifted by up to 32, contrast and
    saturation are scaled by 0.5 to 1.5, hue is turned by up to 36 degrees. Contrast comes second or
    last.
    """

    def __call__(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return a changed copy of ``image``, ``[H, W, 3]`` uint8 RGB."""
        contrast_last = random.random() < 0.5
        if random.random() < 0.5:
            image = _linear(image, shift=random.uniform(-32, 32))
        if not contrast_last:
            image = self._contrast(image, random)
        if random.random() < 0.5:
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            hsv[..., 1] = _linear(hsv[..., 1], scale=random.uniform(0.5, 1.5))
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        if random.random() < 0.5:
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            # OpenCV keeps hue in units of two degrees.
            hsv[..., 0] = (hsv[..., 0].astype(np.int32) + int(random.integers(-18, 18))) % 180
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        if contrast_last:
            image = self._contrast(image, random)
        return image

    @staticmethod
    def _contrast(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if random.random() < 0.5:
            return _linear(image, scale=random.uniform(0.5, 1.5))
        return image


def _linear(values: np.ndarray, *, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    changed = values.astype(np.float32) * np.float32(scale) + np.float32(shift)
    return np.clip(changed, 0, 255).astype(np.uint8)
