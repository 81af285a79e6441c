"""Scores result files that any program has written, for every kind of benchmark."""

from __future__ import annotations

import json
import math
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detectron2.data import Metadata, MetadataCatalog
from univs.evaluation import (
    benchmark_truth,
    image_instance,
    image_panoptic,
    referring,
    video_instance,
    video_panoptic,
    video_semantic,
)
from univs.evaluation.label_map_files import folder_reader
from univs.evaluation.metrics import burst
from univs.evaluation.metrics.referring import NUM_ANNOTATORS, average_annotators
from univs.evaluation.metrics.video_panoptic import VIPSEG_WINDOWS
from univs.evaluation.metrics.youtube_vis import (
    average_precision,
    read_predictions,
    score_video,
)
from univs.evaluation.result_files import read_json_list
from univs.evaluation.video_object_protocols import VideoObjectProtocol, score_videos
from univs.evaluation.video_statistics import TrackStatistics

Numbers = OrderedDict[str, float]
STABILITY = "track_stability"  # key of numbers that are no part of any benchmark


@dataclass(frozen=True)
class Report:
    """The scores of a result.

    Attributes:
        scores: task -> name -> number, as evaluators return them.
        per_video: video -> name -> number; the first number of a video ranks it, NaN where a number
            is not defined for it. Empty for still images.
    """

    scores: OrderedDict[str, Numbers]
    per_video: dict[Hashable, Numbers] = field(default_factory=dict)

    def worst_first(self) -> list[tuple[Hashable, Numbers]]:
        """Videos from the lowest first number to the highest; those without one at the end."""

        def rank(item: tuple[Hashable, Numbers]) -> tuple:
            value = next(iter(item[1].values()))
            return (math.isnan(value), 0.0 if math.isnan(value) else value, str(item[0]))

        return sorted(self.per_video.items(), key=rank)


def score_results(dataset_name: str, results: str | Path) -> Report:
    """Score result files on a registered data set.

    Args:
        dataset_name: registered name.
        results: what the benchmark asks for: a JSON file, a folder, or a zip archive of either.

    Raises:
        FileNotFoundError: results or truth are missing.
        ValueError: they are damaged or do not fit, or the truth is not public. Messages name the
            file, video or frame.
    """
    metadata = MetadataCatalog.get(dataset_name)
    score = _SCORERS.get(benchmark_truth.benchmark_kind(metadata))
    if score is None:
        raise ValueError(f"Result files on {dataset_name} cannot be scored, only models can.")
    with unpacked(Path(results)) as path:
        return score(metadata, path)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The path itself, or a temporary folder with the content of a zip archive.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it is a damaged archive.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder of results.")
    if path.suffix != ".zip":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a zip archive ({error}).") from error
        yield Path(folder)


def _file(results: Path, *names: str) -> Path:
    """The result file, which may lie in a folder under one of ``names``."""
    if not results.is_dir():
        return results
    for name in names:
        if (results / name).is_file():
            return results / name
    raise FileNotFoundError(f"The folder {results} holds no {' or '.join(names)}.")


def _folder(results: Path) -> Path:
    """The folder of the videos, which archives of some benchmarks call ``Annotations``."""
    if not results.is_dir():
        raise ValueError(f"{results} must be a folder with one folder per video.")
    inner = results / "Annotations"
    return inner if inner.is_dir() else results


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not a JSON file: {error}.") from error


def _youtube_vis(metadata: Metadata, results: Path) -> Report:
    truth = video_instance.read_truth(benchmark_truth.required(metadata, "json_file"))
    if not truth.has_annotations:
        raise ValueError(_not_public(metadata))
    path = _file(results, "results.json")
    try:
        predictions = read_predictions(read_json_list(path), truth)
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    categories = list(truth.categories)
    videos, total, per_video = {}, TrackStatistics(), {}
    for video, truths in truth.tracks.items():
        tracks = predictions.pop(video, [])
        videos[video] = score_video(tracks, truths, truth.settings)
        alone = average_precision({video: videos[video]}, categories, truth.settings)
        values = video_instance.percentages(alone, truth.categories)
        statistics = video_instance.video_statistics(tracks, truths, truth.video_lengths[video])
        total += statistics
        per_video[video] = OrderedDict(
            AP=values["AP"], AP50=values["AP50"], **_counts(statistics), tracks=len(tracks)
        )
    result = average_precision(videos, categories, truth.settings)
    video_instance.log_track_ap(result, truth.categories)
    scores = OrderedDict(segm=video_instance.percentages(result, truth.categories))
    scores[STABILITY] = total.as_numbers()
    return Report(scores, per_video)


def _video_panoptic(metadata: Metadata, results: Path) -> Report:
    truth = video_panoptic.PanopticVideoTruth(*benchmark_truth.panoptic_files(metadata))
    videos = video_panoptic.score_videos(truth, results)

    def numbers(part: Mapping) -> Numbers:
        return video_panoptic.panoptic_percentages(part, VIPSEG_WINDOWS, truth.categories)

    per_video = {}
    for video, score in videos.items():
        values = numbers({video: score})
        per_video[video] = OrderedDict((name, values[name]) for name in ("VPQ", "STQ", "AQ", "IoU"))
    return Report(OrderedDict(panoptic_seg=numbers(videos)), per_video)


