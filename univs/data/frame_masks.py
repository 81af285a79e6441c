"""Masks of all objects of a frame, decoded once and sampled for as many augmentations as wanted.

Every transform of masks here is nearest-neighbour sampling, so that a list of them comes down to
one table that says which pixel of the original each pixel of the result shows. The table is made
once per frame, whatever the number of objects, and nothing is ever as large as an intermediate
result of the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from detectron2.data import transforms as T
from univs.data.mask_source import IdMaps, IdMasks, MaskSource, RleMasks, polygons_to_rle
from univs.data.run_lengths import decode_columns

_OUTSIDE = -1


class FrameMasks:
    """The masks of N objects in one frame.

    Polygons are transformed as polygons and rasterised at the final size; run lengths and id maps
    are decoded first and sampled.

    Args:
        sources: masks of the objects; None gives an empty mask.
        frame: index of the frame in its video.
        size: height and width of the original frame.
    """

    def __init__(
        self, sources: Sequence[MaskSource | None], frame: int, size: tuple[int, int]
    ) -> None:
        self.count = len(sources)
        self.size = size
        self._polygons: dict[int, list[np.ndarray]] = {}  # indexed by row, as are the others
        self._run_rows: list[int] = []
        self._id_maps: list[tuple[np.ndarray, dict[int, IdMasks]]] = []
        self._others: dict[int, np.ndarray] = {}
        counts, maps = [], {}
        for row, source in enumerate(sources):
            if isinstance(source, RleMasks):
                segment = source.segment(frame)
                if isinstance(segment, tuple):
                    self._polygons[row] = source.polygons(frame)
                elif segment is not None:
                    self._run_rows.append(row)
                    counts.append(segment)
            elif isinstance(source, IdMasks):
                maps.setdefault(id(source.maps), {})[row] = source
            elif source is not None:
                self._others[row] = source.decode(frame)
        self._runs = decode_columns(counts, size)  # [N', W, H]
        for rows in maps.values():
            id_maps: IdMaps = next(iter(rows.values())).maps
            if id_maps.file_names[frame] is not None:
                self._id_maps.append((id_maps.decode(frame), rows))

    def transformed(self, transforms: Sequence[T.Transform]) -> np.ndarray:
        """The masks ``[N, H', W']`` bool after transforms, in order."""
        rows, columns = sampled_pixels(transforms, self.size)  # [H', W'], or [H', 1] and [1, W']
        is_outside = (rows == _OUTSIDE) | (columns == _OUTSIDE)
        outside = is_outside if is_outside.any() else None
        if len(self._run_rows) == self.count:  # the usual case, without a copy
            return self._sampled_runs(rows, columns, outside)
        masks = np.zeros((self.count, *is_outside.shape), dtype=bool)
        masks[self._run_rows] = self._sampled_runs(rows, columns, outside)
        inside = ~is_outside
        for ids, of_row in self._id_maps:
            shown = ids[rows, columns]
            for row, source in of_row.items():
                masks[row] = source.select(shown) & inside
        for row, mask in self._others.items():
            masks[row] = mask[rows, columns] & inside
        for row, polygons in self._polygons.items():
            points = [polygon.reshape(-1, 2).copy() for polygon in polygons]
            for transform in transforms:
                points = transform.apply_polygons(points)
            outlines = [p.reshape(-1) for p in points if len(p) >= 3]  # a crop may cut them away
            if outlines:
                masks[row] = coco_mask.decode(polygons_to_rle(outlines, masks.shape[1:]))
        return masks

    def _sampled_runs(
        self, rows: np.ndarray, columns: np.ndarray, outside: np.ndarray | None
    ) -> np.ndarray:
        """The masks of run lengths, sampled; they are gone through in the order of memory."""
        shape = np.broadcast_shapes(rows.shape, columns.shape)
        masks = np.empty((len(self._runs), *shape), dtype=np.uint8)
        if not masks.size:
            return masks.view(bool)
        is_separable = rows.shape != shape or columns.shape != shape
        if not is_separable:  # [W', H']
            numbers = np.ascontiguousarray(np.maximum(columns * self.size[0] + rows, 0).T)
        for mask, values in zip(masks, self._runs, strict=True):
            if is_separable:
                chosen = values.take(columns[0], axis=0, mode="clip")
                chosen = chosen.take(rows[:, 0], axis=1, mode="clip")
            else:
                chosen = values.reshape(-1).take(numbers, mode="clip")
            cv2.transpose(chosen, dst=mask)
        if outside is not None:
            masks[:, outside] = 0
        return masks.view(bool)


def sampled_pixels(
    transforms: Sequence[T.Transform], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Which pixel of the original each pixel shows after transforms.

    Args:
        transforms: in order.
        size: height and width of the original.

    Returns:
        its row and its column, int64, -1 where it lies outside: ``[H', W']`` each; or ``[H', 1]``
        and ``[1, W']``, if no transform mixes rows and columns.
    """
    rows, columns = np.arange(size[0]), np.arange(size[1])
    flat: np.ndarray | None = None  # pixels [H'', W''] before the latest rows and columns, or None
    for transform in transforms:
        axes = _along_axes(transform, len(rows), len(columns))
        if axes is not None:
            rows, columns = _chosen(rows, axes[0]), _chosen(columns, axes[1])
            continue
        # Pixels are counted from 1, because what a transform adds is 0; in float32, which OpenCV
        # can warp, and which counts to 16 millions.
        numbers = _combined(flat, rows, columns, size[1]) + 1
        if numbers.size and numbers.max() >= 1 << 24:
            raise ValueError(f"Frames of {size[0]}x{size[1]} pixels are too large to be rotated.")
        flat = transform.apply_segmentation(numbers.astype(np.float32)).astype(np.int64) - 1
        rows, columns = np.arange(flat.shape[0]), np.arange(flat.shape[1])
    if flat is None:
        return rows[:, None], columns[None]
    numbers = _combined(flat, rows, columns, size[1])
    row, column = np.divmod(numbers, size[1])  # -1 // width is -1
    column[numbers == _OUTSIDE] = _OUTSIDE
    return row, column


