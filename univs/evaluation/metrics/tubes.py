"""Masks of one object through a video (tubes), compactly, and the IoU of two sets of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.run_lengths import RleRuns, decode_rles


@dataclass(frozen=True, slots=True)
class Tube:
    """The masks of one object as text, frame by frame.

    Attributes:
        counts: compressed COCO run lengths per frame; None where there is no mask.
        sizes: (height, width) of each mask; None where there is no mask.
        where: names the track in messages.
    """

    counts: list[bytes | None]
    sizes: list[tuple[int, int] | None]
    where: str

    def __len__(self) -> int:
        """Number of entries, which need not be the number of frames of the video."""
        return len(self.counts)


class DecodedTube:
    """A tube as intervals of foreground, which takes much more memory than its text.

    Attributes:
        sizes: (height, width) of each mask; None where there is no mask.
        areas: [T] int64 foreground pixels; 0 where there is no mask.
    """

    def __init__(self, tube: Tube, frames: np.ndarray, areas: np.ndarray, masks: RleRuns) -> None:
        """Take what `decode_tubes` has read: ``frames`` with a mask and the runs of ``masks``."""
        self.sizes = tube.sizes
        self.areas = areas
        self._runs, self._rows, self._pixels = masks.runs, masks.rows, masks.pixels
        self._frames = frames

    def __len__(self) -> int:
        """Number of entries, which need not be the number of frames of the video."""
        return len(self.sizes)

    @property
    def mean_area(self) -> float:
        """Mean over the frames with a non-empty mask; 0 if there is none."""
        return mean_of_nonzero(self.areas)

    def intervals(self, offset_of_size: Mapping[tuple[int, int], int], stride: int) -> np.ndarray:
        """Begin and end of foreground: [2 N] float64, ascending, begins and ends in turn.

        Pixel i (column by column, as in the text) of a mask in frame t has the number
        ``t * stride + offset_of_size[size] + i``.
        """
        shift = self._frames * stride
        if len(offset_of_size) > 1:
            offsets = [offset_of_size[self.sizes[frame]] for frame in self._frames]
            shift += np.array(offsets, dtype=np.int64)
        shift -= np.cumsum(self._pixels) - self._pixels  # where the mask begins in the sum below
        bounds = np.cumsum(self._runs.reshape(-1))
        if shift.any():  # not if every frame has a mask and all are of one size
            bounds += np.repeat(shift, 2 * self._rows)
        # A pair of bounds is taken as one complex number, which numpy selects faster than rows.
        return bounds.view(np.complex128)[self._runs[:, 1] > 0].view(np.float64)


def decode_tubes(tubes: Sequence[Tube]) -> list[DecodedTube]:
    """Decode and check tubes, all at once, which is much faster than one by one.

    Raises:
        ValueError: the runs of a mask are damaged. The message names track and frame.
    """
    frames = [[t for t, text in enumerate(tube.counts) if text is not None] for tube in tubes]
    sizes = [tube.sizes[t] for tube, listed in zip(tubes, frames, strict=True) for t in listed]
    decoded = decode_rles(
        [tube.counts[t] for tube, listed in zip(tubes, frames, strict=True) for t in listed]
    )
    pixels = np.array([height * width for height, width in sizes], dtype=np.int64)
    broken = np.flatnonzero(~decoded.sound | (decoded.pixels != pixels))
    ends = np.cumsum([0, *map(len, frames)])
    if len(broken):
        index = broken[0]
        owner = int(np.searchsorted(ends, index, side="right")) - 1
        raise ValueError(
            f"{tubes[owner].where}, frame {frames[owner][index - ends[owner]]}: the run lengths "
            f"are damaged; they cover {decoded.pixels[index]} pixels of a mask of "
            f"{pixels[index]}. Write the file anew."
        )
    row_ends = np.concatenate([[0], np.cumsum(decoded.rows)])[ends]
    result = []
    for index, tube in enumerate(tubes):
        masks = slice(ends[index], ends[index + 1])
        rows = slice(row_ends[index], row_ends[index + 1])
        areas = np.zeros(len(tube), dtype=np.int64)
        areas[frames[index]] = decoded.areas[masks]
        part = RleRuns(decoded.runs[rows], *(values[masks] for values in decoded[1:]))
        result.append(DecodedTube(tube, np.array(frames[index], dtype=np.int64), areas, part))
    return result


def mean_of_nonzero(areas: Sequence[float | None] | np.ndarray) -> float:
    """Mean of the entries that are neither None nor 0; 0 if there is none."""
    present = [area for area in areas if area]
    return float(np.mean(np.asarray(present, dtype=np.float64))) if present else 0.0


def pack_tube(
    segmentations: Sequence[object],
    *,
    where: str,
    video_size: tuple[int, int] | None = None,
) -> Tube:
    """Check the masks of one track as they stand in a JSON file.

    Args:
        segmentations: one entry per frame: a compressed run-length mask ``{"size", "counts"}``, or
            null. With ``video_size`` also polygons and uncompressed run lengths.
        where: names the track in messages.
        video_size: (height, width) in which polygons are drawn.

    Raises:
        ValueError: an entry is no mask, or its runs do not cover its size. The message names the
            frame.
    """
    if not isinstance(segmentations, Sequence) or isinstance(segmentations, (str, bytes)):
        raise ValueError(f"{where}: 'segmentations' must be a list with one entry per frame.")
    counts: list[bytes | None] = []
    sizes: list[tuple[int, int] | None] = []
    seen_sizes: dict[tuple[int, int], tuple[int, int]] = {}  # one tuple serves every frame
    for frame, segmentation in enumerate(segmentations):
        if not segmentation:
            counts.append(None)
            sizes.append(None)
            continue
        try:  # quick for what nearly every entry is: text, of the size of the entry before
            size, text = seen_sizes[tuple(segmentation["size"])], segmentation["counts"].encode()
        except (KeyError, TypeError, AttributeError):
            rle = _compressed(segmentation, video_size, f"{where}, frame {frame}")
            size, text = (int(rle["size"][0]), int(rle["size"][1])), rle["counts"]
            text = text.encode() if isinstance(text, str) else text
            seen_sizes[size] = size
        counts.append(text)
        sizes.append(size)
    return Tube(counts, sizes, where)


def tube_ious(predictions: Sequence[DecodedTube], truths: Sequence[DecodedTube]) -> np.ndarray:
    """IoU of every prediction with every truth: [num_predictions, num_truths] float64.

    Sum over frames of the intersection by the sum over frames of the union, 0 if the union is 0. As
    published: frames beyond the end of the shorter of two lists do not count, and a frame in which
    the two masks differ in size adds nothing to either sum.
    """
    ious = np.zeros((len(predictions), len(truths)))
    if not predictions or not truths:
        return ious
    num_frames = max(len(tube) for tube in (*predictions, *truths))
    areas_p, exists_p, size_p = _stacked(predictions, num_frames)  # [P, T] each
    areas_t, exists_t, size_t = _stacked(truths, num_frames)  # [N, T] each
    sums = areas_p @ exists_t.T + exists_p @ areas_t.T
    sums -= _area_of_unequal_sizes(areas_p, size_p, areas_t, size_t)
    intersection = _intersections(predictions, truths)
    union = sums - intersection
    return np.divide(intersection, union, out=ious, where=union > 0)


def _intersections(predictions: Sequence[DecodedTube], truths: Sequence[DecodedTube]) -> np.ndarray:
    """Common pixels of every pair of tubes: [P, N] int64."""
    # Pixels of masks of different sizes get different numbers, so that they never meet.
    offset_of_size: dict[tuple[int, int], int] = {}
    stride = 0
    for tube in (*predictions, *truths):
        for size in set(tube.sizes):
            if size is not None and size not in offset_of_size:
                offset_of_size[size] = stride
                stride += size[0] * size[1]
    predicted = [tube.intervals(offset_of_size, stride) for tube in predictions]
    common = np.zeros((len(predictions), len(truths)), dtype=np.int64)
    for column, truth in enumerate(truths):
        bounds = truth.intervals(offset_of_size, stride)
        if not len(bounds):
            continue
        # Foreground of the truth before each of its bounds; in between it grows by 1 per pixel, or
        # not at all, so that the interpolation is exact.
        before = np.zeros(len(bounds))
        before[1::2] = np.cumsum(bounds[1::2] - bounds[::2])
        before[2::2] = before[1:-1:2]
        for row, queries in enumerate(predicted):
            covered = np.interp(queries, bounds, before)
            common[row, column] = round(float(covered[1::2].sum() - covered[::2].sum()))
    return common


def _stacked(
    tubes: Sequence[DecodedTube], num_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N, T] int64 areas, list membership (0 or 1) and sizes as one number (-1: no mask)."""
    areas = np.zeros((len(tubes), num_frames), dtype=np.int64)
    exists = np.zeros_like(areas)
    sizes = np.full_like(areas, -1)
    for index, tube in enumerate(tubes):
        areas[index, : len(tube)] = tube.areas
        exists[index, : len(tube)] = 1
        code = {size: (size[0] << 32) + size[1] for size in set(tube.sizes) if size}
        sizes[index, : len(tube)] = [code.get(size, -1) for size in tube.sizes]
    return areas, exists, sizes


