"""Evaluator of panoptic videos: VIPSeg and data sets of the same layout."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from detectron2.utils import comm
from univs.evaluation.metrics.panoptic import PanopticCategories, PanopticStatistics
from univs.evaluation.metrics.segmentation_tracking import (
    SequenceQuality,
    segmentation_tracking_quality,
    sequence_quality,
    vipseg_counts,
    vipseg_protocol,
)
from univs.evaluation.metrics.video_panoptic import (
    VIPSEG_WINDOWS,
    PanopticFrame,
    video_panoptic_quality,
    video_statistics,
)
from univs.evaluation.panoptic_files import read_id_map, write_id_map
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import atomic_text_file
from univs.structures import VideoResult

logger = logging.getLogger(__name__)


class PanopticVideoScores(NamedTuple):
    """What one video adds to VPQ (by window length) and to STQ."""

    windows: dict[int, PanopticStatistics]
    tracking: SequenceQuality


class PanopticVideoTruth:
    """The annotations of a data set in the layout of VIPSeg's evaluation.

    Attributes:
        categories: of the data set; results count categories by their position in ascending id.
        names: category id -> name.
        videos: video id -> annotations of its frames, ``{file_name, segments_info}``, in order.
    """

    def __init__(self, panoptic_json: str | os.PathLike, panoptic_root: str | os.PathLike) -> None:
        """Read the list of segments; maps are read when they are needed.

        Args:
            panoptic_json: ``{"annotations": [{video_id, annotations: [...]}], "categories"}``.
            panoptic_root: folder of ``<video>/<frame>.png``.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: it is broken, or a video occurs twice.
        """
        content = read_panoptic_json(panoptic_json)
        if "categories" not in content:
            raise ValueError(f"{panoptic_json}: the key 'categories' is missing.")
        categories = sorted(content["categories"], key=lambda category: category["id"])
        self.categories = PanopticCategories.from_json(categories)
        self.names = {category["id"]: category.get("name", "") for category in categories}
        self.videos = frames_by_video(content, panoptic_json)
        self._root = Path(panoptic_root)
        self._protocol = vipseg_protocol(
            max(self.categories.ids, default=-1) + 1,
            np.array(self.categories.ids)[self.categories.is_thing].tolist(),
        )

    def frame_names(self, video: Hashable) -> list[str]:
        """Stems of the frames of a video."""
        return [Path(frame["file_name"]).stem for frame in self.videos[video]]

    def id_map(self, video: Hashable, name: str) -> np.ndarray:
        """Segment ids of a frame: [H, W] uint32."""
        return read_id_map(self._root / str(video) / f"{name}.png")

    def score(
        self,
        video: Hashable,
        predictions: Iterable[tuple[np.ndarray, Sequence[Mapping]]],
        windows: Sequence[int] = VIPSEG_WINDOWS,
    ) -> PanopticVideoScores:
        """Score one video.

        Args:
            video: its id.
            predictions: id map [H, W] and ``{id, category_id}`` list of every annotated frame.
            windows: lengths in frames.

        Raises:
            ValueError: sizes differ, a map and its list disagree, or a category is unknown.
        """
        names = self.frame_names(video)
        frames = [
            PanopticFrame.from_maps(
                self.id_map(video, name),
                predicted,
                listed["segments_info"],
                segments,
                f"Video {video!r}, frame {name}",
            )
            for name, listed, (predicted, segments) in zip(
                names, self.videos[video], predictions, strict=True
            )
        ]
        return PanopticVideoScores(
            video_statistics(frames, windows, self.categories, str(video), names),
            sequence_quality(vipseg_counts(frames), self._protocol, video),
        )


class VideoPanopticEvaluator(PerVideoEvaluator):
    """VPQ for every window length, things and stuff, and STQ; also writes the submission files.

    Written are ``pan_pred/<video>/<frame>.png`` and ``pred.json``.
    """

    def __init__(
        self,
        panoptic_json: str | os.PathLike,
        panoptic_root: str | os.PathLike,
        output_dir: str | os.PathLike | None = None,
        *,
        windows: Sequence[int] = VIPSEG_WINDOWS,
        allow_missing: bool = False,
    ) -> None:
        """Read the annotations.

        Args:
            panoptic_json, panoptic_root: see `PanopticVideoTruth`.
            output_dir: where files go; None writes nothing.
            windows: lengths in frames.
            allow_missing: score videos that were not processed as predicted void.
        """
        super().__init__()
        self._truth = PanopticVideoTruth(panoptic_json, panoptic_root)
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._windows = tuple(windows)
        self._allow_missing = allow_missing

    def process(
        self, inputs: Sequence[Mapping], outputs: VideoResult | Sequence[VideoResult]
    ) -> None:
        """Score and write videos.

        Args:
            inputs: per video ``video_id``.
            outputs: one result per video; the category of a track is the position of its id among
                the ids of the data set.

        Raises:
            ValueError: a video is unknown, or has another number or size of frames.
        """
        outputs = [outputs] if isinstance(outputs, VideoResult) else outputs
        for record, result in zip(inputs, outputs, strict=True):
            video = record["video_id"]
            if video not in self._truth.videos:
                raise ValueError(f"Video {video!r} is not in the annotation file.")
            names = self._truth.frame_names(video)
            if result.num_frames != len(names):
                raise ValueError(
                    f"Video {video!r} has {len(names)} frames, but the prediction has "
                    f"{result.num_frames}."
                )
            listed: list[dict] = []
            frames = self._frames(video, names, result, listed)
            scores = self._truth.score(video, frames, self._windows)
            self.keep(video, (scores, listed))

    def evaluate(self) -> OrderedDict | None:
        """Write ``pred.json``, log tables and return the numbers.

        Returns:
            ``{"panoptic_seg": {"VPQ", "VPQ_thing", "VPQ_stuff", "VPQ1", ..., "STQ", "AQ", "IoU"}}``
            in per cent, NaN where undefined; None on all but the main process.
        """
        records = self.gather_records()
        if not comm.is_main_process():
            return None
        if self._output_dir is not None:
            with atomic_text_file(self._output_dir / "pred.json") as file:
                annotations = [
                    {"video_id": video, "annotations": listed}
                    for video, (_, listed) in records.items()
                ]
                json.dump({"annotations": annotations}, file)
        missing = check_no_video_missing(self._truth.videos, records, self._allow_missing)
        scores = {video: scores for video, (scores, _) in records.items()}
        for video in missing:
            scores[video] = self._truth.score(video, self._void(video), self._windows)
        return OrderedDict(
            panoptic_seg=panoptic_percentages(scores, self._windows, self._truth.categories)
        )

    def _frames(
        self, video: Hashable, names: Sequence[str], result: VideoResult, listed: list[dict]
    ) -> Iterator[tuple[np.ndarray, list[dict]]]:
        """Id maps and lists of a result, each written when it is made; ``listed`` is filled."""
        mapping = dict(enumerate(self._truth.categories.ids))
        try:
            for name, (ids, segments) in zip(names, result.to_panoptic(mapping), strict=True):
                listed.append({"file_name": f"{name}.png", "segments_info": segments})
                if self._output_dir is not None:
                    write_id_map(self._output_dir / "pan_pred" / str(video) / f"{name}.png", ids)
                yield ids, segments
        except ValueError as error:
            raise ValueError(f"Video {video!r}: {error}") from error

    def _void(self, video: Hashable) -> Iterator[tuple[np.ndarray, list]]:
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
    tracking = segmentation_tracking_quality({video: s.tracking for video, s in ordered})
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
    values.update((name, 100 * tracking[name]) for name in ("STQ", "AQ", "IoU"))
    logger.info(
        "Video panoptic segmentation:\n%s",
        tabulate([values.values()], headers=list(values), tablefmt="pipe", floatfmt=".4f"),
    )
    return values


def score_result_folder(
    panoptic_json: str | os.PathLike,
    panoptic_root: str | os.PathLike,
    result_dir: str | os.PathLike,
    windows: Sequence[int] = VIPSEG_WINDOWS,
) -> OrderedDict[str, float]:
    """Score ``pred.json`` and ``pan_pred`` of a folder; see `VideoPanopticEvaluator.evaluate`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a video or frame is missing, unknown or broken; the message names it.
    """
    truth = PanopticVideoTruth(panoptic_json, panoptic_root)
    scores = score_videos(truth, result_dir, windows)
    return panoptic_percentages(scores, windows, truth.categories)


def score_videos(
    truth: PanopticVideoTruth,
    result_dir: str | os.PathLike,
    windows: Sequence[int] = VIPSEG_WINDOWS,
) -> dict[Hashable, PanopticVideoScores]:
    """Scores of the files of `score_result_folder`, by video."""
    path = Path(result_dir) / "pred.json"
    predicted = frames_by_video(read_panoptic_json(path), path)
    unknown = predicted.keys() - truth.videos.keys()
    if unknown:
        raise ValueError(f"{path}: the annotations have no video {min(unknown, key=str)!r}.")
    check_no_video_missing(truth.videos, predicted, allow_missing=False)
    scores = {}
    for video in truth.videos:
        by_name = {Path(frame["file_name"]).stem: frame for frame in predicted[video]}
        absent = [name for name in truth.frame_names(video) if name not in by_name]
        if absent or len(by_name) != len(truth.videos[video]):
            what = f"frame {absent[0]} is missing" if absent else "there are unknown frames"
            raise ValueError(f"{path}: video {video!r}: {what}.")
        folder = Path(result_dir) / "pan_pred" / str(video)
        frames = (
            (read_id_map(folder / f"{name}.png"), by_name[name]["segments_info"])
            for name in truth.frame_names(video)
        )
        scores[video] = truth.score(video, frames, windows)
    return scores


def read_panoptic_json(path: str | os.PathLike) -> dict:
    """Read a JSON file of panoptic annotations or results.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is no JSON file, or has no list of annotations.
    """
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not a JSON file: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise ValueError(f"{path}: the list 'annotations' is missing.")
    return content


def frames_by_video(content: Mapping, path: str | os.PathLike) -> dict[Hashable, list[dict]]:
    """Video id -> its frames.

    Raises:
        ValueError: a video occurs twice.
    """
    videos = {entry["video_id"]: entry["annotations"] for entry in content["annotations"]}
    if len(videos) != len(content["annotations"]):
        raise ValueError(f"{path}: a video occurs twice.")
    return videos
