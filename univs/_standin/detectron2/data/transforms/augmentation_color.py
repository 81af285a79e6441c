"""Augmentations of brightness and colour."""

from __future__ import annotations

import numpy as np
from fvcore.transforms.transform import BlendTransform, Transform

from detectron2.data.transforms.augmentation import Augmentation

__all__ = ["RandomBrightness", "RandomContrast", "RandomLighting", "RandomSaturation"]

# Of the colours of ImageNet, as in Krizhevsky et al. (2012), section 4.1.
_EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])


class _RandomIntensity(Augmentation):
    """Blend an image with another one, with a uniform weight of the image itself.

    Args:
        intensity_min: smallest weight; below 1 it weakens, at 1 it keeps the image.
        intensity_max: largest weight; above 1 it strengthens.
    """

    def __init__(self, intensity_min: float, intensity_max: float) -> None:
        super().__init__()
        self._init(locals())

    def _blend(self, other: float | np.ndarray) -> Transform:
        weight = np.random.uniform(self.intensity_min, self.intensity_max)  # noqa: NPY002
        return BlendTransform(src_image=other, src_weight=1 - weight, dst_weight=weight)


class RandomContrast(_RandomIntensity):
    """Blend with the mean of the image. See the arguments of :class:`RandomBrightness`."""

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw a weight."""
        return self._blend(image.mean())


class RandomBrightness(_RandomIntensity):
    """Blend with black.

    Args:
        intensity_min: smallest weight of the image; 1 keeps it.
        intensity_max: largest weight of the image.
    """

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw a weight."""
        return self._blend(0)


class RandomSaturation(_RandomIntensity):
    """Blend with the grey image. See the arguments of :class:`RandomBrightness`."""

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw a weight, for an image ``[H, W, 3]`` in RGB."""
        assert image.shape[-1] == 3, "RandomSaturation only works on RGB images"
        return self._blend(image.dot([0.299, 0.587, 0.114])[:, :, None])


class RandomLighting(Augmentation):
    """Add noise along the principal axes of the colours of ImageNet.

    Args:
        scale: standard deviation of the weights of the axes.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw the weights, for an image ``[H, W, 3]`` in RGB."""
        assert image.shape[-1] == 3, "RandomLighting only works on RGB images"
        weights = np.random.normal(scale=self.scale, size=3)  # noqa: NPY002
        shift = _EIGENVECTORS.dot(weights * _EIGENVALUES)
        return BlendTransform(src_image=shift, src_weight=1.0, dst_weight=1.0)
