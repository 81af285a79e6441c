"""Evaluator of panoptic videos: VIPSeg, Cityscapes-VPS and data sets of the same layouts."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tabulate import tabulate

from detectron2.utils import comm
from univs.evaluation.metrics.panoptic import PanopticCategories
from univs.evaluation.metrics.segmentation_tracking import segmentation_tracking_quality
from univs.evaluation.metrics.video_panoptic import video_panoptic_quality
from univs.evaluation.panoptic_files import write_id_map
from univs.evaluation.panoptic_video_truth import (
    PanopticPrediction,
    PanopticVideoScores,
    PanopticVideoTruth,
)
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import atomic_text_file
from univs.evaluation.video_pool import score_each
from univs.evaluation.video_statistics import TrackStatistics
from univs.structures import VideoResult

logger = logging.getLogger(__name__)


class VideoPanopticEvaluator(PerVideoEvaluator):
    """VPQ for every window length, things and stuff, and STQ where the benchmark reports it.

    Also writes the submission files: ``pred.json`` and maps in ``pan_pred``.
    """

    def __init__(
        self,
        truth: PanopticVideoTruth,
        output_dir: str | os.PathLike | None = None,
        *,
        windows: Sequence[int] | None = None,
        allow_missing: bool = False,
    ) -> None:
        """Begin.

        Args:
            truth: annotations.
            output_dir: where files go; None writes nothing.
            windows: lengths in frames; None takes those of the benchmark.
            allow_missing: score videos that were not processed as predicted void.
        """
        super().__init__()
        self._truth = truth
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._windows = truth.windows if windows is None else tuple(windows)
        self._allow_missing = allow_missing

    def process(
        self, inputs: Sequence[Mapping], outputs: VideoResult | Sequence[VideoResult]
    ) -> None:
        """Score and write videos.

        Args:
            inputs: per video ``video_id``, and ``file_names``, the paths of its frames, where only
                some frames are annotated.
            outputs: one result per video; the category of a track is the position of its id among
                the ids of the data set.

        Raises:
            ValueError: a video is unknown, or has another number or size of frames.
        """
        outputs = [outputs] if isinstance(outputs, VideoResult) else outputs
        for sample, result in zip(inputs, outputs, strict=True):
            video = sample["video_id"]
            if video not in self._truth.videos:
                raise ValueError(f"Video {video!r} is not in the annotation file.")
            annotated = self._truth.annotated_frames(video, result.num_frames, sample)
            listed: dict[str, list[dict]] = {}
            frames = self._frames(video, annotated, result, listed)
            scores = self._truth.score(video, frames, self._windows)
            self.keep(video, (scores, listed))

    def evaluate(self) -> OrderedDict | None:
        """Write ``pred.json``, log tables and return the numbers.

        Returns:
            ``{"panoptic_seg": {"VPQ", "VPQ_thing", "VPQ_stuff", "VPQ1", ..., "STQ", "AQ", "IoU"},
            "track_stability": {"IDSw", "Frag", "MOTA", "MT", "ML"}}``; quality in per cent, NaN
            where undefined; stability is that of things, see `TrackStatistics`. None on all but the
            main process.
        """
        records = self.gather_records()
        if not comm.is_main_process():
            return None
        if self._output_dir is not None:
            listed = {video: listed for video, (_, listed) in records.items()}
            with atomic_text_file(self._output_dir / "pred.json") as file:
                json.dump({"annotations": self._truth.result_json(listed)}, file)
        missing = check_no_video_missing(self._truth.videos, records, self._allow_missing)
        scores = {video: scores for video, (scores, _) in records.items()}
        for video in missing:
            scores[video] = self._truth.score(video, self._void(video), self._windows)
        statistics = sum((part.statistics for part in scores.values()), start=TrackStatistics())
        return OrderedDict(
            panoptic_seg=panoptic_percentages(scores, self._windows, self._truth.categories),
            track_stability=statistics.as_numbers(),
        )

    def _frames(
        self,
        video: Hashable,
        annotated: Sequence[int],
        result: VideoResult,
        listed: dict[str, list[dict]],
    ) -> Iterator[PanopticPrediction]:
        """Annotated frames of a result, each written when it is made; ``listed`` is filled."""
        mapping = dict(enumerate(self._truth.categories.ids))
        name_of_frame = dict(zip(annotated, self._truth.frame_names(video), strict=True))
        try:
            for frame, (ids, segments) in enumerate(result.to_panoptic(mapping)):
                if frame not in name_of_frame:
                    continue
                name = name_of_frame[frame]
                listed[name] = segments
                if self._output_dir is not None:
                    write_id_map(self._output_dir / self._truth.result_map(video, name), ids)
                yield ids, segments
        except ValueError as error:
            raise ValueError(f"Video {video!r}: {error}") from error

    def _void(self, video: Hashable) -> Iterator[PanopticPrediction]:
        for name in self._truth.frame_names(video):
            yield np.zeros_like(self._truth.id_map(video, name)), []


def panoptic_percentages(
    scores: Mapping[Hashable, PanopticVideoScores],
    windows: Sequence[int],
    categories: PanopticCategories,
) -> OrderedDict[str, float]:
    """Pool the scores of videos in the order of their ids and log a table per window length."""
    ordered = [(video, scores[video]) for video in sorted(scores)]
    quality = video_panoptic_quality((s.windows for _, s in ordered), windows, categories)
    values = OrderedDict((name, quality[name]) for name in ("VPQ", "VPQ_thing", "VPQ_stuff"))
    for length, row in quality["per_window"].items():
        values[f"VPQ{length}"] = 100 * row["All"]["pq"]
        table = [
            [group, *(100 * row[group][name] for name in ("pq", "sq", "rq")), row[group]["n"]]
            for group in ("All", "Things", "Stuff")
        ]
        logger.info(
            "Video panoptic quality, windows of %d frames:\n%s",
            length,
            tabulate(table, headers=["", "PQ", "SQ", "RQ", "N"], tablefmt="pipe", floatfmt=".4f"),
        )
    if all(s.tracking is not None for _, s in ordered):
        tracking = segmentation_tracking_quality({video: s.tracking for video, s in ordered})
        values.update((name, 100 * tracking[name]) for name in ("STQ", "AQ", "IoU"))
    logger.info(
        "Video panoptic segmentation:\n%s",
        tabulate([values.values()], headers=list(values), tablefmt="pipe", floatfmt=".4f"),
    )
    return values


def score_videos(
    truth: PanopticVideoTruth,
    result_dir: str | os.PathLike,
    windows: Sequence[int] | None = None,
    *,
    processes: int = 1,
) -> dict[Hashable, PanopticVideoScores]:
    """Score ``pred.json`` and ``pan_pred`` of a folder, by video.

    Args:
        truth: annotations.
        result_dir: the folder.
        windows: lengths in frames; None takes those of the benchmark.
        processes: how many videos to score at a time.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a video or frame is missing, unknown or broken; the message names it.
    """
    listed = truth.listed_segments(Path(result_dir) / "pred.json")
    score = partial(_score_files, truth, Path(result_dir), listed, windows)
    return score_each(truth.videos, score, processes)


def _score_files(
    truth: PanopticVideoTruth,
    result_dir: Path,
    listed: Mapping[Hashable, Mapping[str, list[dict]]],
    windows: Sequence[int] | None,
    video: Hashable,
) -> PanopticVideoScores:
    frames = (
        (truth.result_id_map(result_dir, video, name), listed[video][name])
        for name in truth.frame_names(video)
    )
    return truth.score(video, frames, windows)
