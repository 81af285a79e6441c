"""Evaluator of video object segmentation: writes result folders and scores them video by video."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from univs.evaluation.label_map_files import voc_palette, write_video
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import atomic_text_file
from univs.evaluation.video_object_protocols import VideoObjectProtocol
from univs.evaluation.video_statistics import TrackStatistics
from univs.structures import VideoResult, compose_id_map

logger = logging.getLogger(__name__)


class RenderedFrames:
    """Label maps of a result, composed when they are asked for.

    Where objects overlap, the higher score is on top.

    Args:
        result: tracks of the video.
        names: names of its frames.
        max_objects: None to draw every track with the id of its target; a number to draw that many
            tracks, best scores first, with the ids 1, 2, ...

    Raises:
        ValueError: the number of names is not that of the frames, two tracks share a target, or
            there are tracks of which none belongs to a target.
    """

    def __init__(self, result: VideoResult, names: Sequence[str], max_objects: int | None) -> None:
        if len(names) != result.num_frames:
            raise ValueError(
                f"{len(names)} frame names for a result of {result.num_frames} frames."
            )
        self._index = {name: index for index, name in enumerate(names)}
        self._size = result.size
        if max_objects is None:
            self._tracks = [track for track in result.tracks if track.target_id is not None]
            self._ids = [track.target_id for track in self._tracks]
            if result.tracks and not self._tracks:
                raise ValueError(
                    "No track belongs to a target, so there is no object id to draw. For objects "
                    "that the model finds by itself set max_objects."
                )
            if len(set(self._ids)) != len(self._ids):
                raise ValueError(f"Two tracks belong to one target: {sorted(self._ids)}.")
        else:
            ranked = sorted(result.tracks, key=lambda track: -track.score)
            self._tracks = ranked[:max_objects]
            self._ids = list(range(1, len(self._tracks) + 1))

    def __call__(self, name: str) -> np.ndarray | None:
        """The label map of a frame, integer [H, W]; None if the result has no such frame."""
        if name not in self._index:
            return None
        frame = self._index[name]
        visible = [i for i, t in enumerate(self._tracks) if t.segmentations[frame] is not None]
        return compose_id_map(
            [self._tracks[i].segmentations[frame] for i in visible],
            [self._ids[i] for i in visible],
            [self._tracks[i].score for i in visible],
            self._size,
        )


class VideoObjectEvaluator(PerVideoEvaluator):
    """Evaluator for DAVIS, YouTube-VOS, MOSE, VIPOSeg and data sets like them.

    Videos are written and scored as they come and nothing but their scores is kept.

    Args:
        protocol: the benchmark; None if its truth is not public, to write results only.
        output_dir: where to write one folder of PNGs per video; None to score only.
        palette: colours of the PNGs, uint8 [256, 3]; those of the protocol by default.
        max_objects: see :class:`RenderedFrames`; that of the protocol, if there is one.
        set_name: part of the names of the CSV files.

    Example::

        evaluator = VideoObjectEvaluator(DavisProtocol(annotations), output_dir="results")
        evaluator.process([{"video_id": "bear", "file_names": paths}], [result])
        evaluator.evaluate()  # {"davis_semi_supervised": {"J&F-Mean": ...}}
    """

    def __init__(
        self,
        protocol: VideoObjectProtocol | None,
        *,
        output_dir: str | Path | None = None,
        palette: np.ndarray | None = None,
        max_objects: int | None = None,
        set_name: str = "val",
    ) -> None:
        if protocol is None and output_dir is None:
            raise ValueError("Give a protocol to score, an output_dir to write results, or both.")
        super().__init__()
        self._protocol = protocol
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._palette = palette
        if palette is None:
            self._palette = voc_palette() if protocol is None else protocol.palette
        self._max_objects = max_objects if protocol is None else protocol.max_objects
        self._set_name = set_name

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[VideoResult]) -> None:
        """Write and score a batch of videos.

        Args:
            inputs: per video ``video_id``, its name, and ``file_names``, the paths of its frames,
                whose stems name the result files.
            outputs: one result per video.

        Raises:
            ValueError: a video comes twice, or its result cannot be scored.
        """
        for sample, result in zip(inputs, outputs, strict=True):
            self._process_video(str(sample["video_id"]), sample["file_names"], result)

    def _process_video(self, video: str, file_names: Sequence[str], result: VideoResult) -> None:
        if not video or video in (".", "..") or Path(video).name != video:
            raise ValueError(f"{video!r} cannot be the name of a folder.")
        names = [Path(name).stem for name in file_names]
        if len(set(names)) != len(names):
            raise ValueError(f"Video {video!r}: two frames have the same name.")
        try:
            rendered = RenderedFrames(result, names, self._max_objects)
        except ValueError as error:
            raise ValueError(f"Video {video!r}: {error}") from error
        if self._protocol is not None and video not in self._protocol.videos:
            raise ValueError(f"Video {video!r} has no truth in {self._protocol.truth_dir}.")
        if self._output_dir is not None:
            frames = ((name, rendered(name)) for name in names)
            write_video(self._output_dir / video, frames, self._palette)
        if self._protocol is None:
            self.keep(video, None)
            return
        score = self._protocol.score_video(video, rendered)
        self.keep(video, (score, self._protocol.statistics(video, rendered)))

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """Numbers of all videos of all processes.

        Returns:
            ``{task: {name: number}, "track_stability": {"IDSw", "Frag", "MOTA", "MT", "ML"}}`` on
            the main process, ``{}`` if there is no truth; None on the others. Stability compares
            all objects of all annotated frames, see `TrackStatistics`; it is no part of the
            benchmark.

        Raises:
            ValueError: a video of the benchmark was not processed (and missing results are not
                allowed), or two processes processed the same one.
        """
        records = self.gather_records()
        if records is None:
            return None
        if self._protocol is None:
            return {}
        protocol = self._protocol
        for video in check_no_video_missing(protocol.videos, records, protocol.allow_missing):
            records[video] = (
                protocol.score_video(video, _no_frame),
                protocol.statistics(video, _no_frame),
            )
        result = protocol.summarize({video: records[video][0] for video in sorted(records)})
        statistics = sum((record[1] for record in records.values()), start=TrackStatistics())
        numbers = {name: value for name, value in result.items() if isinstance(value, float)}
        log_numbers(protocol.task, numbers)
        if self._output_dir is not None:
            self._write_tables(numbers, result.get("per_object"))
        return {protocol.task: numbers, "track_stability": statistics.as_numbers()}

    def _write_tables(self, numbers: Mapping[str, float], per_object: Mapping | None) -> None:
        write_csv(
            self._output_dir / f"global_results-{self._set_name}.csv",
            [list(numbers), [f"{value:.3f}" for value in numbers.values()]],
        )
        if per_object and all("J" in value for value in per_object.values()):
            rows = [
                [name, f"{value['J']:.3f}", f"{value['F']:.3f}"]
                for name, value in per_object.items()
            ]
            path = self._output_dir / f"per-sequence_results-{self._set_name}.csv"
            write_csv(path, [["Sequence", "J-Mean", "F-Mean"], *rows])


def _no_frame(name: str) -> None:
    """Reads the frames of a video that was not predicted."""


def log_numbers(task: str, numbers: Mapping[str, float]) -> None:
    """Log one row. (Detectron2's printer leaves out names with a hyphen, which DAVIS's have.)"""
    logger.info(
        "%s:\n%s",
        task,
        tabulate([numbers.values()], headers=list(numbers), tablefmt="pipe", floatfmt=".3f"),
    )


def write_csv(path: Path, rows: Sequence[Sequence]) -> None:
    """Write a table; the file appears when it is complete."""
    with atomic_text_file(path) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
