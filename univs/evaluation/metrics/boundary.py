"""Overlap and boundary scores of one pair of binary masks.

Region similarity ``J`` and boundary ``F`` as published with DAVIS (Perazzi et al., CVPR 2016), the
boundary IoU that VIPOSeg uses, and the variants of ``J`` and ``F`` of the MOSE v2 tool.

The costly step of ``F`` is the dilation of a thin boundary by a disk. Here a boundary is one long
integer with a bit per pixel, in which a shift of the whole mask by (dy, dx) is one shift of the
integer. A disk is a stack of horizontal spans that contain one another, so all of its spans are
built by widening a single one, and dilation by radius r takes about 4r shifts instead of one test
per pixel and disk element.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

BOUNDARY_TOLERANCE = 0.008  # of the image diagonal, for F
BAND_WIDTH = 0.02  # of the image diagonal, for boundary IoU

# ------------------------------------------------------------------------------------------------
# Windows: everything below works on the bounding box of the pair
# ------------------------------------------------------------------------------------------------


def bounding_window(*masks: np.ndarray) -> tuple[slice, slice] | None:
    """Smallest window that holds all foreground of ``masks`` and one more pixel on each side.

    The extra pixel (dropped at the border of the image) holds the boundary pixels that lie just
    outside a mask, so scores computed in the window equal those of the whole image.

    Args:
        masks: boolean or uint8 arrays, all [H, W].

    Returns:
        Row and column slices, or None if every mask is empty.
    """
    height, width = masks[0].shape
    top, left, bottom, right = height, width, 0, 0
    for mask in masks:
        x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
        if w:
            top, left = min(top, y), min(left, x)
            bottom, right = max(bottom, y + h), max(right, x + w)
    if not bottom:
        return None
    return (
        slice(max(top - 1, 0), min(bottom + 1, height)),
        slice(max(left - 1, 0), min(right + 1, width)),
    )


def _without_void(
    truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    masks = []
    for name, mask in (("truth", truth), ("prediction", prediction), ("void", void)):
        if mask is None:
            continue
        mask = np.ascontiguousarray(mask)
        if mask.ndim != 2:
            raise ValueError(f"{name}: expected a mask [H, W], got shape {mask.shape}.")
        if mask.shape != np.shape(truth):
            raise ValueError(f"{name} has size {mask.shape}, the truth has {np.shape(truth)}.")
        masks.append(mask if mask.dtype == bool else mask != 0)
    if void is not None:
        keep = ~masks.pop()
        masks = [mask & keep for mask in masks]
    return masks[0], masks[1]


def _areas(truth: np.ndarray, prediction: np.ndarray) -> tuple[int, int]:
    """Pixels of the intersection and of the union of two boolean masks."""
    intersection = cv2.countNonZero((truth & prediction).view(np.uint8))
    union = cv2.countNonZero((truth | prediction).view(np.uint8))
    return intersection, union


# ------------------------------------------------------------------------------------------------
# Dilation of boundaries
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StructuringElement:
    """Where one pixel spreads to: a row of pixels for every vertical offset.

    Attributes:
        spans: (dy, first dx, last dx) in pixels, from the narrowest span to the widest; each
            contains the one before it.
        reach: largest absolute horizontal offset.
    """

    spans: tuple[tuple[int, int, int], ...]
    reach: int

    @classmethod
    def from_kernel(cls, kernel: np.ndarray) -> StructuringElement:
        """From a boolean array anchored at index ``size // 2``, as OpenCV's dilation takes it."""
        center = kernel.shape[0] // 2
        spans = []
        for row, columns in enumerate(kernel):
            (used,) = np.nonzero(columns)
            if used.size:
                # A pixel is on if the kernel around it meets the mask: the mask spreads backwards.
                spans.append((center - row, center - int(used[-1]), center - int(used[0])))
        spans.sort(key=lambda span: span[2] - span[1])
        return cls(tuple(spans), max(max(-first, last) for _, first, last in spans))


@lru_cache(maxsize=64)
def disk(radius: float) -> StructuringElement:
    """All offsets with ``dy^2 + dx^2 <= radius^2``.

    For a radius that is not an integer the offsets are ``-radius, -radius + 1, ...`` and the
    element is anchored at its middle index: a disk slightly off centre, as in the MOSE v2 tool.
    """
    offsets = np.arange(-radius, radius + 1)
    kernel = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2
    if not kernel.any():  # radius below half a pixel: OpenCV falls back to the first element
        kernel[0, 0] = True
    return StructuringElement.from_kernel(kernel)


