"""Scores the result files of every kind of benchmark."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from detectron2.data import DatasetCatalog, Metadata
from univs.evaluation import (
    benchmark_truth,
    image_instance,
    image_panoptic,
    image_semantic,
    referring,
    step,
    video_instance,
    video_panoptic,
    video_semantic,
)
from univs.evaluation.label_map_files import folder_reader
from univs.evaluation.metadata import class_names, required
from univs.evaluation.metrics import burst
from univs.evaluation.metrics.average_precision import MatchRecord
from univs.evaluation.metrics.referring import NUM_ANNOTATORS, average_annotators
from univs.evaluation.metrics.youtube_vis import (
    PredictedTrack,
    YoutubeVisTruth,
    average_precision,
    read_predictions,
    score_video,
)
from univs.evaluation.report import STABILITY, Numbers, Report
from univs.evaluation.result_files import read_json_list
from univs.evaluation.video_object_protocols import VideoObjectProtocol, score_videos
from univs.evaluation.video_pool import score_each
from univs.evaluation.video_statistics import TrackStatistics


def result_file(results: Path, *names: str) -> Path:
    """The result file, which may lie in a folder under one of ``names``."""
    if not results.is_dir():
        return results
    for name in names:
        if (results / name).is_file():
            return results / name
    raise FileNotFoundError(f"The folder {results} holds no {' or '.join(names)}.")


def video_folder(results: Path) -> Path:
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


def _youtube_vis(metadata: Metadata, results: Path, processes: int) -> Report:
    truth = video_instance.read_truth(required(metadata, "json_file"))
    if not truth.has_annotations:
        raise ValueError(benchmark_truth.not_public(metadata))
    path = result_file(results, "results.json")
    try:
        predictions = read_predictions(read_json_list(path), truth)
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    categories = list(truth.categories)
    score = partial(_score_tracks, truth, predictions)
    videos, total, per_video = {}, TrackStatistics(), {}
    for video, (matches, statistics) in score_each(truth.tracks, score, processes).items():
        videos[video] = matches
        alone = average_precision({video: matches}, categories, truth.settings)
        values = video_instance.percentages(alone, truth.categories)
        total += statistics
        num_tracks = len(predictions.get(video, ()))
        per_video[video] = OrderedDict(
            AP=values["AP"], AP50=values["AP50"], **_counts(statistics), tracks=num_tracks
        )
    result = average_precision(videos, categories, truth.settings)
    video_instance.log_track_ap(result, truth.categories)
    scores = OrderedDict(segm=video_instance.percentages(result, truth.categories))
    scores[STABILITY] = total.as_numbers()
    return Report(scores, per_video)


def _score_tracks(
    truth: YoutubeVisTruth, predictions: Mapping[int | str, list[PredictedTrack]], video: int | str
) -> tuple[dict[int, MatchRecord], TrackStatistics]:
    tracks, truths = predictions.get(video, []), truth.tracks[video]
    return (
        score_video(tracks, truths, truth.settings),
        video_instance.video_statistics(tracks, truths, truth.video_lengths[video]),
    )


def _video_panoptic(metadata: Metadata, results: Path, processes: int) -> Report:
    truth = benchmark_truth.panoptic_video_truth(metadata)
    if truth is None:
        raise ValueError(benchmark_truth.not_public(metadata))
    videos = video_panoptic.score_videos(truth, results, processes=processes)

    def numbers(part: Mapping) -> Numbers:
        return video_panoptic.panoptic_percentages(part, truth.windows, truth.categories)

    total, per_video = TrackStatistics(), {}
    for video, score in videos.items():
        total += score.statistics
        values = numbers({video: score})
        names = ("VPQ", "STQ", "AQ", "IoU") if truth.has_tracking else ("VPQ",)
        per_video[video] = OrderedDict(
            ((name, values[name]) for name in names), **_counts(score.statistics)
        )
    scores = OrderedDict({"panoptic_seg": numbers(videos), STABILITY: total.as_numbers()})
    return Report(scores, per_video)


def _step(metadata: Metadata, results: Path, processes: int) -> Report:
    truth = benchmark_truth.step_truth(metadata)
    if truth is None:
        raise ValueError(benchmark_truth.not_public(metadata))
    sequences = step.score_sequences(truth, video_folder(results), processes=processes)
    total, per_video = TrackStatistics(), {}
    for name, score in sequences.items():
        total += score.statistics
        per_video[name] = OrderedDict(
            step.step_percentages({name: score}), **_counts(score.statistics)
        )
    scores = {"panoptic_seg": step.step_percentages(sequences), STABILITY: total.as_numbers()}
    return Report(OrderedDict(scores), per_video)


def _video_semantic(metadata: Metadata, results: Path, processes: int) -> Report:
    names = class_names(metadata)
    listed = benchmark_truth.listed_videos(metadata)
    root = Path(required(metadata, "image_root"))
    videos = listed if listed is not None else [path.name for path in root.iterdir()]
    scores = video_semantic.score_videos(root, results, videos, len(names), processes=processes)
    per_video = {}
    for video, score in scores.items():
        values = video_semantic.pooled_percentages({video: score}, names)
        per_video[video] = OrderedDict((n, v) for n, v in values.items() if "-" not in n)
    values = video_semantic.pooled_percentages(scores, names)
    return Report(OrderedDict(sem_seg=values), per_video)


def _video_object(metadata: Metadata, results: Path, processes: int) -> Report:
    annotators = [results / f"anno_{index}" for index in range(NUM_ANNOTATORS)]
    has_annotators = metadata.get("layout") == "refdavis" and annotators[0].is_dir()
    folder = annotators[0] if has_annotators else video_folder(results)
    protocol = benchmark_truth.video_object_protocol(metadata, results=folder)
    if protocol is None:
        raise ValueError(benchmark_truth.not_public(metadata))
    if has_annotators:
        runs = [_score_objects(protocol, folder, processes) for folder in annotators]
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
    return _score_objects(protocol, folder, processes)


def _score_objects(protocol: VideoObjectProtocol, folder: Path, processes: int) -> Report:
    scores = score_videos(protocol, folder, processes=processes)
    total, per_video = TrackStatistics(), {}
    for video, score in scores.items():
        statistics = protocol.statistics(video, folder_reader(folder / video))
        total += statistics
        per_video[video] = OrderedDict(protocol.video_numbers(video, score), **_counts(statistics))
    numbers = OrderedDict(
        (name, value)
        for name, value in protocol.summarize(scores).items()
        if isinstance(value, float)
    )
    return Report(
        OrderedDict({protocol.task: numbers, STABILITY: total.as_numbers()}),
        per_video,
    )


def _referring(metadata: Metadata, results: Path, processes: int) -> Report:
    truth = benchmark_truth.referring_truth(metadata)
    if not truth.has_masks:
        raise ValueError(benchmark_truth.not_public(metadata))
    scores = referring.score_expressions(truth, video_folder(results), processes=processes)
    summary = truth.summarize(scores)
    per_video = {}
    for video in truth.videos:
        values = list(scores.get(video, {"": (0.0, 0.0)}).values())
        j, f = (float(value) for value in np.mean(values, axis=0))
        per_video[video] = OrderedDict({"J&F": (j + f) / 2, "J": j, "F": f})
    numbers = OrderedDict((name, summary[name]) for name in ("J&F", "J", "F"))
    return Report(OrderedDict(referring=numbers), per_video)


def _burst_exemplar_guided(metadata: Metadata, results: Path, _: int) -> Report:
    return _burst(metadata, results, "exemplar_guided")


def _burst_class_guided(metadata: Metadata, results: Path, _: int) -> Report:
    return _burst(metadata, results, "class_guided")


def _burst(metadata: Metadata, results: Path, task: burst.Task) -> Report:
    truth = _read_json(benchmark_truth.burst_truth_file(metadata))
    path = result_file(results, "results.json", "predictions.json")
    prediction = _read_json(path)
    if not isinstance(prediction, dict) or "sequences" not in prediction:
        raise ValueError(f"{path}: the list 'sequences' is missing.")
    sequences = burst.score_file(truth, prediction, {"task": task})
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
    return Report(OrderedDict({f"burst_{task}": numbers(sequences)}), per_video)


def _image_instance(metadata: Metadata, results: Path, _: int) -> Report:
    path = result_file(results, "coco_instances_results.json", "results.json")
    truth = required(metadata, "json_file")
    scores = image_instance.score_result_file(
        truth, path, is_federated=metadata.get("evaluator_type") == "lvis"
    )
    if not scores:
        raise ValueError(benchmark_truth.not_public(metadata))
    return Report(scores)


def _image_panoptic(metadata: Metadata, results: Path, _: int) -> Report:
    numbers = image_panoptic.score_result_folder(
        required(metadata, "panoptic_json"),
        required(metadata, "panoptic_root"),
        results,
    )
    return Report(OrderedDict(panoptic_seg=numbers))


def _image_semantic(metadata: Metadata, results: Path, _: int) -> Report:
    names = class_names(metadata)
    read = image_semantic.result_reader(results, metadata.get("class_ids"), len(names))
    numbers = image_semantic.score_images(DatasetCatalog.get(metadata.name), read, names)
    return Report(OrderedDict(sem_seg=numbers))


def _counts(statistics: TrackStatistics) -> Numbers:
    numbers = statistics.as_numbers()
    return OrderedDict((name, numbers[name]) for name in ("IDSw", "Frag"))


# Indexed by the kind of benchmark; called with the metadata, the results and how many videos to
# score at a time.
SCORERS: dict[str, Callable[[Metadata, Path, int], Report]] = {
    "youtube_vis": _youtube_vis,
    "video_panoptic": _video_panoptic,
    "step": _step,
    "video_semantic": _video_semantic,
    "video_object": _video_object,
    "referring": _referring,
    "burst": _burst_exemplar_guided,
    "burst_class": _burst_class_guided,
    "image_instance": _image_instance,
    "image_panoptic": _image_panoptic,
    "image_semantic": _image_semantic,
}
