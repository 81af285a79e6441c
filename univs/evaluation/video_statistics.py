"""How stable tracks are: identity switches, interruptions and coverage, as in CLEAR MOT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from univs.structures import Rle, rle_areas

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


def track_statistics(
    truths: Sequence[Sequence[Rle | None]],
    tracks: Sequence[Sequence[Rle | None]],
    min_iou: float = 0.5,
) -> TrackStatistics:
    """Compare the tracks of one video with its truth, whatever their categories.

    In each frame, an object stays with the track of its last match if their masks still overlap
    enough; the others are assigned so that the number of matches, then the summed IoU, is largest.

    Args:
        truths: masks of each annotated object, one entry per frame, None where it is not visible.
        tracks: the same of each predicted track, with as many frames.
        min_iou: smallest mask IoU of a match, above 0.

    Raises:
        ValueError: tracks differ in their number of frames, or masks of a frame in their size.
    """
    if not 0 < min_iou <= 1:
        raise ValueError(f"min_iou must lie above 0 and not above 1, but is {min_iou}.")
    lengths = {len(masks) for masks in (*truths, *tracks)}
    if len(lengths) > 1:
        raise ValueError(f"Tracks have different numbers of frames: {sorted(lengths)}.")
    num_frames = lengths.pop() if lengths else 0
    is_visible = _visible(truths, num_frames)  # [G, T]
    is_present = _visible(tracks, num_frames)  # [P, T]
    covering = np.full(is_visible.shape, -1)  # index of the track that covers an object
    last = np.full(len(truths), -1)  # of the last frame in which one did
    for frame in range(num_frames):
        rows = np.flatnonzero(is_visible[:, frame])
        columns = np.flatnonzero(is_present[:, frame])
        if len(rows) and len(columns):
            ious = _ious([truths[r][frame] for r in rows], [tracks[c][frame] for c in columns])
            for row, column in _match(ious, last[rows], columns, min_iou):
                covering[rows[row], frame] = last[rows[row]] = columns[column]
    is_covered = covering >= 0
    share = is_covered.sum(axis=1) / np.maximum(is_visible.sum(axis=1), 1)
    exists = is_visible.any(axis=1)
    switches, fragments = 0, 0
    for visible, covered, tracks_of_object in zip(is_visible, is_covered, covering, strict=True):
        sequence = tracks_of_object[covered]
        switches += int((sequence[1:] != sequence[:-1]).sum())
        state = covered[visible]
        resumes = np.flatnonzero(~state[:-1] & state[1:])
        fragments += int(sum(state[: at + 1].any() for at in resumes))
    return TrackStatistics(
        num_truths=int(exists.sum()),
        num_tracks=int(is_present.any(axis=1).sum()),
        visible=int(is_visible.sum()),
        matches=int(is_covered.sum()),
        false_positives=int(is_present.sum() - is_covered.sum()),
        id_switches=switches,
        fragmentations=fragments,
        mostly_tracked=int((share[exists] >= MOSTLY_TRACKED).sum()),
        mostly_lost=int((share[exists] < MOSTLY_LOST).sum()),
    )


def _visible(tracks: Sequence[Sequence[Rle | None]], num_frames: int) -> np.ndarray:
    if not tracks:
        return np.zeros((0, num_frames), dtype=bool)
    return np.stack([rle_areas(masks) > 0 for masks in tracks]).reshape(len(tracks), num_frames)


def _ious(truths: list[Rle], tracks: list[Rle]) -> np.ndarray:
    """[G, P] IoU of masks."""
    sizes = {tuple(rle["size"]) for rle in (*truths, *tracks)}
    if len(sizes) > 1:
        raise ValueError(f"Masks of one frame have different sizes: {sorted(sizes)}.")
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
