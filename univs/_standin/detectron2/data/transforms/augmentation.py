"""The interface of augmentations, and what they are applied to."""

from __future__ import annotations

import inspect
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from fvcore.transforms.transform import Transform, TransformList

__all__ = [
    "AugInput",
    "Augmentation",
    "AugmentationList",
    "StandardAugInput",
    "TransformGen",
    "apply_augmentations",
    "apply_transform_gens",
]


def _check_image(image: np.ndarray) -> None:
    assert isinstance(image, np.ndarray), f"an image is a numpy array, not a {type(image).__name__}"
    assert image.dtype == np.uint8 or np.issubdtype(image.dtype, np.floating), (
        f"an image is of uint8 or floating point, not {image.dtype}"
    )
    assert image.ndim in (2, 3), f"an image has 2 or 3 dimensions, not {image.ndim}"


class Augmentation(metaclass=ABCMeta):
    """A policy that draws a transform.

    Subclasses define ``get_transform``, whose arguments are attributes of the input, found by their
    names: ``get_transform(self, image)``, ``get_transform(self, image, sem_seg)``. It draws from
    numpy's global generator. Applying twice draws twice; to transform alike, keep the transform.
    """

    def _init(self, params: dict[str, Any] | None = None) -> None:
        """Set attributes from the ``locals()`` of a constructor."""
        for name, value in (params or {}).items():
            if name != "self" and not name.startswith("_"):
                setattr(self, name, value)

    @abstractmethod
    def get_transform(self, *args: Any) -> Transform:
        """Draw a transform for this input."""

    def __call__(self, aug_input: AugInput) -> Transform:
        """Draw a transform, transform the input in place, and return the transform."""
        names = list(inspect.signature(self.get_transform).parameters)
        missing = [name for name in names if getattr(aug_input, name, None) is None]
        if missing:
            raise AttributeError(
                f"{type(self).__name__} needs {', '.join(missing)}, which the input does not have"
            )
        transform = self.get_transform(*(getattr(aug_input, name) for name in names))
        assert isinstance(transform, Transform), (
            f"{type(self).__name__}.get_transform must return a Transform, not a "
            f"{type(transform).__name__}"
        )
        aug_input.transform(transform)
        return transform

    def _rand_range(
        self, low: float = 1.0, high: float | None = None, size: int | None = None
    ) -> float | np.ndarray:
        """Uniform in [low, high), or in [0, low) without ``high``."""
        if high is None:
            low, high = 0, low
        return np.random.uniform(low, high, [] if size is None else size)  # noqa: NPY002

    def __repr__(self) -> str:
        arguments = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name, parameter in inspect.signature(type(self).__init__).parameters.items()
            if hasattr(self, name) and parameter.default is not getattr(self, name)
        )
        return f"{type(self).__name__}({arguments})"

    __str__ = __repr__


class _Fixed(Augmentation):
    """An augmentation that always draws the same transform."""

    def __init__(self, tfm: Transform) -> None:
        self.tfm = tfm

    def get_transform(self, *args: Any) -> Transform:
        return self.tfm

    def __call__(self, aug_input: AugInput) -> Transform:
        aug_input.transform(self.tfm)
        return self.tfm

    def __repr__(self) -> str:
        return repr(self.tfm)

    __str__ = __repr__


def _transform_to_aug(tfm_or_aug: Transform | Augmentation) -> Augmentation:
    """``tfm_or_aug`` as an augmentation."""
    assert isinstance(tfm_or_aug, (Transform, Augmentation)), (
        f"neither a Transform nor an Augmentation: {tfm_or_aug}"
    )
    return _Fixed(tfm_or_aug) if isinstance(tfm_or_aug, Transform) else tfm_or_aug


class AugmentationList(Augmentation):
    """Augmentations one after another; each sees what the ones before it have made.

    Args:
        augs: augmentations and transforms.
    """

    def __init__(self, augs: Sequence[Augmentation | Transform]) -> None:
        self.augs = [_transform_to_aug(aug) for aug in augs]

    def get_transform(self, *args: Any) -> Transform:
        """Not possible: the augmentations need the transformed input, so call the list instead."""
        raise NotImplementedError("call an AugmentationList with an AugInput")

    def __call__(self, aug_input: AugInput) -> TransformList:
        """Transform the input in place, and return all transforms."""
        return TransformList([aug(aug_input) for aug in self.augs])

    def __repr__(self) -> str:
        return f"AugmentationList[{', '.join(map(repr, self.augs))}]"

    __str__ = __repr__


class AugInput:
    """What is augmented. Subclasses may have more attributes, for augmentations that know them.

    Args:
        image: ``[H, W]`` or ``[H, W, C]``, uint8 in [0, 255] or floating point.
        boxes: ``[N, 4]`` in BoxMode.XYXY_ABS.
        sem_seg: ``[H, W]``, a label per pixel.
    """

    def __init__(
        self,
        image: np.ndarray,
        *,
        boxes: np.ndarray | None = None,
        sem_seg: np.ndarray | None = None,
    ) -> None:
        _check_image(image)
        self.image = image
        self.boxes = boxes
        self.sem_seg = sem_seg

    def transform(self, tfm: Transform) -> None:
        """Transform all attributes in place."""
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)
        if self.sem_seg is not None:
            self.sem_seg = tfm.apply_segmentation(self.sem_seg)

    def apply_augmentations(
        self, augmentations: Sequence[Augmentation | Transform]
    ) -> TransformList:
        """Apply one after another in place, and return the transforms."""
        return AugmentationList(augmentations)(self)


def apply_augmentations(
    augmentations: Sequence[Augmentation | Transform], inputs: AugInput | np.ndarray
) -> tuple[AugInput | np.ndarray, TransformList]:
    """Apply augmentations one after another.

    Args:
        augmentations: augmentations and transforms.
        inputs: an image, or an input, which is changed in place.

    Returns:
        The image or input, and the transforms.
    """
    if isinstance(inputs, np.ndarray):
        image_input = AugInput(inputs)
        transforms = image_input.apply_augmentations(augmentations)
        return image_input.image, transforms
    return inputs, inputs.apply_augmentations(augmentations)


# Names from before Detectron2 0.3, which extensions still use.
apply_transform_gens = apply_augmentations
StandardAugInput = AugInput
TransformGen = Augmentation