def _area_of_unequal_sizes(
    areas_p: np.ndarray, size_p: np.ndarray, areas_t: np.ndarray, size_t: np.ndarray
) -> np.ndarray | int:
    """[P, N]: both areas, summed over the frames in which two masks exist but differ in size."""
    largest = max(size_p.max(initial=-1), size_t.max(initial=-1))
    if np.isin(size_p, (-1, largest)).all() and np.isin(size_t, (-1, largest)).all():
        return 0
    total = np.zeros((len(areas_p), len(areas_t)), dtype=np.int64)
    for frame in range(areas_p.shape[1]):
        rows, columns = size_p[:, frame][:, None], size_t[:, frame][None]
        unequal = (rows >= 0) & (columns >= 0) & (rows != columns)
        total += unequal * (areas_p[:, frame][:, None] + areas_t[:, frame][None])
    return total


def _compressed(segmentation: object, video_size: tuple[int, int] | None, where: str) -> Mapping:
    if isinstance(segmentation, Mapping) and {"size", "counts"} <= segmentation.keys():
        size = segmentation["size"]
        if len(size) != 2 or not all(isinstance(n, (int, np.integer)) and n >= 0 for n in size):
            raise ValueError(f"{where}: the size of a mask must be [height, width], not {size}.")
        if isinstance(segmentation["counts"], (str, bytes)):
            return segmentation
        if video_size is not None and isinstance(segmentation["counts"], list):
            return coco_mask.frPyObjects(dict(segmentation), *size)
    elif video_size is not None and isinstance(segmentation, list):
        try:
            return coco_mask.merge(coco_mask.frPyObjects(segmentation, *video_size))
        except Exception as error:
            raise ValueError(f"{where}: the polygons cannot be read ({error}).") from error
    expected = "a compressed run-length mask {'size', 'counts'} or null"
    raise ValueError(f"{where}: a mask must be {expected}.")
