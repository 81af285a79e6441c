"""Binary masks as COCO compressed run lengths, singly and in batches.

A run-length mask is ``{"size": [H, W], "counts": str}``. ``counts`` is text, never bytes, so that
it can be written to JSON as it is; pycocotools reads both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from pycocotools import mask as coco_mask

_MOST_AREAS = 255  # pycocotools counts the masks of one call in a byte


class Rle(TypedDict):
    """A binary mask in COCO's compressed run-length encoding.

    Attributes:
        size: height and width in pixels.
        counts: the run lengths, column by column, beginning with background.
    """

    size: list[int]
    counts: str


def encode_masks(masks: np.ndarray) -> list[Rle]:
    """Encode N binary masks.

    Args:
        masks: [N, H, W], bool, or uint8 holding only 0 and 1. N may be 0.

    Returns:
        N run-length masks.

    Raises:
        ValueError: the shape or type is wrong.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"masks must have the shape [N, H, W], but has {list(masks.shape)}.")
    if masks.dtype not in (np.dtype(bool), np.dtype(np.uint8)):
        raise ValueError(f"masks must be bool (or uint8 of 0 and 1), but are {masks.dtype}.")
    if len(masks) == 0:
        return []
    # pycocotools wants [H, W, N] in Fortran order, in which the runs of a mask are contiguous.
    columns = np.asfortranarray(masks.transpose(1, 2, 0).view(np.uint8))  # [H, W, N]
    return [_with_text_counts(rle) for rle in coco_mask.encode(columns)]


def encode_mask(mask: np.ndarray) -> Rle:
    """Encode one binary mask [H, W]; see `encode_masks`."""
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask must have the shape [H, W], but has {list(mask.shape)}.")
    return encode_masks(mask[None])[0]


def decode_masks(rles: Sequence[Rle | None], size: tuple[int, int]) -> np.ndarray:
    """Decode N run-length masks of one size.

    Args:
        rles: run-length masks; None stands for an empty mask. May be empty.
        size: height and width that every mask must have.

    Returns:
        [N, H, W] bool.

    Raises:
        ValueError: a mask has another size or cannot be decoded.
    """
    height, width = size
    masks = np.zeros((len(rles), height, width), dtype=bool)
    present = [index for index, rle in enumerate(rles) if rle is not None]
    for index in present:
        mask_size = tuple(rles[index]["size"])
        if mask_size != (height, width):
            raise ValueError(f"Mask {index} has the size {mask_size}, expected {(height, width)}.")
    if present:
        columns = coco_mask.decode([rles[index] for index in present])  # [H, W, N]
        masks[present] = columns.transpose(2, 0, 1)
    return masks


def decode_mask(rle: Rle) -> np.ndarray:
    """Decode one run-length mask to [H, W] bool."""
    return coco_mask.decode(rle).astype(bool)


def empty_rle(size: tuple[int, int]) -> Rle:
    """Return the mask of ``size`` (height, width) without any foreground."""
    return encode_mask(np.zeros(size, dtype=bool))


def rle_areas(rles: Sequence[Rle | None]) -> np.ndarray:
    """Number of foreground pixels of N masks: [N] int64; None counts 0."""
    areas = np.zeros(len(rles), dtype=np.int64)
    present = [index for index, rle in enumerate(rles) if rle is not None]
    for start in range(0, len(present), _MOST_AREAS):
        chunk = present[start : start + _MOST_AREAS]
        areas[chunk] = coco_mask.area([rles[index] for index in chunk])
    return areas


def rle_boxes(rles: Sequence[Rle | None]) -> np.ndarray:
    """Bounding boxes of N masks.

    Returns:
        [N, 4] float64: x and y of the top left corner, width and height, in pixels; all zero for an
        empty mask and for None.
    """
    boxes = np.zeros((len(rles), 4), dtype=np.float64)
    present = [index for index, rle in enumerate(rles) if rle is not None]
    if present:
        boxes[present] = coco_mask.toBbox([rles[index] for index in present])
    return boxes


def rle_is_empty(rle: Rle | None) -> bool:
    """Tell whether a mask has no foreground; None has none."""
    return rle is None or int(coco_mask.area(rle)) == 0


def check_rle(rle: object, size: tuple[int, int], name: str) -> Rle:
    """Check a run-length mask from an untrusted file and return it with text counts.

    pycocotools decodes run lengths that end too early into uninitialised memory, so the lengths are
    added up here.

    Args:
        rle: what the file holds.
        size: height and width it must have.
        name: how the error message calls it.

    Raises:
        ValueError: it is not a compressed run-length mask of this size.
    """
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise ValueError(f"{name} must be a dictionary with the keys 'size' and 'counts'.")
    if tuple(rle["size"]) != tuple(size):
        raise ValueError(f"{name} has the size {list(rle['size'])}, expected {list(size)}.")
    if not isinstance(rle["counts"], (str, bytes)):
        raise ValueError(f"{name} must have compressed counts (text), not a list of run lengths.")
    checked = _with_text_counts(rle)
    runs = run_lengths(checked)
    if (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError(
            f"{name} is damaged: its runs cover {int(runs.sum())} of {size[0] * size[1]} pixels."
        )
    return checked


def run_lengths(rle: Rle) -> np.ndarray:
    """Unpack the counts of a mask: [R] int64 lengths, background and foreground in turn."""
    codes = np.frombuffer(rle["counts"].encode("ascii", "replace"), np.uint8).astype(np.int64) - 48
    if len(codes) == 0:
        return np.zeros(0, dtype=np.int64)
    # A number is a group of five-bit digits, lowest first; bit 5 says that another digit follows,
    # and bit 4 of the last digit is the sign.
    is_last = (codes & 0x20) == 0
    is_last[-1] = True
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    position = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    position = np.minimum(position, 12)  # longer groups are damaged; do not overflow on them
    numbers = np.add.reduceat((codes & 0x1F) << (5 * position), starts)
    bits = 5 * (position[ends] + 1)
    numbers -= np.where(codes[ends] & 0x10, np.int64(1) << np.minimum(bits, 62), 0)
    # From the fourth on, a number is the difference from the one two places before it.
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _with_text_counts(rle: dict) -> Rle:
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return Rle(size=[int(length) for length in rle["size"]], counts=text)
