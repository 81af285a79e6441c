"""Evaluator of instance tracks on YouTube-VIS, OVIS and data sets of the same layout."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from detectron2.data import MetadataCatalog
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from univs.evaluation.metadata import required, thing_ids
from univs.evaluation.metrics.average_precision import MatchRecord
from univs.evaluation.metrics.tubes import Tube
from univs.evaluation.metrics.youtube_vis import (
    PredictedTrack,
    TrackAp,
    TruthTrack,
    YoutubeVisTruth,
    average_precision,
    read_predictions,
    score_video,
    youtube_vis_ap,
)
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import ResultParts, read_json_list
from univs.evaluation.video_statistics import TrackStatistics, track_statistics
from univs.structures import Rle, VideoResult

logger = logging.getLogger(__name__)


STABLE_SCORE = 0.5  # tracks below are guesses, which say nothing about identities


class _VideoRecord(NamedTuple):
    matches: dict[int, MatchRecord]  # indexed by category id of the data set
    statistics: TrackStatistics


class YoutubeVISEvaluator(PerVideoEvaluator):
    """Average precision and recall of tracks; also writes ``results.json``.

    Every video is scored and written as soon as it is predicted, so memory stays small. The data
    set's metadata must hold ``json_file`` (the annotation file) and
    ``thing_dataset_id_to_contiguous_id``. A file without annotations, as of a test split, is not
    scored; only the result file is written.
    """

    def __init__(
        self,
        dataset_name: str,
        output_dir: str | os.PathLike | None = None,
        *,
        allow_missing: bool = False,
    ) -> None:
        """Read the annotations.

        Args:
            dataset_name: a registered data set.
            output_dir: where ``results.json`` goes, usually ``OUTPUT_DIR/inference``; None writes
                nothing.
            allow_missing: score videos that were not processed as empty.

        Raises:
            ValueError: the metadata lacks an entry, or the annotation file is broken.
        """
        super().__init__()
        self._parts = None if output_dir is None else ResultParts(Path(output_dir, "results.json"))
        self._allow_missing = allow_missing
        metadata = MetadataCatalog.get(dataset_name)
        self._dataset_ids = thing_ids(metadata)
        self._truth = read_truth(required(metadata, "json_file"))

    def process(
        self, inputs: Sequence[Mapping], outputs: VideoResult | Sequence[VideoResult]
    ) -> None:
        """Score videos.

        Args:
            inputs: per video ``video_id``.
            outputs: one result per video; a single one need not be in a list.

        Raises:
            ValueError: the data set has no such video, it has another number of frames, or a track
                has no category of the data set.
        """
        outputs = [outputs] if isinstance(outputs, VideoResult) else outputs
        for record, result in zip(inputs, outputs, strict=True):
            self._process_video(record["video_id"], result)

    def evaluate(self) -> OrderedDict | None:
        """Write ``results.json``, log the tables and return the numbers.

        Returns:
            ``{"segm": {"AP", "AP50", ..., "AP-<category>"}, "track_stability": {"IDSw", "Frag",
            "MOTA", "MT", "ML"}}``; AP in per cent, NaN where undefined. Stability is that of the
            tracks with a score of `STABLE_SCORE` or more, whatever their categories, see
            `TrackStatistics`. Empty if there are no annotations; None on all but the main process.

        Raises:
            ValueError: a video of the data set was not processed and ``allow_missing`` is off, or
                one was processed twice.
        """
        records = self.gather_records()
        if not comm.is_main_process():
            return None
        if self._parts is not None:
            self._parts.join(records)
            logger.info("Wrote the tracks of %d videos to %s", len(records), self._parts.path)
        if not self._truth.has_annotations:
            logger.info("The data set has no annotations, so nothing is scored.")
            return OrderedDict()
        check_no_video_missing(self._truth.tracks, records, self._allow_missing)
        videos = {
            video_id: records[video_id].matches
            if video_id in records
            else score_video([], truths, self._truth.settings)
            for video_id, truths in self._truth.tracks.items()
        }
        result = average_precision(videos, list(self._truth.categories), self._truth.settings)
        log_track_ap(result, self._truth.categories)
        statistics = sum(
            (
                records[video_id].statistics
                if video_id in records
                else video_statistics([], truths, self._truth.video_lengths[video_id])
                for video_id, truths in self._truth.tracks.items()
            ),
            start=TrackStatistics(),
        )
        return OrderedDict(
            segm=percentages(result, self._truth.categories),
            track_stability=statistics.as_numbers(),
        )

    def _process_video(self, video_id: int | str, result: VideoResult) -> None:
        where = f"Video {video_id!r}"
        if video_id not in self._truth.video_lengths:
            raise ValueError(f"{where} is not in the annotation file of the data set.")
        if result.num_frames != self._truth.video_lengths[video_id]:
            raise ValueError(
                f"{where} has {self._truth.video_lengths[video_id]} frames, but the prediction has "
                f"{result.num_frames}."
            )
        try:
            results = result.to_youtube_vis(video_id, self._dataset_ids)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        if self._parts is not None:
            self._parts.write(video_id, results)
        matches, statistics = {}, TrackStatistics()
        if self._truth.has_annotations:
            predictions = read_predictions(results, self._truth).get(video_id, [])
            truths = self._truth.tracks[video_id]
            matches = score_video(predictions, truths, self._truth.settings)
            statistics = video_statistics(predictions, truths, result.num_frames)
        self.keep(video_id, _VideoRecord(matches, statistics))


def video_statistics(
    predictions: Sequence[PredictedTrack], truths: Sequence[TruthTrack], num_frames: int
) -> TrackStatistics:
    """Stability of the tracks of one video with a score of `STABLE_SCORE` or more.

    Lists that are shorter or longer than ``num_frames`` are filled up or cut. Crowds do not count.
    """
    return track_statistics(
        [_masks(truth.tube, num_frames) for truth in truths if not truth.is_crowd],
        [_masks(track.tube, num_frames) for track in predictions if track.score >= STABLE_SCORE],
    )


def _masks(tube: Tube, num_frames: int) -> list[Rle | None]:
    masks = [
        None if text is None else {"size": list(size), "counts": text}
        for text, size in zip(tube.counts, tube.sizes, strict=True)
    ]
    return (masks + [None] * (num_frames - len(masks)))[:num_frames]


def score_result_file(
    json_file: str | os.PathLike, results_file: str | os.PathLike
) -> OrderedDict[str, OrderedDict[str, float]]:
    """Score a ``results.json`` that lies on disk; see `YoutubeVISEvaluator.evaluate`.

    A video without any track in the file counts as predicted empty, as published.
    """
    truth = read_truth(json_file)
    result = youtube_vis_ap(truth, read_json_list(results_file))
    log_track_ap(result, truth.categories)
    return OrderedDict(segm=percentages(result, truth.categories))


def read_truth(json_file: str | os.PathLike) -> YoutubeVisTruth:
    """Read an annotation file.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is broken; the message names it.
    """
    path = PathManager.get_local_path(os.fspath(json_file))
    with open(path, encoding="utf-8") as file:
        try:
            data = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{json_file} is not a JSON file: {error}.") from error
    return YoutubeVisTruth.from_json(data, source=os.fspath(json_file))


def percentages(result: TrackAp, categories: Mapping[int, str]) -> OrderedDict[str, float]:
    """All rows and the AP of every category as Detectron2 reports them: per cent, or NaN."""
    values = OrderedDict(
        (name, 100 * value if value >= 0 else float("nan")) for name, value in result.stats.items()
    )
    for category_id, value in result.per_category.items():
        values[f"AP-{categories[category_id]}"] = 100 * value
    return values


def log_track_ap(result: TrackAp, categories: Mapping[int, str]) -> None:
    """Log the rows of the official tool, and tables of the main numbers and of the categories."""
    logger.info("Evaluation results for segm:\n%s", "\n".join(result.summary))
    values = percentages(result, categories)
    main = {name: values[name] for name in result.stats}
    logger.info(
        "In per cent:\n%s",
        tabulate([main.values()], headers=list(main), tablefmt="pipe", floatfmt=".3f"),
    )
    cells = [
        (categories[category_id], 100 * value) for category_id, value in result.per_category.items()
    ]
    per_row = min(3, len(cells)) or 1
    rows = [
        list(itertools.chain.from_iterable(cells[start : start + per_row]))
        for start in range(0, len(cells), per_row)
    ]
    logger.info(
        "Per-category segm AP:\n%s",
        tabulate(rows, headers=["category", "AP"] * per_row, tablefmt="pipe", floatfmt=".3f"),
    )
