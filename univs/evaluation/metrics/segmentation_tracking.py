"""Segmentation and tracking quality, STQ (Weber et al., STEP, NeurIPS 2021), and VIPSeg's variant.

Counts are integers throughout, so a video of any size is exact.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from univs.evaluation.metrics.pair_counts import PairCounts, sum_pairs
from univs.evaluation.metrics.panoptic import checked_pair_counts
from univs.evaluation.metrics.panoptic_ids import join_class_and_instance
from univs.evaluation.metrics.video_panoptic import PanopticFrame

EPSILON = 1e-15  # of the official implementation
VIPSEG_IGNORE_LABEL = 255
VIPSEG_UNLISTED = (255 << 16) + 255  # class and instance of pixels without a listed segment


@dataclass(frozen=True)
class StqProtocol:
    """What a benchmark fixes.

    Attributes:
        num_classes: N.
        things: classes whose instances are tracked.
        ignore_label: class without meaning; above N it is mapped to N.
        label_bit_shift: bits of the instance below the class in a label.
    """

    num_classes: int
    things: tuple[int, ...]
    ignore_label: int = 255
    label_bit_shift: int = 16

    @property
    def num_rows(self) -> int:
        """Size of the confusion matrix."""
        return self.num_classes + (self.ignore_label >= self.num_classes)

    def scored_rows(self) -> np.ndarray:
        """[num_rows] bool, classes whose truth counts."""
        rows = np.arange(self.num_rows)
        return (rows < self.num_classes) & (rows != self.ignore_label)


KITTI_STEP = StqProtocol(num_classes=19, things=(11, 13))


class SequenceCounts:
    """Common pixels of truth and predicted labels of one sequence; grows frame by frame.

    Attributes:
        length: number of frames up to now.
        pairs: what they sum up to.
    """

    def __init__(self) -> None:
        self.length = 0
        self.pairs = PairCounts(*np.zeros((3, 0), dtype=np.int64))

    def add(self, truth: np.ndarray, prediction: np.ndarray, where: str) -> None:
        """Count a frame of labels, ``(class << label_bit_shift) + instance``, [H, W] each.

        Raises:
            ValueError: sizes differ, or a map holds no integers or a negative one.
        """
        self.add_pairs(checked_pair_counts(truth, prediction, where))

    def add_pairs(self, frame: PairCounts) -> None:
        """Add the pairs of a frame, in any order."""
        joined = (np.concatenate(parts) for parts in zip(self.pairs, frame, strict=True))
        self.pairs = sum_pairs(*joined)
        self.length += 1


@dataclass(frozen=True)
class SequenceQuality:
    """What one sequence adds to the benchmark.

    Attributes:
        association: sum over truth tubes of their association quality.
        num_tubes: number of truth tubes.
        confusion: [num_rows, num_rows] int64, rows truth, only rows that are scored.
        length: number of frames.
    """

    association: float
    num_tubes: int
    confusion: np.ndarray
    length: int


def sequence_quality(
    counts: SequenceCounts, protocol: StqProtocol, sequence: Hashable
) -> SequenceQuality:
    """Reduce the counts of a sequence.

    Raises:
        ValueError: a class is neither in the list nor the ignore label. The message names the
            sequence.
    """
    truth, prediction, pixels = counts.pairs
    true_class = _mapped_class(truth >> protocol.label_bit_shift, protocol, sequence, "truth")
    predicted_class = _mapped_class(
        prediction >> protocol.label_bit_shift, protocol, sequence, "prediction"
    )
    size = protocol.num_rows
    confusion = np.zeros((size, size), dtype=np.int64)
    np.add.at(confusion, (true_class, predicted_class), pixels)
    confusion[~protocol.scored_rows()] = 0

    true_thing = np.isin(true_class, protocol.things)
    instance = truth & ((1 << protocol.label_bit_shift) - 1)
    is_crowd = true_thing & (instance == 0)
    in_truth = true_thing & ~is_crowd
    in_prediction = np.isin(predicted_class, protocol.things) & ~is_crowd
    tubes, tube_of_pair = np.unique(truth[in_truth], return_inverse=True)
    tube_size = np.zeros(len(tubes), dtype=np.int64)
    np.add.at(tube_size, tube_of_pair, pixels[in_truth])
    predicted, predicted_of_pair = np.unique(prediction[in_prediction], return_inverse=True)
    predicted_size = np.zeros(len(predicted), dtype=np.int64)
    np.add.at(predicted_size, predicted_of_pair, pixels[in_prediction])

    both = in_truth & in_prediction  # one entry per pair of tubes, because pairs are distinct
    g = np.searchsorted(tubes, truth[both])
    p = np.searchsorted(predicted, prediction[both])
    common = pixels[both]
    share = common / (tube_size[g] + predicted_size[p] - common)
    association = float((common * share / tube_size[g]).sum())
    return SequenceQuality(association, len(tubes), confusion, counts.length)


def segmentation_tracking_quality(
    sequences: Mapping[Hashable, SequenceQuality],
) -> dict[str, object]:
    """Pool sequences.

    Args:
        sequences: name -> quality; the lists of the result keep this order.

    Returns:
        ``STQ``, ``AQ``, ``IoU`` as fractions, the lists ``STQ_per_seq``, ``AQ_per_seq``,
        ``IoU_per_seq``, ``ID_per_seq`` and ``Length_per_seq``. An IoU without any class is NaN.
    """
    values = list(sequences.values())
    num_tubes = sum(value.num_tubes for value in values)
    association = sum(value.association for value in values) / max(num_tubes, EPSILON)
    iou = _mean_iou(sum(value.confusion for value in values)) if values else math.nan
    association_per_sequence = [
        value.association / max(value.num_tubes, EPSILON) for value in values
    ]
    iou_per_sequence = [_mean_iou(value.confusion) for value in values]
    return {
        "STQ": math.sqrt(association * iou),
        "AQ": association,
        "IoU": iou,
        "STQ_per_seq": [
            math.sqrt(a * i)
            for a, i in zip(association_per_sequence, iou_per_sequence, strict=True)
        ],
        "AQ_per_seq": association_per_sequence,
        "IoU_per_seq": iou_per_sequence,
        "ID_per_seq": list(sequences),
        "Length_per_seq": [value.length for value in values],
    }


def vipseg_counts(frames: Iterable[PanopticFrame]) -> SequenceCounts:
    """Common pixels of a video of VIPSeg, whose maps hold segment ids instead of labels.

    On either side, ids are numbered 0, 1, 2, ... in the order of their first listing. As published,
    the truth segment that is listed first has the number 0 and so, if it is a thing, is a crowd.
    Pixels of an id that is not listed are void.
    """
    counts = SequenceCounts()
    truth_numbers: dict[int, int] = {}  # indexed by segment id
    predicted_numbers: dict[int, int] = {}
    for frame in frames:
        counts.add_pairs(
            PairCounts(
                _vipseg_labels(frame.pairs.first, frame.truth_segments, truth_numbers),
                _vipseg_labels(frame.pairs.second, frame.predicted_segments, predicted_numbers),
                frame.pairs.counts,
            )
        )
    return counts


def _vipseg_labels(
    ids: np.ndarray, segments: Iterable[Mapping], numbers: dict[int, int]
) -> np.ndarray:
    """Labels of the ids of a frame; of equal listings the last counts. ``numbers`` is extended."""
    label_of = {
        segment["id"]: int(
            join_class_and_instance(
                segment["category_id"], numbers.setdefault(segment["id"], len(numbers))
            )
        )
        for segment in segments
    }
    return np.array([label_of.get(i, VIPSEG_UNLISTED) for i in ids.tolist()], dtype=np.int64)


def vipseg_protocol(num_classes: int, things: Sequence[int]) -> StqProtocol:
    """The protocol of VIPSeg: ``num_classes`` is 124 there."""
    return StqProtocol(num_classes, tuple(things), ignore_label=VIPSEG_IGNORE_LABEL)


def _mapped_class(
    classes: np.ndarray, protocol: StqProtocol, sequence: Hashable, side: str
) -> np.ndarray:
    if protocol.ignore_label > protocol.num_classes:
        classes = np.where(classes == protocol.ignore_label, protocol.num_classes, classes)
    outside = classes >= protocol.num_rows
    if outside.any():
        raise ValueError(
            f"Sequence {sequence!r}: the {side} holds the class {classes[outside][0]}, but there "
            f"are {protocol.num_classes} classes and the ignore label {protocol.ignore_label}."
        )
    return classes


def _mean_iou(confusion: np.ndarray) -> float:
    """Mean over classes with a union; predicted void counts as a class of its own, as published."""
    intersection = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
    count = np.count_nonzero(union)
    return float((intersection / np.maximum(union, EPSILON)).sum() / count) if count else math.nan
