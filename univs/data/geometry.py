"""Applying Detectron2's transforms to a frame and to the masks of all its objects at once."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectron2.data import transforms as T
from univs.data.frame_masks import FrameMasks, nearest_indices
from univs.data.mask_source import MaskSource


def transform_image(transforms: Sequence[T.Transform], image: np.ndarray) -> np.ndarray:
    """Apply transforms in order to an image ``[H, W, 3]`` uint8."""
    for transform in transforms:
        image = transform.apply_image(image)
    return image


def transform_maps(transforms: Sequence[T.Transform], maps: np.ndarray) -> np.ndarray:
    """Apply transforms in order to masks or id maps, with nearest-neighbour sampling.

    Args:
        transforms: Detectron2 transforms.
        maps: ``[N, H, W]`` bool or integer.

    Returns:
        ``[N, H', W']`` of the same dtype. Where a transform adds pixels (padding, rotation) they
        hold what its ``apply_segmentation`` puts there.
    """
    for transform in transforms:
        maps = _transform_maps(transform, maps)
    return maps


def transform_masks_smoothly(transforms: Sequence[T.Transform], masks: np.ndarray) -> np.ndarray:
    """As :func:`transform_maps`, for masks ``[N, H, W]`` bool that are resized bilinearly."""
    for transform in transforms:
        if isinstance(transform, T.ResizeTransform) and len(masks):
            size = (transform.new_w, transform.new_h)
            levels = np.ascontiguousarray(masks).view(np.uint8) * np.uint8(255)
            masks = np.stack([cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in levels])
            masks = masks > 127
        else:
            masks = _transform_maps(transform, masks)
    return masks


def _transform_maps(transform: T.Transform, maps: np.ndarray) -> np.ndarray:
    # The common transforms as one indexing operation; they copy at most once.
    if isinstance(transform, T.NoOpTransform):
        return maps
    if isinstance(transform, T.HFlipTransform):
        return maps[:, :, ::-1]
    if isinstance(transform, T.VFlipTransform):
        return maps[:, ::-1]
    if isinstance(transform, T.CropTransform):
        return maps[
            :,
            transform.y0 : transform.y0 + transform.h,
            transform.x0 : transform.x0 + transform.w,
        ]
    if isinstance(transform, T.PadTransform):
        borders = ((0, 0), (transform.y0, transform.y1), (transform.x0, transform.x1))
        return np.pad(maps, borders, constant_values=transform.seg_pad_value)
    if isinstance(transform, T.ResizeTransform):
        rows = nearest_indices(maps.shape[1], transform.new_h)
        columns = nearest_indices(maps.shape[2], transform.new_w)
        return maps.take(rows, axis=1).take(columns, axis=2)
    single = np.uint8 if maps.dtype == bool else maps.dtype
    if len(maps) == 0:
        shape = transform.apply_segmentation(np.zeros(maps.shape[1:], single)).shape
        return np.zeros((0, *shape), maps.dtype)
    moved = [transform.apply_segmentation(np.ascontiguousarray(m, dtype=single)) for m in maps]
    return np.stack(moved).astype(maps.dtype)


def transform_masks(
    sources: Sequence[MaskSource | None],
    frame: int,
    size: tuple[int, int],
    transforms: Sequence[T.Transform],
) -> np.ndarray:
    """Decode the masks of N objects in one frame and transform them.

    Args:
        sources: masks of the objects; None gives an empty mask.
        frame: index of the frame in its video.
        size: height and width of the original frame.
        transforms: what is applied to the frame, in order.

    Returns:
        ``[N, H', W']`` bool; see :class:`~univs.data.frame_masks.FrameMasks`.
    """
    return FrameMasks(sources, frame, size).transformed(transforms)


def boxes_of_masks(masks: np.ndarray) -> np.ndarray:
    """The smallest boxes around masks.

    Args:
        masks: ``[N, H, W]`` bool.

    Returns:
        ``[N, 4]`` float32 (x0, y0, x1, y1) in pixels, x1 and y1 exclusive; zeros for empty masks.
    """
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for axis, (low, high) in ((1, (0, 2)), (2, (1, 3))):
        covered = masks.any(axis=axis)  # [N, W], then [N, H]
        boxes[:, low] = covered.argmax(axis=1)
        boxes[:, high] = covered.shape[1] - covered[:, ::-1].argmax(axis=1)
    boxes[~covered.any(axis=1)] = 0
    return boxes
