"""Augmentations of geometry. All draw from numpy's global generator."""

# ruff: noqa: NPY002

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from fvcore.transforms.transform import (
    CropTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    Transform,
    TransformList,
    VFlipTransform,
)
from PIL import Image

from detectron2.data.transforms.augmentation import AugInput, Augmentation, _transform_to_aug
from detectron2.data.transforms.transform import (
    ExtentTransform,
    ResizeTransform,
    RotationTransform,
)

__all__ = [
    "FixedSizeCrop",
    "RandomApply",
    "RandomCrop",
    "RandomCrop_CategoryAreaConstraint",
    "RandomExtent",
    "RandomFlip",
    "RandomRotation",
    "Resize",
    "ResizeScale",
    "ResizeShortestEdge",
]


class RandomApply(Augmentation):
    """Apply another augmentation, or nothing.

    Args:
        tfm_or_aug: an augmentation or a transform.
        prob: probability of applying it.
    """

    def __init__(self, tfm_or_aug: Augmentation | Transform, prob: float = 0.5) -> None:
        super().__init__()
        self.aug = _transform_to_aug(tfm_or_aug)
        assert 0.0 <= prob <= 1.0, f"Probablity must be between 0.0 and 1.0 (given: {prob})"
        self.prob = prob

    def get_transform(self, *args: Any) -> Transform:
        """Draw, for the arguments of the other augmentation."""
        return self.aug.get_transform(*args) if self._rand_range() < self.prob else NoOpTransform()

    def __call__(self, aug_input: AugInput) -> Transform:
        """Draw, transform the input in place, and return the transform."""
        return self.aug(aug_input) if self._rand_range() < self.prob else NoOpTransform()


class RandomFlip(Augmentation):
    """Flip to the side, or upside down.

    Args:
        prob: probability of flipping.
        horizontal: exchange left and right.
        vertical: exchange top and bottom; instead, not as well.
    """

    def __init__(
        self, prob: float = 0.5, *, horizontal: bool = True, vertical: bool = False
    ) -> None:
        super().__init__()
        if horizontal and vertical:
            raise ValueError("Cannot do both horiz and vert. Please use two Flip instead.")
        if not horizontal and not vertical:
            raise ValueError("At least one of horiz or vert has to be True!")
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw whether to flip."""
        height, width = image.shape[:2]
        if self._rand_range() >= self.prob:
            return NoOpTransform()
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


class Resize(Augmentation):
    """Resize to a fixed size.

    Args:
        shape: (height, width), or both in one.
        interp: resampling of Pillow.
    """

    def __init__(self, shape: int | tuple[int, int], interp: int = Image.BILINEAR) -> None:
        shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Resize from the size of this image."""
        return ResizeTransform(*image.shape[:2], *self.shape, self.interp)


class ResizeShortestEdge(Augmentation):
    """Resize to a random length of the shorter edge, and keep the aspect ratio.

    Args:
        short_edge_length: one length; [min, max] for the style ``"range"``; the lengths to choose
            from for ``"choice"``. With the length 0 the image is not resized.
        max_size: of the longer edge, which comes before the shorter one.
        sample_style: ``"range"`` or ``"choice"``.
        interp: resampling of Pillow.
    """

    def __init__(
        self,
        short_edge_length: int | Sequence[int],
        max_size: int = sys.maxsize,
        sample_style: str = "range",
        interp: int = Image.BILINEAR,
    ) -> None:
        super().__init__()
        assert sample_style in ("range", "choice"), sample_style
        self.is_range = sample_style == "range"
        if isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        if self.is_range:
            assert len(short_edge_length) == 2, (
                f"the range of short_edge_length has two ends: {short_edge_length}"
            )
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw the length."""
        height, width = image.shape[:2]
        if self.is_range:
            low, high = self.short_edge_length
            size = int(np.random.randint(low, high + 1))
        else:
            size = int(np.random.choice(self.short_edge_length))
        if size == 0:
            return NoOpTransform()
        new = self.get_output_shape(height, width, size, self.max_size)
        return ResizeTransform(height, width, *new, self.interp)

    @staticmethod
    def get_output_shape(
        oldh: int, oldw: int, short_edge_length: int, max_size: int
    ) -> tuple[int, int]:
        """(height, width) of an image of height ``oldh`` and width ``oldw`` after resizing."""
        size = float(short_edge_length)
        scale = size / min(oldh, oldw)
        height, width = (size, scale * oldw) if oldh < oldw else (scale * oldh, size)
        if max(height, width) > max_size:
            scale = max_size / max(height, width)
            height, width = height * scale, width * scale
        return int(height + 0.5), int(width + 0.5)


class ResizeScale(Augmentation):
    """Resize to fit into a target that is scaled by a random factor, and keep the aspect ratio.

    Args:
        min_scale: smallest factor.
        max_scale: largest factor.
        target_height: height of the target.
        target_width: width of the target.
        interp: resampling of Pillow.
    """

    def __init__(
        self,
        min_scale: float,
        max_scale: float,
        target_height: int,
        target_width: int,
        interp: int = Image.BILINEAR,
    ) -> None:
        super().__init__()
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw the factor."""
        factor = np.random.uniform(self.min_scale, self.max_scale)
        size = image.shape[:2]
        target = np.multiply((self.target_height, self.target_width), factor)
        scale = np.min(np.divide(target, size))
        height, width = np.round(np.multiply(size, scale)).astype(int)
        return ResizeTransform(*size, int(height), int(width), self.interp)


