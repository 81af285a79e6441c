"""How stable tracks are: identity switches, interruptions and coverage, as in CLEAR MOT."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from univs.evaluation.metrics.pair_counts import PairCounts, count_pairs
from univs.structures import Rle, rle_areas

MIN_IOU = 0.5  # of an object and the track that covers it
MOSTLY_TRACKED = 0.8  # covered in at least this share of its frames
MOSTLY_LOST = 0.2  # covered in less


@dataclass(frozen=True)
class TrackStatistics:
    """Counts of one or more videos; they add up.

    Attributes:
        num_truths: annotated objects that are visible in some frame.
        num_tracks: predicted tracks that are visible in some frame.
        visible: frames of annotated objects, summed over objects.
        matches: of these, those covered by a track.
        false_positives: frames of tracks that cover no object.
        id_switches: an object is covered by another track than the last one that covered it.
        fragmentations: an object is covered again after frames in which it was visible only.
        mostly_tracked: objects covered in at least 80 % of their frames.
        mostly_lost: objects covered in less than 20 % of their frames.
    """

    num_truths: int = 0
    num_tracks: int = 0
    visible: int = 0
    matches: int = 0
    false_positives: int = 0
    id_switches: int = 0
    fragmentations: int = 0
    mostly_tracked: int = 0
    mostly_lost: int = 0

    def __add__(self, other: TrackStatistics) -> TrackStatistics:
        names = [field.name for field in fields(self)]
        return TrackStatistics(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def misses(self) -> int:
        """Frames of annotated objects that no track covers."""
        return self.visible - self.matches

    @property
    def accuracy(self) -> float:
        """MOTA: 1 - (misses + false positives + identity switches) / visible; NaN if none is."""
        if self.visible == 0:
            return float("nan")
        return 1 - (self.misses + self.false_positives + self.id_switches) / self.visible

    def as_numbers(self) -> OrderedDict[str, float]:
        """For tables: ``IDSw``, ``Frag``, ``MOTA``, ``MT`` and ``ML``; the last three in per cent.

        MT and ML are shares of the annotated objects, NaN if there is none.
        """
        share = 100 / self.num_truths if self.num_truths else float("nan")
        return OrderedDict(
            IDSw=float(self.id_switches),
            Frag=float(self.fragmentations),
            MOTA=100 * self.accuracy,
            MT=self.mostly_tracked * share,
            ML=self.mostly_lost * share,
        )


def track_statistics(
    truths: Sequence[Sequence[Rle | None]],
    tracks: Sequence[Sequence[Rle | None]],
    min_iou: float = MIN_IOU,
) -> TrackStatistics:
    """Compare the tracks of one video with its truth, whatever their categories.

    In each frame, an object stays with the track of its last match if their masks still overlap
    enough; the others are assigned so that the number of matches, then the summed IoU, is largest.

    Args:
        truths: masks of each annotated object, one entry per frame, None where it is not visible.
        tracks: the same of each predicted track, with as many frames. A mask of another size than
            that of the truth covers nothing.
        min_iou: smallest mask IoU of a match, above 0.

    Raises:
        ValueError: tracks differ in their number of frames.
    """
    lengths = {len(masks) for masks in (*truths, *tracks)}
    if len(lengths) > 1:
        raise ValueError(f"Tracks have different numbers of frames: {sorted(lengths)}.")
    num_frames = lengths.pop() if lengths else 0
    is_visible = _visible(truths, num_frames)  # [G, T]
    is_present = _visible(tracks, num_frames)  # [P, T]

    def overlaps() -> Iterator[FrameOverlaps]:
        for frame in range(num_frames):
            rows = np.flatnonzero(is_visible[:, frame])
            columns = np.flatnonzero(is_present[:, frame])
            ious = np.zeros((len(rows), len(columns)))
            if ious.size:
                ious = _ious([truths[r][frame] for r in rows], [tracks[c][frame] for c in columns])
            yield FrameOverlaps(rows, columns, ious)

    return statistics_of_overlaps(overlaps(), min_iou)


def label_map_statistics(
    frames: Iterable[tuple[np.ndarray, np.ndarray]], void: int = 255, min_iou: float = MIN_IOU
) -> TrackStatistics:
    """The same from label maps, whose values above 0 are objects and tracks.

    Args:
        frames: truth and prediction, integer [H, W], frame by frame.
        void: value of pixels of the truth that do not count.
        min_iou: see `track_statistics`.
    """
    return statistics_of_overlaps((_label_map_overlaps(*pair, void) for pair in frames), min_iou)


class FrameOverlaps(NamedTuple):
    """What is visible in one frame: ids of G objects, ids of P tracks, and their IoU [G, P]."""

    truths: np.ndarray
    tracks: np.ndarray
    ious: np.ndarray


def overlaps_of_pairs(pairs: PairCounts, truths: np.ndarray, tracks: np.ndarray) -> FrameOverlaps:
    """Overlaps of a frame from its common pixels.

    Args:
        pairs: common pixels of (truth id, track id), without the pixels that do not count.
        truths: ids of the objects, ascending; those without a pixel are not visible.
        tracks: the same of the tracks.
    """
    of_truth, of_track = np.isin(pairs.first, truths), np.isin(pairs.second, tracks)
    rows, columns = np.searchsorted(truths, pairs.first), np.searchsorted(tracks, pairs.second)
    true_areas = np.zeros(len(truths), dtype=np.int64)
    np.add.at(true_areas, rows[of_truth], pairs.counts[of_truth])
    track_areas = np.zeros(len(tracks), dtype=np.int64)
    np.add.at(track_areas, columns[of_track], pairs.counts[of_track])
    common = np.zeros((len(truths), len(tracks)), dtype=np.int64)
    both = of_truth & of_track
    np.add.at(common, (rows[both], columns[both]), pairs.counts[both])
    visible, present = true_areas > 0, track_areas > 0
    common = common[visible][:, present]
    union = true_areas[visible][:, None] + track_areas[present] - common
    return FrameOverlaps(truths[visible], tracks[present], common / union)


def statistics_of_overlaps(
    frames: Iterable[FrameOverlaps], min_iou: float = MIN_IOU
) -> TrackStatistics:
    """Statistics of one video from the overlaps of its frames; see `track_statistics`."""
    if not 0 < min_iou <= 1:
        raise ValueError(f"min_iou must lie above 0 and not above 1, but is {min_iou}.")
    covering: dict[int, list[int | None]] = {}  # per object and visible frame, its track or None
    last: dict[int, int] = {}  # per object, the track of its last match
    tracks: set[int] = set()
    num_present = 0
    for truth_ids, track_ids, ious in frames:
        tracks.update(track_ids.tolist())
        num_present += len(track_ids)
        found: dict[int, int] = {}
        if ious.size:
            before = np.array([last.get(i, -1) for i in truth_ids.tolist()])
            for row, column in _match(ious, before, track_ids, min_iou):
                found[int(truth_ids[row])] = int(track_ids[column])
        last.update(found)
        for truth_id in truth_ids.tolist():
            covering.setdefault(truth_id, []).append(found.get(truth_id))
    total = TrackStatistics(num_tracks=len(tracks), false_positives=num_present)
    for sequence in covering.values():
        total += _statistics_of_object(sequence)
    return total


def _statistics_of_object(sequence: list[int | None]) -> TrackStatistics:
    """Of one object; each of its matches takes one from the false positives of the video."""
    matched = [track for track in sequence if track is not None]
    share = len(matched) / len(sequence)
    since_first_match = sequence[sequence.index(matched[0]) :] if matched else []
    return TrackStatistics(
        num_truths=1,
        visible=len(sequence),
        matches=len(matched),
        false_positives=-len(matched),
        id_switches=sum(a != b for a, b in itertools.pairwise(matched)),
        fragmentations=sum(
            a is None and b is not None for a, b in itertools.pairwise(since_first_match)
        ),
        mostly_tracked=int(share >= MOSTLY_TRACKED),
        mostly_lost=int(share < MOSTLY_LOST),
    )


def _label_map_overlaps(truth: np.ndarray, prediction: np.ndarray, void: int) -> FrameOverlaps:
    pairs = count_pairs(truth, prediction)
    counted = PairCounts(*(values[pairs.first != void] for values in pairs))
    truths, tracks = np.unique(counted.first), np.unique(counted.second)
    # 0 is background: no object, no track.
    return overlaps_of_pairs(counted, truths[truths > 0], tracks[tracks > 0])


def _visible(tracks: Sequence[Sequence[Rle | None]], num_frames: int) -> np.ndarray:
    if not tracks:
        return np.zeros((0, num_frames), dtype=bool)
    return np.stack([rle_areas(masks) > 0 for masks in tracks]).reshape(len(tracks), num_frames)


def _ious(truths: list[Rle], tracks: list[Rle]) -> np.ndarray:
    """[G, P] IoU of masks; -1 where their sizes differ, which never matches."""
    return np.asarray(coco_mask.iou(truths, tracks, np.zeros(len(tracks), dtype=np.uint8)))


def _match(
    ious: np.ndarray, last: np.ndarray, columns: np.ndarray, min_iou: float
) -> list[tuple[int, int]]:
    """Pairs (row, column): first those that continue, then the best assignment of the others."""
    pairs = []
    allowed = ious >= min_iou
    for row, track in enumerate(last):
        column = np.flatnonzero(columns == track)
        if column.size and allowed[row, column[0]]:
            pairs.append((row, int(column[0])))
            allowed[row] = False
            allowed[:, column[0]] = False
    # A match counts more than any sum of IoU, so that as many as possible are made.
    gain = np.where(allowed, min(ious.shape) + 1 + ious, 0.0)
    rows, chosen = linear_sum_assignment(gain, maximize=True)
    pairs += [(int(r), int(c)) for r, c in zip(rows, chosen, strict=True) if allowed[r, c]]
    return pairs
