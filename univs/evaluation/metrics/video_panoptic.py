"""Video panoptic quality (Kim et al., CVPR 2020): panoptic quality of tubes in sliding windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from univs.evaluation.metrics.pair_counts import PairCounts
from univs.evaluation.metrics.panoptic import (
    PanopticCategories,
    PanopticStatistics,
    Segments,
    checked_pair_counts,
    match_segments,
    panoptic_quality,
    predicted_areas,
)
from univs.evaluation.metrics.panoptic_ids import VOID_ID

VIPSEG_WINDOWS = (1, 2, 4, 6, 8)
CITYSCAPES_VPS_WINDOWS = (1, 2, 3, 4)


class PanopticFrame(NamedTuple):
    """Truth and prediction of one frame, reduced to what the metrics need.

    Attributes:
        pairs: common pixels of (truth id, predicted id); 0 is void.
        truth_segments: ``{id, category_id, iscrowd, area}`` each.
        predicted_segments: ``{id, category_id}`` each.
    """

    pairs: PairCounts
    truth_segments: Sequence[Mapping]
    predicted_segments: Sequence[Mapping]

    @classmethod
    def from_maps(
        cls,
        truth: np.ndarray,
        prediction: np.ndarray,
        truth_segments: Sequence[Mapping],
        predicted_segments: Sequence[Mapping],
        where: str,
    ) -> PanopticFrame:
        """Count two maps of segment ids, [H, W] integer; ``where`` names the frame in messages.

        Raises:
            ValueError: the sizes differ, or a map holds no ids.
        """
        pairs = checked_pair_counts(truth, prediction, where)
        return cls(pairs, truth_segments, predicted_segments)


def video_statistics(
    frames: Iterable[PanopticFrame],
    windows: Sequence[int],
    categories: PanopticCategories,
    video: str,
    frame_names: Sequence[str] | None = None,
) -> dict[int, PanopticStatistics]:
    """Panoptic statistics of one video for every window length.

    The same id in several frames of a window is one tube. A tube has the category and the crowd
    flag of its first listing in the window, as published.

    Args:
        frames: in temporal order.
        windows: lengths in frames; all windows with a stride of one frame count.
        categories: of the data set.
        video: name for messages.
        frame_names: names for messages; numbers by default.

    Returns:
        Window length -> sums over the windows; zeros if the video is shorter.

    Raises:
        ValueError: a map and its list disagree, or a category is unknown.
    """
    tables = _VideoTables(categories)
    for index, frame in enumerate(frames):
        name = frame_names[index] if frame_names is not None else index
        tables.add(frame, f"Video {video!r}, frame {name}")
    statistics = {}
    for length in windows:
        total = PanopticStatistics.zeros(len(categories.ids))
        for start, matched in tables.windows(length):
            try:
                total += match_segments(*matched, len(categories.ids))
            except ValueError as error:
                stop = start + length - 1
                raise ValueError(f"Video {video!r}, frames {start} to {stop}: {error}") from error
        statistics[length] = total
    return statistics


def video_panoptic_quality(
    videos: Iterable[Mapping[int, PanopticStatistics]],
    windows: Sequence[int],
    categories: PanopticCategories,
) -> dict:
    """Pool videos.

    Args:
        videos: what `video_statistics` returned for each, in a fixed order.
        windows: window lengths.
        categories: of the data set.

    Returns:
        ``per_window``: length -> `panoptic_quality` (fractions); ``VPQ``, ``VPQ_thing`` and
        ``VPQ_stuff``: means of its pq over the lengths, in per cent. NaN where nothing occurs.
    """
    totals = {length: PanopticStatistics.zeros(len(categories.ids)) for length in windows}
    for video in videos:
        for length in windows:
            totals[length] += video[length]
    per_window = {length: panoptic_quality(totals[length], categories) for length in windows}

    def mean(group: str) -> float:
        values = [quality[group]["pq"] for quality in per_window.values()]
        return 100 * sum(values) / len(values) if values else math.nan

    return {
        "per_window": per_window,
        "VPQ": mean("All"),
        "VPQ_thing": mean("Things"),
        "VPQ_stuff": mean("Stuff"),
    }


class _Listing:
    """Which ids the frames of one side list, with what properties; ids get rows as they appear."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}  # indexed by segment id
        self._frames: list[tuple[np.ndarray, ...]] = []  # row, category, area, crowd flag

    def add(
        self, rows: Sequence[int], categories: Sequence[int], areas: np.ndarray, crowd: Sequence
    ) -> None:
        """Add a frame; rows are distinct, in the order of the list."""
        self._frames.append(
            (
                np.array(rows, dtype=np.int64),
                np.array(categories, dtype=np.int64),
                np.asarray(areas, dtype=np.int64),
                np.array(crowd, dtype=bool),
            )
        )

    def row(self, segment_id: int) -> int:
        """Row of an id, a new one if it is new."""
        return self.rows.setdefault(segment_id, len(self.rows))

    def windows(self, length: int) -> list[Segments]:
        """The tubes of every window, in the order of their first listing; ids are the rows."""
        count, num_frames = len(self.rows), len(self._frames)
        areas = np.zeros((num_frames + 1, count), dtype=np.int64)  # running sums
        for frame, (rows, _, frame_areas, _) in enumerate(self._frames):
            areas[frame + 1] = areas[frame]
            areas[frame + 1, rows] += frame_areas
        # Backwards: the next listing of every row from this frame on.
        next_frame = np.full(count, num_frames + length)
        place = np.zeros(count, dtype=np.int64)
        category = np.zeros(count, dtype=np.int64)
        is_crowd = np.zeros(count, dtype=bool)
        tubes = []
        for start in reversed(range(num_frames)):
            rows, categories, _, crowd = self._frames[start]
            next_frame[rows], place[rows] = start, np.arange(len(rows))
            category[rows], is_crowd[rows] = categories, crowd
            if start > num_frames - length:
                continue
            inside = np.flatnonzero(next_frame < start + length)
            inside = inside[np.lexsort((place[inside], next_frame[inside]))]
            window_areas = areas[start + length, inside] - areas[start, inside]
            tubes.append(Segments(inside, category[inside], window_areas, is_crowd[inside]))
        return tubes[::-1]