def boundary_radius(height: int, width: int, tolerance: float = BOUNDARY_TOLERANCE) -> int:
    """Distance in pixels up to which two boundary pixels count as equal."""
    return math.ceil(tolerance * np.linalg.norm((height, width)))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower-right neighbour.

    In the last row only the right neighbour counts, in the last column only the lower one; the
    bottom-right pixel is never boundary.

    Args:
        mask: boolean [H, W].

    Returns:
        Boolean [H, W].
    """
    boundary = np.zeros_like(mask)
    boundary[:-1] = mask[:-1] ^ mask[1:]
    boundary[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary


class PackedBoundary:
    """Boundary of one mask as an integer whose bit ``y * stride + x`` is pixel (y, x).

    Args:
        mask: boolean [H, W]; a window of the image, the same for all masks that are compared.
        reach: largest horizontal reach of the structuring elements that will be used. Rows are
            padded by it, so that pixels shifted out of a row do not enter the next one.
    """

    def __init__(self, mask: np.ndarray, reach: int) -> None:
        height, width = mask.shape
        row_bytes = (width + reach + 7) // 8
        packed = np.zeros((height, row_bytes), dtype=np.uint8)
        packed[:, : (width + 7) // 8] = np.packbits(boundary_map(mask), axis=1, bitorder="little")
        self.stride = row_bytes * 8
        self.bits = int.from_bytes(packed.tobytes(), "little")
        self.count = self.bits.bit_count()
        self._dilated: dict[StructuringElement, int] = {}

    def dilated(self, element: StructuringElement) -> int:
        """The boundary dilated by ``element``; bits outside the window are meaningless."""
        if element not in self._dilated:
            self._dilated[element] = _dilate(self.bits, self.stride, element)
        return self._dilated[element]


def _shift(bits: int, distance: int) -> int:
    return bits << distance if distance >= 0 else bits >> -distance


def _dilate(bits: int, stride: int, element: StructuringElement) -> int:
    first = element.spans[0][1]
    last = first - 1  # `span` is the mask shifted by first..last and OR-ed: nothing so far
    span, dilated = 0, 0
    for dy, span_first, span_last in element.spans:
        while last < span_last:
            last += 1
            span |= _shift(bits, last)
        while first > span_first:
            first -= 1
            span |= _shift(bits, first)
        dilated |= _shift(span, dy * stride)
    return dilated


def packed_boundary_f(
    truth: PackedBoundary, prediction: PackedBoundary, element: StructuringElement
) -> float:
    """Boundary F of two masks whose boundaries are packed already.

    Returns:
        In [0, 1]; 1 if both boundaries are empty, 0 if exactly one is.
    """
    if not truth.count or not prediction.count:
        return float(truth.count == prediction.count)
    precision = (prediction.bits & truth.dilated(element)).bit_count() / prediction.count
    recall = (truth.bits & prediction.dilated(element)).bit_count() / truth.count
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


# ------------------------------------------------------------------------------------------------
# Scores of a pair
# ------------------------------------------------------------------------------------------------


def region_similarity(
    truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None
) -> float:
    """Region similarity J: intersection over union of two masks outside ``void``.

    Args:
        truth, prediction: [H, W], non-zero is the object.
        void: [H, W], non-zero pixels are left out.

    Returns:
        In [0, 1]; 1 if both masks are empty.

    Raises:
        ValueError: the masks differ in size.
    """
    intersection, union = _areas(*_without_void(truth, prediction, void))
    return intersection / union if union else 1.0


def boundary_f(
    truth: np.ndarray,
    prediction: np.ndarray,
    void: np.ndarray | None = None,
    tolerance: float = BOUNDARY_TOLERANCE,
) -> float:
    """Boundary F: harmonic mean of precision and recall of boundary pixels.

    A boundary pixel is matched if the other boundary comes within ``boundary_radius`` of it. Void
    pixels are background in both masks *before* boundaries are taken.

    Args:
        truth, prediction, void: as in :func:`region_similarity`.
        tolerance: radius as a fraction of the image diagonal.

    Returns:
        In [0, 1]. A mask that covers the image has no boundary, like an empty one.

    Raises:
        ValueError: the masks differ in size.
    """
    return region_and_boundary(*_without_void(truth, prediction, void), tolerance)[1]


def region_and_boundary(
    truth: np.ndarray, prediction: np.ndarray, tolerance: float = BOUNDARY_TOLERANCE
) -> tuple[float, float]:
    """J and F of two contiguous boolean masks [H, W] of equal size; sizes are not checked."""
    window = bounding_window(truth, prediction)
    if window is None:
        return 1.0, 1.0
    element = disk(boundary_radius(*truth.shape, tolerance))
    truth, prediction = truth[window], prediction[window]
    intersection, union = _areas(truth, prediction)
    boundaries = [PackedBoundary(mask, element.reach) for mask in (truth, prediction)]
    return intersection / union, packed_boundary_f(*boundaries, element)


def boundary_band(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of ``mask`` within ``width`` pixels (chessboard distance) of its outside.

    Everything beyond the array counts as outside, the border of the image included.

    Args:
        mask: boolean [H, W].
        width: in pixels, at least 1.

    Returns:
        Boolean [H, W].
    """
    if not mask.size:
        return mask.copy()
    box = np.ones((2 * width + 1, 2 * width + 1), dtype=np.uint8)
    inner = cv2.erode(mask.view(np.uint8), box, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & ~inner.view(bool)


def boundary_iou(
    truth: np.ndarray, prediction: np.ndarray, band_width: float = BAND_WIDTH
) -> float:
    """Intersection over union of the boundary bands of two masks (Cheng et al., CVPR 2021).

    Args:
        truth, prediction: [H, W], non-zero is the object.
        band_width: width of the band as a fraction of the image diagonal; at least one pixel.

    Returns:
        In [0, 1]; 0 if both masks are empty.

    Raises:
        ValueError: the masks differ in size.
    """
    return iou_and_boundary_iou(*_without_void(truth, prediction, None), band_width)[1]


def iou_and_boundary_iou(
    truth: np.ndarray, prediction: np.ndarray, band_width: float = BAND_WIDTH
) -> tuple[float, float]:
    """IoU and boundary IoU of two contiguous boolean masks of equal size; (0, 0) if both empty."""
    window = bounding_window(truth, prediction)
    if window is None:
        return 0.0, 0.0
    width = max(1, round(band_width * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2)))
    truth, prediction = (np.ascontiguousarray(mask[window]) for mask in (truth, prediction))
    intersection, union = _areas(truth, prediction)
    band_intersection, band_union = _areas(
        boundary_band(truth, width), boundary_band(prediction, width)
    )
    return intersection / union, band_intersection / band_union