def _video_semantic(metadata: Metadata, results: Path) -> Report:
    names = benchmark_truth.class_names(metadata)
    listed = benchmark_truth.listed_videos(metadata)
    root = Path(benchmark_truth.required(metadata, "image_root"))
    videos = listed if listed is not None else [path.name for path in root.iterdir()]
    scores = video_semantic.score_videos(root, results, videos, len(names))
    per_video = {}
    for video, score in scores.items():
        values = video_semantic.pooled_percentages({video: score}, names)
        per_video[video] = OrderedDict((n, v) for n, v in values.items() if "-" not in n)
    values = video_semantic.pooled_percentages(scores, names)
    return Report(OrderedDict(sem_seg=values), per_video)


def _video_object(metadata: Metadata, results: Path) -> Report:
    protocol = benchmark_truth.video_object_protocol(metadata)
    if protocol is None:
        raise ValueError(_not_public(metadata))
    annotators = [results / f"anno_{index}" for index in range(NUM_ANNOTATORS)]
    if metadata.get("layout") == "refdavis" and annotators[0].is_dir():
        runs = [_score_objects(protocol, folder) for folder in annotators]
        task = "ref_davis17"
        scores = OrderedDict(
            {task: OrderedDict(average_annotators([run.scores[protocol.task] for run in runs]))}
        )
        for index, run in enumerate(runs):
            scores[task][f"J&F-Mean-anno_{index}"] = run.scores[protocol.task]["J&F-Mean"]
        return Report(
            scores,
            {
                f"anno_{index}/{video}": values
                for index, run in enumerate(runs)
                for video, values in run.per_video.items()
            },
        )
    return _score_objects(protocol, _folder(results))


def _score_objects(protocol: VideoObjectProtocol, folder: Path) -> Report:
    scores = score_videos(protocol, folder)
    total, per_video = TrackStatistics(), {}
    for video, score in scores.items():
        statistics = protocol.statistics(video, folder_reader(folder / video))
        total += statistics
        summary = protocol.summarize({video: score})
        objects = list(summary.get("per_object", {}).values())
        means = [np.mean([item[key] for item in objects]) if objects else np.nan for key in "JF"]
        per_video[video] = OrderedDict(
            {"J&F": float(np.mean(means)), "J": float(means[0]), "F": float(means[1])},
            **_counts(statistics),
        )
    numbers = OrderedDict(
        (name, value)
        for name, value in protocol.summarize(scores).items()
        if isinstance(value, float)
    )
    return Report(
        OrderedDict({protocol.task: numbers, STABILITY: total.as_numbers()}),
        per_video,
    )


def _referring(metadata: Metadata, results: Path) -> Report:
    truth = benchmark_truth.referring_truth(metadata)
    if truth.mask_dir is None:
        raise ValueError(_not_public(metadata))
    scores = referring.score_expressions(truth, _folder(results))
    summary = truth.summarize(scores)
    per_video = {}
    for video in truth.videos:
        values = list(scores.get(video, {"": (0.0, 0.0)}).values())
        j, f = (float(value) for value in np.mean(values, axis=0))
        per_video[video] = OrderedDict({"J&F": (j + f) / 2, "J": j, "F": f})
    numbers = OrderedDict((name, summary[name]) for name in ("J&F", "J", "F"))
    return Report(OrderedDict(referring=numbers), per_video)


def _burst(metadata: Metadata, results: Path) -> Report:
    truth = _read_json(benchmark_truth.burst_truth_file(metadata))
    path = _file(results, "results.json", "predictions.json")
    prediction = _read_json(path)
    if not isinstance(prediction, dict) or "sequences" not in prediction:
        raise ValueError(f"{path}: the list 'sequences' is missing.")
    sequences = burst.score_file(truth, prediction, {"task": "exemplar_guided"})
    names = {category["id"]: category["name"] for category in truth["categories"]}

    def numbers(part: list) -> Numbers:
        summary = burst.summarize_burst(part, names)
        del summary["per_class"]
        return OrderedDict(
            (f"{key} {group}", value)
            for key, groups in summary.items()
            for group, value in groups.items()
        )

    per_video = {}
    for sequence in sequences:
        values = numbers([sequence])
        per_video[sequence.name] = OrderedDict(
            (name, values[f"{name} all"]) for name in ("HOTA", "DetA", "AssA", "AP")
        )
    return Report(OrderedDict(burst_exemplar_guided=numbers(sequences)), per_video)


def _image_instance(metadata: Metadata, results: Path) -> Report:
    path = _file(results, "coco_instances_results.json", "results.json")
    truth = benchmark_truth.required(metadata, "json_file")
    scores = image_instance.score_result_file(truth, path)
    if not scores:
        raise ValueError(_not_public(metadata))
    return Report(scores)


def _image_panoptic(metadata: Metadata, results: Path) -> Report:
    numbers = image_panoptic.score_result_folder(
        benchmark_truth.required(metadata, "panoptic_json"),
        benchmark_truth.required(metadata, "panoptic_root"),
        results,
    )
    return Report(OrderedDict(panoptic_seg=numbers))


def _counts(statistics: TrackStatistics) -> Numbers:
    numbers = statistics.as_numbers()
    return OrderedDict((name, numbers[name]) for name in ("IDSw", "Frag"))


def _not_public(metadata: Metadata) -> str:
    return (
        f"The truth of {metadata.name} is not public, or not complete here. Hand the results in to "
        "the server of the benchmark."
    )


# Indexed by the kind of benchmark.
_SCORERS: dict[str, Callable[[Metadata, Path], Report]] = {
    "youtube_vis": _youtube_vis,
    "video_panoptic": _video_panoptic,
    "video_semantic": _video_semantic,
    "video_object": _video_object,
    "referring": _referring,
    "burst": _burst,
    "image_instance": _image_instance,
    "image_panoptic": _image_panoptic,
}