class _VideoTables:
    """Common pixels of truth and predicted tubes per frame, and the listings of both sides."""

    def __init__(self, categories: PanopticCategories) -> None:
        self._categories = categories
        self._truth, self._prediction = _Listing(), _Listing()
        self._pairs: list[PairCounts] = []  # of every frame, by segment id
        self._sparse: list[PairCounts] | None = None  # the same by row, made after the last frame

    def add(self, frame: PanopticFrame, where: str) -> None:
        """Check and count one frame."""
        truths: dict[int, list] = {}  # id -> row, category, area, crowd flag
        for segment in frame.truth_segments:
            if segment["id"] in truths:
                truths[segment["id"]][2] += int(segment["area"])
                continue
            truths[segment["id"]] = [
                self._truth.row(segment["id"]),
                self._category(segment, f"{where}, truth"),
                int(segment["area"]),
                segment.get("iscrowd", 0) == 1,
            ]
        predictions: dict[int, list] = {}  # id -> row, category
        for segment in frame.predicted_segments:
            if segment["id"] not in predictions:
                predictions[segment["id"]] = [
                    self._prediction.row(segment["id"]),
                    self._category(segment, f"{where}, prediction"),
                ]
        areas = predicted_areas(frame.pairs, np.array(list(predictions), dtype=np.int64), where)
        self._truth.add(*_columns(truths.values(), 4))
        rows, categories = _columns(predictions.values(), 2)
        self._prediction.add(rows, categories, areas, np.zeros(len(rows), dtype=bool))
        self._pairs.append(frame.pairs)

    def windows(self, length: int) -> Iterator[tuple[int, tuple[PairCounts, Segments, Segments]]]:
        """For every window: its first frame, common pixels, truth tubes and predicted tubes."""
        if self._sparse is None:
            self._sparse = [self._rows_of(pairs) for pairs in self._pairs]
        frames = self._sparse
        if len(frames) < length:
            return
        # Row 0 is void, so truth rows are shifted by one.
        table = np.zeros((len(self._truth.rows) + 1, len(self._prediction.rows)), dtype=np.int64)
        for rows, columns, counts in frames[: length - 1]:
            table[rows, columns] += counts
        tubes = zip(self._truth.windows(length), self._prediction.windows(length), strict=True)
        for start, (truth, prediction) in enumerate(tubes):
            rows, columns, counts = frames[start + length - 1]
            table[rows, columns] += counts
            row, column = np.nonzero(table)
            pairs = PairCounts(row, column, table[row, column])
            yield start, (pairs, truth._replace(ids=truth.ids + 1), prediction)
            rows, columns, counts = frames[start]
            table[rows, columns] -= counts

    def _rows_of(self, pairs: PairCounts) -> PairCounts:
        """Ids replaced by rows of the table; pairs without a row, in the whole video, left out."""
        truth_rows, predicted_rows = self._truth.rows, self._prediction.rows
        kept = [
            (row, predicted_rows[predicted_id], count)
            for truth_id, predicted_id, count in zip(*(p.tolist() for p in pairs), strict=True)
            if predicted_id in predicted_rows
            for row in ([0] if truth_id == VOID_ID else [])
            + ([truth_rows[truth_id] + 1] if truth_id in truth_rows else [])
        ]
        return PairCounts(*np.array(kept, dtype=np.int64).reshape(-1, 3).T)

    def _category(self, segment: Mapping, where: str) -> int:
        where = f"{where}, segment {segment['id']}"
        return self._categories.index(segment["category_id"], where)


def _columns(rows: Iterable[Sequence], count: int) -> list[Sequence]:
    return list(zip(*rows, strict=True)) or [()] * count
