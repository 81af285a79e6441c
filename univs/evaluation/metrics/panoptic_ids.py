"""Codings of panoptic label maps: RGB ids, STEP colours, class and instance in one number."""

from __future__ import annotations

import numpy as np

VOID_ID = 0  # of COCO panoptic maps
MAX_ID = 256**3 - 1
MAX_STEP_INSTANCE = 256**2 - 1


def rgb_to_id(rgb: np.ndarray) -> np.ndarray:
    """COCO panoptic colours to segment ids, R + 256 G + 65536 B.

    Args:
        rgb: [..., 3] uint8, red first.

    Returns:
        [...] uint32.

    Raises:
        ValueError: the shape or type is wrong.
    """
    _check_colours(rgb)
    ids = rgb[..., 2].astype(np.uint32)
    for channel in (1, 0):
        ids <<= 8
        ids |= rgb[..., channel]
    return ids


def id_to_rgb(ids: np.ndarray) -> np.ndarray:
    """Segment ids to COCO panoptic colours, the inverse of `rgb_to_id`.

    Args:
        ids: [...] integer, 0 to 2^24 - 1.

    Returns:
        [..., 3] uint8, red first.

    Raises:
        ValueError: an id does not fit into three bytes.
    """
    ids = np.asarray(ids)
    _check_range(ids, MAX_ID, "segment ids")
    four_bytes = np.ascontiguousarray(ids, dtype="<u4")[..., None].view(np.uint8)  # [..., 4]
    return np.ascontiguousarray(four_bytes[..., :3])


def join_class_and_instance(
    classes: np.ndarray, instances: np.ndarray, label_bit_shift: int = 16
) -> np.ndarray:
    """Class and instance in one number, ``(class << label_bit_shift) + instance``: int64.

    Raises:
        ValueError: an instance does not fit into the bits below the class.
    """
    instances = np.asarray(instances, dtype=np.int64)
    _check_range(instances, (1 << label_bit_shift) - 1, "instance numbers")
    return (np.asarray(classes, dtype=np.int64) << label_bit_shift) + instances


def split_class_and_instance(
    labels: np.ndarray, label_bit_shift: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Classes and instances, int64 each; the inverse of `join_class_and_instance`."""
    labels = np.asarray(labels, dtype=np.int64)
    return labels >> label_bit_shift, labels & ((1 << label_bit_shift) - 1)


def step_rgb_to_label(rgb: np.ndarray, label_bit_shift: int = 16) -> np.ndarray:
    """KITTI-STEP colours (class, instance // 256, instance % 256) to joined labels [...] int64."""
    _check_colours(rgb)
    wide = rgb.astype(np.int64)
    instances = wide[..., 1] * 256 + wide[..., 2]
    return join_class_and_instance(wide[..., 0], instances, label_bit_shift)


def label_to_step_rgb(labels: np.ndarray, label_bit_shift: int = 16) -> np.ndarray:
    """Joined labels to KITTI-STEP colours [..., 3] uint8.

    Raises:
        ValueError: a class is above 255 or an instance above 65535.
    """
    classes, instances = split_class_and_instance(labels, label_bit_shift)
    _check_range(classes, 255, "classes")
    _check_range(instances, MAX_STEP_INSTANCE, "instance numbers")
    return np.stack([classes, instances >> 8, instances & 255], axis=-1).astype(np.uint8)


def _check_colours(rgb: np.ndarray) -> None:
    if rgb.ndim < 1 or rgb.shape[-1] != 3 or rgb.dtype != np.uint8:
        raise ValueError(
            f"A colour-coded map must be uint8 with three channels, but is {rgb.dtype} of shape "
            f"{list(rgb.shape)}."
        )


def _check_range(values: np.ndarray, highest: int, name: str) -> None:
    if values.size and (values.min() < 0 or values.max() > highest):
        raise ValueError(
            f"{name} must lie in 0..{highest}, but go from {values.min()} to {values.max()}."
        )