# ------------------------------------------------------------------------------------------------
# MOSE v2
# ------------------------------------------------------------------------------------------------


def mose_v2_scores(truth: np.ndarray, prediction: np.ndarray) -> tuple[float, float, float]:
    """J, F and F' of the MOSE v2 scoring tool.

    J has one pixel added to intersection and union. With B = 0.008 of the diagonal (not rounded)
    and b = min(B, a tenth of the square root of the truth's area, rounded up), or of the diagonal
    if the truth is empty: if b < B, F uses radius ceil(B) and F' uses b, else both use B, whose
    disk is slightly off centre (see :func:`disk`).

    Args:
        truth, prediction: [H, W], non-zero is the object.

    Returns:
        (J, F, F'), each in [0, 1].

    Raises:
        ValueError: the masks differ in size.
    """
    truth, prediction = _without_void(truth, prediction, None)
    diagonal = float(np.linalg.norm(truth.shape))
    window = bounding_window(truth, prediction)
    if window is None:
        return 1.0, 1.0, 1.0
    truth, prediction = truth[window], prediction[window]
    intersection, union = _areas(truth, prediction)
    area = np.count_nonzero(truth)
    widest = BOUNDARY_TOLERANCE * diagonal
    radius = math.ceil(0.1 * (math.sqrt(area) if area else diagonal))
    if radius < widest:
        elements = disk(math.ceil(widest)), disk(radius)
    else:
        elements = disk(widest), disk(widest)
    reach = max(element.reach for element in elements)
    boundaries = [PackedBoundary(mask, reach) for mask in (truth, prediction)]
    f, f_new = (packed_boundary_f(*boundaries, element) for element in elements)
    return min(1.0, (intersection + 1) / (union + 1)), f, f_new
