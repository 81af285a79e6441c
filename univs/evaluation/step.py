"""Evaluator of KITTI-STEP: STQ of maps that hold class and instance of every pixel."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from univs.evaluation.label_map_files import frame_names
from univs.evaluation.metrics.pair_counts import PairCounts
from univs.evaluation.metrics.panoptic import checked_pair_counts
from univs.evaluation.metrics.panoptic_ids import join_class_and_instance
from univs.evaluation.metrics.segmentation_tracking import (
    SequenceCounts,
    SequenceQuality,
    StqProtocol,
    segmentation_tracking_quality,
    sequence_quality,
)
from univs.evaluation.panoptic_files import read_step_map, write_step_map
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.video_pool import score_each
from univs.evaluation.video_statistics import (
    FrameOverlaps,
    TrackStatistics,
    overlaps_of_pairs,
    statistics_of_overlaps,
)
from univs.structures import VideoResult

logger = logging.getLogger(__name__)

VOID = 255  # class of pixels without a track in result files


class StepScores(NamedTuple):
    """What one sequence adds: to STQ, and the stability of its things."""

    tracking: SequenceQuality
    statistics: TrackStatistics


class StepTruth:
    """Maps of a data set in the layout of KITTI-STEP: ``<sequence>/<frame>.png``.

    Attributes:
        sequences: names of the sequences, sorted.
        protocol: number of classes, things and void.
    """

    def __init__(self, root: str | os.PathLike, protocol: StqProtocol) -> None:
        """List the sequences.

        Raises:
            FileNotFoundError: there is no such folder, or no sequence in it.
        """
        self._root = Path(root)
        if not self._root.is_dir():
            raise FileNotFoundError(f"There is no folder of annotations {self._root}.")
        self.sequences = sorted(path.name for path in self._root.iterdir() if path.is_dir())
        if not self.sequences:
            raise FileNotFoundError(f"{self._root} holds no sequence.")
        self.protocol = protocol

    def frame_names(self, sequence: str) -> list[str]:
        """Names of the annotated frames."""
        return frame_names(self._root / sequence)

    def labels(self, sequence: str, name: str) -> np.ndarray:
        """Class and instance of every pixel of a frame, joined: [H, W] int64."""
        return read_step_map(self._root / sequence / f"{name}.png")

    @staticmethod
    def result_labels(result_dir: str | os.PathLike, sequence: str, name: str) -> np.ndarray:
        """Predicted class and instance of every pixel of a frame, joined: [H, W] int64."""
        return read_step_map(Path(result_dir) / sequence / f"{name}.png")

    def score(self, sequence: str, predictions: Iterable[np.ndarray]) -> StepScores:
        """Score one sequence.

        Args:
            sequence: its name.
            predictions: joined labels [H, W] of every annotated frame, in order.

        Raises:
            ValueError: sizes differ, or a class is unknown. The message names sequence and frame.
        """
        counts, overlaps = SequenceCounts(), []
        for name, predicted in zip(self.frame_names(sequence), predictions, strict=True):
            where = f"Sequence {sequence!r}, frame {name}"
            pairs = checked_pair_counts(self.labels(sequence, name), predicted, where)
            counts.add_pairs(pairs)
            overlaps.append(self._thing_overlaps(pairs))
        return StepScores(
            sequence_quality(counts, self.protocol, sequence), statistics_of_overlaps(overlaps)
        )

    def _thing_overlaps(self, pairs: PairCounts) -> FrameOverlaps:
        """Of the things that are no crowds; pixels of void and of crowds do not count."""
        shift = self.protocol.label_bit_shift
        true_class, instance = pairs.first >> shift, pairs.first & ((1 << shift) - 1)
        is_thing = np.isin(true_class, self.protocol.things)
        counts = (true_class != self.protocol.ignore_label) & ~(is_thing & (instance == 0))
        return overlaps_of_pairs(
            PairCounts(*(values[counts] for values in pairs)),
            truths=np.unique(pairs.first[is_thing & counts]),
            tracks=np.unique(pairs.second[np.isin(pairs.second >> shift, self.protocol.things)]),
        )


class StepEvaluator(PerVideoEvaluator):
    """STQ with its parts AQ and IoU; also writes ``<sequence>/<frame>.png``.

    The red channel of a result is the class, green and blue are the instance; stuff has the
    instance 0, and pixels without a track the class 255.
    """

    unit = "sequence"

    def __init__(
        self,
        truth: StepTruth | None,
        things: Sequence[int],
        output_dir: str | os.PathLike | None = None,
        *,
        allow_missing: bool = False,
    ) -> None:
        """Begin.

        Args:
            truth: annotations; None if they are not public, to write results only.
            things: classes whose tracks are instances.
            output_dir: where PNGs go; None writes nothing.
            allow_missing: score sequences that were not processed as predicted void.
        """
        if truth is None and output_dir is None:
            raise ValueError("The masks are not public: give an output_dir to write results to.")
        super().__init__()
        self._truth = truth
        self._things = frozenset(things)
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._allow_missing = allow_missing

    def process(
        self, inputs: Sequence[Mapping], outputs: VideoResult | Sequence[VideoResult]
    ) -> None:
        """Score and write sequences.

        Args:
            inputs: per sequence ``video_id``, its name, and ``file_names``, the paths of its
                frames.
            outputs: one result per sequence; the category of a track is its class.

        Raises:
            ValueError: a sequence is unknown, has other frames, or a track has no class.
        """
        outputs = [outputs] if isinstance(outputs, VideoResult) else outputs
        for sample, result in zip(inputs, outputs, strict=True):
            sequence = str(sample["video_id"])
            names = [Path(name).stem for name in sample["file_names"]]
            if len(names) != result.num_frames:
                raise ValueError(
                    f"Sequence {sequence!r} has {len(names)} frames, but the prediction has "
                    f"{result.num_frames}."
                )
            frames = self._frames(sequence, names, result)
            if self._truth is None:
                for _ in frames:
                    pass
                self.keep(sequence, None)
                continue
            if sequence not in self._truth.sequences:
                raise ValueError(f"Sequence {sequence!r} has no annotations.")
            if names != self._truth.frame_names(sequence):
                raise ValueError(f"Sequence {sequence!r}: its frames are not the annotated ones.")
            self.keep(sequence, self._truth.score(sequence, frames))

    def evaluate(self) -> OrderedDict | None:
        """Log a table and return the numbers.

        Returns:
            ``{"panoptic_seg": {"STQ", "AQ", "IoU"}, "track_stability": {"IDSw", "Frag", "MOTA",
            "MT", "ML"}}``, quality in per cent; empty if there are no annotations; None on all but
            the main process.

        Raises:
            ValueError: a sequence was not processed and ``allow_missing`` is off.
        """
        scores = self.gather_records()
        if scores is None:
            return None
        if self._truth is None:
            return OrderedDict()
        for sequence in check_no_video_missing(
            self._truth.sequences, scores, self._allow_missing, unit=self.unit
        ):
            void = self._truth.protocol.ignore_label << self._truth.protocol.label_bit_shift
            scores[sequence] = self._truth.score(
                sequence,
                (
                    np.full_like(self._truth.labels(sequence, name), void)
                    for name in self._truth.frame_names(sequence)
                ),
            )
        statistics = sum((part.statistics for part in scores.values()), start=TrackStatistics())
        return OrderedDict(
            panoptic_seg=step_percentages(scores), track_stability=statistics.as_numbers()
        )

    def _frames(
        self, sequence: str, names: Sequence[str], result: VideoResult
    ) -> Iterator[np.ndarray]:
        """Joined labels of every frame, written when they are made."""
        num_classes = VOID if self._truth is None else self._truth.protocol.num_classes
        for track in result.tracks:
            if track.category is None or not 0 <= track.category < num_classes:
                raise ValueError(
                    f"Sequence {sequence!r}: track {track.id} has the category {track.category}, "
                    "which is no class of this data set."
                )
        ids = np.array([0, *(track.id for track in result.tracks)])
        classes = np.array([VOID, *(track.category for track in result.tracks)])
        instances = np.where(np.isin(classes, list(self._things)), ids, 0)
        try:
            labels_of_tracks = join_class_and_instance(classes, instances)
        except ValueError as error:
            raise ValueError(f"Sequence {sequence!r}: {error}") from error
        order = np.argsort(ids)
        for frame, name in enumerate(names):
            id_map = result.frame(frame).to_id_map()
            labels = labels_of_tracks[order][np.searchsorted(ids[order], id_map)]
            if self._output_dir is not None:
                write_step_map(self._output_dir / sequence / f"{name}.png", labels)
            yield labels


def step_percentages(scores: Mapping[Hashable, StepScores]) -> OrderedDict[str, float]:
    """Pool sequences in the order of their names, and log a table."""
    quality = segmentation_tracking_quality(
        {sequence: scores[sequence].tracking for sequence in sorted(scores)}
    )
    values = OrderedDict((name, 100 * quality[name]) for name in ("STQ", "AQ", "IoU"))
    logger.info(
        "Segmentation and tracking quality:\n%s",
        tabulate([values.values()], headers=list(values), tablefmt="pipe", floatfmt=".4f"),
    )
    return values


def score_sequences(
    truth: StepTruth, result_dir: str | os.PathLike, *, processes: int = 1
) -> dict[str, StepScores]:
    """Score ``<sequence>/<frame>.png`` of a folder, by sequence.

    Args:
        truth: annotations.
        result_dir: the folder.
        processes: how many sequences to score at a time.

    Raises:
        FileNotFoundError: a sequence or frame has no result.
        ValueError: a map is broken; the message names sequence and frame.
    """
    score = partial(_score_folder, truth, Path(result_dir))
    return score_each(truth.sequences, score, processes)


def _score_folder(truth: StepTruth, result_dir: Path, sequence: str) -> StepScores:
    folder = result_dir / sequence
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: the sequence has no results.")
    frames = (
        truth.result_labels(result_dir, sequence, name) for name in truth.frame_names(sequence)
    )
    return truth.score(sequence, frames)