def _combined(
    flat: np.ndarray | None, rows: np.ndarray, columns: np.ndarray, width: int
) -> np.ndarray:
    """Numbers of pixels, row by row, that rows and columns choose."""
    if flat is None:
        numbers = rows[:, None] * width + columns
    else:
        numbers = flat.take(rows, axis=0).take(columns, axis=1)
    if rows.size and rows.min() < 0:
        numbers[rows < 0] = _OUTSIDE
    if columns.size and columns.min() < 0:
        numbers[:, columns < 0] = _OUTSIDE
    return numbers


def _chosen(positions: np.ndarray, choice: np.ndarray) -> np.ndarray:
    if not len(choice) or choice.min() >= 0:
        return positions[choice]
    return np.where(choice < 0, _OUTSIDE, positions[choice])


def _along_axes(
    transform: T.Transform, height: int, width: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows and columns that a transform chooses, -1 being outside; None if it mixes them."""
    rows, columns = np.arange(height), np.arange(width)
    if isinstance(transform, T.NoOpTransform):
        return rows, columns
    if isinstance(transform, T.HFlipTransform):
        return rows, columns[::-1]
    if isinstance(transform, T.VFlipTransform):
        return rows[::-1], columns
    if isinstance(transform, T.CropTransform):
        return (
            rows[transform.y0 : transform.y0 + transform.h],
            columns[transform.x0 : transform.x0 + transform.w],
        )
    if isinstance(transform, T.PadTransform) and transform.seg_pad_value == 0:
        return (
            np.pad(rows, (transform.y0, transform.y1), constant_values=_OUTSIDE),
            np.pad(columns, (transform.x0, transform.x1), constant_values=_OUTSIDE),
        )
    if isinstance(transform, T.ResizeTransform):
        return nearest_indices(height, transform.new_h), nearest_indices(width, transform.new_w)
    return None


@lru_cache(maxsize=256)
def nearest_indices(old: int, new: int) -> np.ndarray:
    """Which of ``old`` positions each of ``new`` positions of a nearest-neighbour resize reads.

    Asked of Pillow itself, so that masks agree with Detectron2's to the pixel.
    """
    ramp = Image.fromarray(np.arange(old, dtype=np.int32)[None])
    return np.array(ramp.resize((new, 1), Image.Resampling.NEAREST))[0].astype(np.int64)
