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

    Pixels count column by column, as in the text.

    Attributes:
        sizes: (height, width) of each mask; None where there is no mask.
        distinct_sizes: those that occur.
        areas: [T] int64 foreground pixels; 0 where there is no mask.
        spans: [2, T] float64, a first pixel and an end between which all foreground of a frame
            lies, not always the narrowest ones; no foreground can lie between infinity and 0,
            where there is no mask.
    """

    def __init__(
        self,
        tube: Tube,
        frames: np.ndarray,
        areas: np.ndarray,
        spans: np.ndarray,
        masks: RleRuns,
    ) -> None:
        """Take what `decode_tubes` has read: ``frames`` with a mask and the runs of ``masks``."""
        self.sizes = tube.sizes
        self.distinct_sizes = set(tube.sizes) - {None}
        self.areas = areas
        self.spans = spans
        self._runs, self._rows, self._pixels = masks.runs, masks.rows, masks.pixels
        self._frames = frames

    def __len__(self) -> int:
        """Number of entries, which need not be the number of frames of the video."""
        return len(self.sizes)

    @property
    def mean_area(self) -> float:
        """Mean over the frames with a non-empty mask; 0 if there is none."""
        present = self.areas[self.areas > 0]
        return float(present.mean()) if len(present) else 0.0

    def intervals(self, offset_of_size: Mapping[tuple[int, int], int], stride: int) -> np.ndarray:
        """Begin and end of foreground: [2 N] float64, ascending, begins and ends in turn.

        Some intervals may be empty. Pixel i of a mask in frame t has the number
        ``t * stride + offset_of_size[size] + i``.
        """
        shift = self._frames * stride
        if len(offset_of_size) > 1:
            offsets = [offset_of_size[self.sizes[frame]] for frame in self._frames]
            shift += np.array(offsets, dtype=np.int64)
        shift -= np.cumsum(self._pixels) - self._pixels  # where the mask begins in the sum below
        # Sums of rows take half the time of a sum over all runs, one behind the other.
        bounds = np.empty_like(self._runs)
        np.cumsum(self._runs[:, 0] + self._runs[:, 1], out=bounds[:, 1])
        if shift.any():  # not if every frame has a mask and all are of one size
            bounds[:, 1] += np.repeat(shift, self._rows)
        np.subtract(bounds[:, 1], self._runs[:, 1], out=bounds[:, 0])
        return bounds.reshape(-1)


def decode_tubes(tubes: Sequence[Tube]) -> list[DecodedTube]:
    """Decode and check tubes, all at once, which is much faster than one by one.

    Raises:
        ValueError: the runs of a mask are damaged. The message names track and frame.
    """
    texts = [text for tube in tubes for text in tube.counts]
    sizes = [size for tube in tubes for size in tube.sizes if size is not None]
    is_present = np.array([text is not None for text in texts], dtype=bool)
    decoded = decode_rles([text for text in texts if text is not None])
    pixels = np.array([height * width for height, width in sizes], dtype=np.int64)
    ends = np.cumsum([0, *map(len, tubes)])  # where the frames of each tube begin and end
    broken = np.flatnonzero(~decoded.sound | (decoded.pixels != pixels))
    if len(broken):
        entry = np.flatnonzero(is_present)[broken[0]]
        owner = int(np.searchsorted(ends, entry, side="right")) - 1
        raise ValueError(
            f"{tubes[owner].where}, frame {entry - ends[owner]}: the run lengths are damaged; they "
            f"cover {decoded.pixels[broken[0]]} pixels of a mask of {pixels[broken[0]]}. Write the "
            "file anew."
        )
    areas = np.zeros(len(texts), dtype=np.int64)
    areas[is_present] = decoded.areas
    spans = np.zeros((2, len(texts)))
    spans[0] = np.inf
    spans[:, is_present] = _spans(decoded)
    mask_ends = np.concatenate([[0], np.cumsum(is_present)])[ends]
    row_ends = np.concatenate([[0], np.cumsum(decoded.rows)])[mask_ends]
    result = []
    for index, tube in enumerate(tubes):
        entries = slice(ends[index], ends[index + 1])
        masks = slice(mask_ends[index], mask_ends[index + 1])
        rows = slice(row_ends[index], row_ends[index + 1])
        part = RleRuns(decoded.runs[rows], *(values[masks] for values in decoded[1:]))
        frames = np.flatnonzero(is_present[entries])
        result.append(DecodedTube(tube, frames, areas[entries], spans[:, entries], part))
    return result


def _spans(masks: RleRuns) -> np.ndarray:
    """[2, N] float64: length of the first run, and where the last run of foreground ends."""
    ends = np.cumsum(masks.rows)
    spans = np.zeros((2, len(masks.rows)))
    present = np.flatnonzero(masks.rows)  # a mask without a pixel has no run
    spans[0, present] = masks.runs[(ends - masks.rows)[present], 0]
    last = masks.runs[ends[present] - 1]  # background, and foreground or 0
    spans[1, present] = masks.pixels[present] - np.where(last[:, 1] > 0, 0, last[:, 0])
    return spans


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
    present = [segmentation for segmentation in segmentations if segmentation]
    try:  # quick for what nearly every track is: text of one size
        size = present[0]["size"]
        text = [item["counts"].encode() if item else None for item in segmentations]
        is_uniform = [item["size"] for item in present].count(size) == len(present)
    except (IndexError, KeyError, TypeError, AttributeError):
        is_uniform = False
    if is_uniform and _is_size(size):
        size = (int(size[0]), int(size[1]))
        return Tube(text, [size if item else None for item in segmentations], where)
    counts: list[bytes | None] = []
    sizes: list[tuple[int, int] | None] = []
    for frame, segmentation in enumerate(segmentations):
        if not segmentation:
            counts.append(None)
            sizes.append(None)
            continue
        rle = _compressed(segmentation, video_size, f"{where}, frame {frame}")
        text = rle["counts"]
        counts.append(text.encode() if isinstance(text, str) else text)
        sizes.append((int(rle["size"][0]), int(rle["size"][1])))
    return Tube(counts, sizes, where)


def tube_ious(
    predictions: Sequence[DecodedTube],
    truths: Sequence[DecodedTube],
    wanted: np.ndarray | None = None,
) -> np.ndarray:
    """IoU of every prediction with every truth: [num_predictions, num_truths] float64.

    Sum over frames of the intersection by the sum over frames of the union, 0 if the union is 0. As
    published: frames beyond the end of the shorter of two lists do not count, and a frame in which
    the two masks differ in size adds nothing to either sum.

    Args:
        predictions, truths: P and N tubes.
        wanted: [P, N] bool, the pairs that are needed; the others may be 0. All by default.
    """
    ious = np.zeros((len(predictions), len(truths)))
    if not predictions or not truths:
        return ious
    meets = _may_meet(predictions, truths)
    if wanted is not None:
        meets &= wanted
    intersection = _intersections(predictions, truths, meets)
    union = _summed_areas(predictions, truths) - intersection
    return np.divide(intersection, union, out=ious, where=union > 0)


def _intersections(
    predictions: Sequence[DecodedTube], truths: Sequence[DecodedTube], meets: np.ndarray
) -> np.ndarray:
    """Common pixels of the pairs of tubes for which ``meets`` [P, N] holds: [P, N] int64."""
    # Pixels of masks of different sizes get different numbers, so that they never meet.
    offset_of_size: dict[tuple[int, int], int] = {}
    stride = 0
    for size in set().union(*(tube.distinct_sizes for tube in (*predictions, *truths))):
        offset_of_size[size] = stride
        stride += size[0] * size[1]
    predicted = {
        row: predictions[row].intervals(offset_of_size, stride)
        for row in np.flatnonzero(meets.any(axis=1)).tolist()
    }
    common = np.zeros((len(predictions), len(truths)), dtype=np.int64)
    for column, truth in enumerate(truths):
        rows = np.flatnonzero(meets[:, column]).tolist()
        if not rows:
            continue
        bounds = truth.intervals(offset_of_size, stride)
        # Foreground of the truth before each of its bounds; in between it grows by 1 per pixel, or
        # not at all, so that the interpolation is exact.
        before = np.zeros(len(bounds))
        before[1::2] = np.cumsum(bounds[1::2] - bounds[::2])
        before[2::2] = before[1:-1:2]
        queries = [predicted[row] for row in rows]
        covered = np.interp(np.concatenate(queries), bounds, before)
        covered[::2] *= -1  # from the end of each interval, what lies before its begin is taken off
        starts = np.cumsum([0, *map(len, queries[:-1])])
        common[rows, column] = np.rint(np.add.reduceat(covered, starts)).astype(np.int64)
    return common


def _may_meet(predictions: Sequence[DecodedTube], truths: Sequence[DecodedTube]) -> np.ndarray:
    """[P, N] bool: in some frame, the spans of the two tubes overlap."""
    num_frames = max(len(tube) for tube in (*predictions, *truths))
    begins_p, ends_p = _stacked_spans(predictions, num_frames)  # [P, T] each
    begins_t, ends_t = _stacked_spans(truths, num_frames)  # [N, T] each
    overlaps = (begins_p[:, None] < ends_t) & (begins_t < ends_p[:, None])  # [P, N, T]
    return overlaps.any(axis=2)


def _stacked_spans(tubes: Sequence[DecodedTube], num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    begins, ends = np.full((len(tubes), num_frames), np.inf), np.zeros((len(tubes), num_frames))
    for row, tube in enumerate(tubes):
        begins[row, : len(tube)], ends[row, : len(tube)] = tube.spans
    return begins, ends


def _summed_areas(predictions: Sequence[DecodedTube], truths: Sequence[DecodedTube]) -> np.ndarray:
    """[P, N] int64: areas of both tubes, over the frames that count, see `tube_ious`."""
    tubes = (*predictions, *truths)
    num_frames = max(map(len, tubes))
    if len(set().union(*(tube.distinct_sizes for tube in tubes))) < 2 and all(
        len(tube) == num_frames for tube in tubes
    ):
        total_p, total_t = ([tube.areas.sum() for tube in side] for side in (predictions, truths))
        return np.add.outer(total_p, total_t).astype(np.int64)
    areas_p, exists_p, size_p = _stacked(predictions, num_frames)  # [P, T] each
    areas_t, exists_t, size_t = _stacked(truths, num_frames)  # [N, T] each
    sums = areas_p @ exists_t.T + exists_p @ areas_t.T
    return sums - _area_of_unequal_sizes(areas_p, size_p, areas_t, size_t)


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
) -> np.ndarray:
    """[P, N]: both areas, summed over the frames in which two masks exist but differ in size."""
    total = np.zeros((len(areas_p), len(areas_t)), dtype=np.int64)
    for frame in range(areas_p.shape[1]):
        rows, columns = size_p[:, frame][:, None], size_t[:, frame][None]
        unequal = (rows >= 0) & (columns >= 0) & (rows != columns)
        total += unequal * (areas_p[:, frame][:, None] + areas_t[:, frame][None])
    return total


def _compressed(segmentation: object, video_size: tuple[int, int] | None, where: str) -> Mapping:
    if isinstance(segmentation, Mapping) and {"size", "counts"} <= segmentation.keys():
        if not _is_size(segmentation["size"]):
            raise ValueError(
                f"{where}: the size of a mask must be [height, width], not {segmentation['size']}."
            )
        if isinstance(segmentation["counts"], (str, bytes)):
            return segmentation
        if video_size is not None and isinstance(segmentation["counts"], list):
            return coco_mask.frPyObjects(dict(segmentation), *segmentation["size"])
    elif video_size is not None and isinstance(segmentation, list):
        try:
            return coco_mask.merge(coco_mask.frPyObjects(segmentation, *video_size))
        except Exception as error:
            raise ValueError(f"{where}: the polygons cannot be read ({error}).") from error
    expected = "a compressed run-length mask {'size', 'counts'} or null"
    raise ValueError(f"{where}: a mask must be {expected}.")


def _is_size(size: object) -> bool:
    return (
        isinstance(size, Sequence)
        and len(size) == 2
        and all(isinstance(n, (int, np.integer)) and n >= 0 for n in size)
    )