class RandomRotation(Augmentation):
    """Rotate counter-clockwise by a random angle about a random point.

    Args:
        angle: in degrees: one; [min, max] for the style ``"range"``; those to choose from for
            ``"choice"``.
        expand: make the result as large as the rotated image, instead of as large as the input.
        center: (x, y) as fractions of the size, which matters without ``expand``: [min, max] or
            those to choose from; the centre of the image if None.
        sample_style: ``"range"`` or ``"choice"``.
        interp: resampling of OpenCV; linear if None.
    """

    def __init__(
        self,
        angle: float | Sequence[float],
        expand: bool = True,
        center: Sequence | None = None,
        sample_style: str = "range",
        interp: int | None = None,
    ) -> None:
        super().__init__()
        assert sample_style in ("range", "choice"), sample_style
        self.is_range = sample_style == "range"
        if isinstance(angle, (float, int)):
            angle = (angle, angle)
        if center is not None and isinstance(center[0], (float, int)):
            center = (center, center)
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw angle and centre."""
        height, width = image.shape[:2]
        center = None
        if self.is_range:
            angle = np.random.uniform(self.angle[0], self.angle[1])
            if self.center is not None:
                (x_min, y_min), (x_max, y_max) = self.center
                center = np.random.uniform(x_min, x_max), np.random.uniform(y_min, y_max)
        else:
            angle = np.random.choice(self.angle)
            if self.center is not None:
                center = self.center[np.random.choice(len(self.center))]
        if center is not None:
            center = (width * center[0], height * center[1])
        if angle % 360 == 0:
            return NoOpTransform()
        return RotationTransform(height, width, angle, self.expand, center, self.interp)


class FixedSizeCrop(Augmentation):
    """Crop at a random place, and pad at the right and at the bottom, to a fixed size.

    Args:
        crop_size: (height, width).
        pad: pad an image that is smaller; else it stays smaller.
        pad_value: of the image.
        seg_pad_value: of the labels.
    """

    def __init__(
        self,
        crop_size: tuple[int, int],
        pad: bool = True,
        pad_value: float = 128.0,
        seg_pad_value: int = 255,
    ) -> None:
        super().__init__()
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> TransformList:
        """Draw the place: the same share of the room in both directions."""
        size = np.array(image.shape[:2])
        target = np.array(self.crop_size)
        room = np.maximum(size - target, 0)
        y0, x0 = np.round(room * np.random.uniform(0.0, 1.0)).astype(int)
        crop_height, crop_width = self.crop_size
        height, width = image.shape[:2]
        transforms = [CropTransform(int(x0), int(y0), crop_width, crop_height, width, height)]
        if self.pad:
            bottom, right = np.maximum(target - size, 0).tolist()
            cropped_height, cropped_width = np.minimum(target, size).tolist()
            transforms.append(
                PadTransform(
                    0,
                    0,
                    right,
                    bottom,
                    cropped_width,
                    cropped_height,
                    self.pad_value,
                    self.seg_pad_value,
                )
            )
        return TransformList(transforms)


class RandomCrop(Augmentation):
    """Crop at a random place.

    Args:
        crop_type: how ``crop_size`` is meant:
            ``"relative"``: fractions of height and width;
            ``"relative_range"``: the smallest fractions, which go up to 1;
            ``"absolute"``: height and width;
            ``"absolute_range"``: smallest and largest length, for height and for width.
        crop_size: two numbers.
    """

    def __init__(self, crop_type: str, crop_size: tuple[float, float] | tuple[int, int]) -> None:
        super().__init__()
        assert crop_type in ("relative_range", "relative", "absolute", "absolute_range"), crop_type
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw size and place."""
        height, width = image.shape[:2]
        crop_height, crop_width = self.get_crop_size((height, width))
        assert height >= crop_height and width >= crop_width, (
            f"a crop of {crop_height} x {crop_width} does not fit into {height} x {width}"
        )
        y0 = np.random.randint(height - crop_height + 1)
        x0 = np.random.randint(width - crop_width + 1)
        return CropTransform(x0, y0, crop_width, crop_height)

    def get_crop_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Draw (height, width) of the crop, for an image of (height, width) ``image_size``."""
        height, width = image_size
        if self.crop_type == "absolute":
            return min(self.crop_size[0], height), min(self.crop_size[1], width)
        if self.crop_type == "absolute_range":
            low, high = self.crop_size
            assert low <= high, self.crop_size
            crop_height = np.random.randint(min(height, low), min(height, high) + 1)
            crop_width = np.random.randint(min(width, low), min(width, high) + 1)
            return crop_height, crop_width
        if self.crop_type == "relative":
            fractions = self.crop_size
        else:
            smallest = np.asarray(self.crop_size, dtype=np.float32)
            fractions = smallest + np.random.rand(2) * (1 - smallest)
        return int(height * fractions[0] + 0.5), int(width * fractions[1] + 0.5)


class RandomCrop_CategoryAreaConstraint(Augmentation):  # noqa: N801 - the name in Detectron2
    """As :class:`RandomCrop`, but no label may take up too much of the crop, if ten draws allow.

    Args:
        crop_type: see :class:`RandomCrop`.
        crop_size: see :class:`RandomCrop`.
        single_category_max_area: largest fraction of the crop that one label may have.
        ignored_category: label that does not count.
    """

    def __init__(
        self,
        crop_type: str,
        crop_size: tuple[float, float] | tuple[int, int],
        single_category_max_area: float = 1.0,
        ignored_category: int | None = None,
    ) -> None:
        self.crop_aug = RandomCrop(crop_type, crop_size)
        self._init(locals())

    def get_transform(self, image: np.ndarray, sem_seg: np.ndarray) -> Transform:
        """Draw size and place."""
        if self.single_category_max_area >= 1.0:
            return self.crop_aug.get_transform(image)
        height, width = sem_seg.shape
        for _ in range(10):
            crop_height, crop_width = self.crop_aug.get_crop_size((height, width))
            y0 = np.random.randint(height - crop_height + 1)
            x0 = np.random.randint(width - crop_width + 1)
            labels, areas = np.unique(
                sem_seg[y0 : y0 + crop_height, x0 : x0 + crop_width], return_counts=True
            )
            if self.ignored_category is not None:
                areas = areas[labels != self.ignored_category]
            if len(areas) > 1 and areas.max() < areas.sum() * self.single_category_max_area:
                break
        return CropTransform(x0, y0, crop_width, crop_height)


class RandomExtent(Augmentation):
    """Cut out a rectangle of random size and place, which may reach beyond the image.

    Args:
        scale_range: (smallest, largest) factor of the size of the image.
        shift_range: largest distances (x, y) between the centres, twice, as fractions of the size.
    """

    def __init__(self, scale_range: tuple[float, float], shift_range: tuple[float, float]) -> None:
        super().__init__()
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw size and place."""
        size = np.array(image.shape[1::-1])  # (width, height)
        rectangle = 0.5 * np.array([-size, size]) * np.random.uniform(*self.scale_range)
        rectangle[:, 0] += self.shift_range[0] * size[0] * (np.random.rand() - 0.5)
        rectangle[:, 1] += self.shift_range[1] * size[1] * (np.random.rand() - 0.5)
        rectangle += 0.5 * size
        (x0, y0), (x1, y1) = rectangle.tolist()
        return ExtentTransform((x0, y0, x1, y1), (int(y1 - y0), int(x1 - x0)))
