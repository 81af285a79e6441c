"""Average precision of instance tracks: YouTube-VIS, and OVIS with its occlusion groups.

The official evaluation is COCO's with the IoU of tubes. It is split here in two steps, so that
videos can be scored where they are predicted: `score_video` turns the predictions of one video into
a few kilobytes, and `average_precision` pools the videos.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from univs.evaluation.metrics.average_precision import (
    IOU_THRESHOLDS,
    UNDEFINED,
    MatchRecord,
    match_predictions,
    mean_of_defined,
    outside_ranges,
    precision_and_recall,
)
from univs.evaluation.metrics.tubes import (
    Tube,
    decode_tubes,
    mean_of_nonzero,
    pack_tube,
    tube_ious,
)

logger = logging.getLogger(__name__)

MAX_DETECTIONS = (1, 10, 100)  # per video and category

# Limits are inclusive on both sides, so an area exactly on a limit belongs to two ranges.
AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 128.0**2),
    "medium": (128.0**2, 256.0**2),
    "large": (256.0**2, 1e10),
}
OCCLUSION_RANGES = {
    "all": (0.0, 1.0),
    "light": (0.0, 0.25),
    "medium": (0.25, 0.5),
    "heavy": (0.5, 1.0),
}
OCCLUSION_LEVELS = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}


class Setting(NamedTuple):
    """Which truths count: a key of `AREA_RANGES` and one of `OCCLUSION_RANGES`."""

    area: str
    occlusion: str


AREA_SETTINGS = tuple(Setting(area, "all") for area in AREA_RANGES)
OCCLUSION_SETTINGS = tuple(Setting("all", level) for level in OCCLUSION_RANGES if level != "all")


@dataclass(frozen=True, slots=True)
class TruthTrack:
    """One annotated object.

    Attributes:
        id: id of the annotation.
        category_id: as in the data set.
        tube: its masks.
        area: mean of the file's non-zero ``areas`` (not recounted, as published).
        is_crowd: never a miss, and may be found more than once.
        occlusion: occlusion score in [0, 1]; None if the file has no occlusion levels.
    """

    id: int | str
    category_id: int
    tube: Tube
    area: float
    is_crowd: bool
    occlusion: float | None


@dataclass(frozen=True, slots=True)
class PredictedTrack:
    """One predicted object: category id of the data set, finite score, masks."""

    category_id: int
    score: float
    tube: Tube


@dataclass(frozen=True)
class YoutubeVisTruth:
    """The annotations of a data set.

    Attributes:
        categories: id -> name, in ascending order of the id.
        video_lengths: video id -> number of frames, in ascending order of the id.
        tracks: video id -> its annotated objects in the order of the file.
    """

    categories: dict[int, str]
    video_lengths: dict[int | str, int]
    tracks: dict[int | str, list[TruthTrack]] = field(repr=False)

    @classmethod
    def from_json(cls, data: Mapping, source: str = "the truth") -> YoutubeVisTruth:
        """Read the layout of YouTube-VIS and OVIS.

        Annotations of an unknown video or category are not scored, as published, with a warning.

        Args:
            data: ``{"videos", "annotations", "categories"}``.
            source: what messages call it, such as the name of the file.

        Raises:
            ValueError: a key is missing, an id occurs twice or a mask is broken.
        """
        for key in ("videos", "categories"):
            if key not in data:
                raise ValueError(f"{source}: the key {key!r} is missing.")
        videos = {video["id"]: video for video in data["videos"]}
        if len(videos) != len(data["videos"]):
            raise ValueError(f"{source}: two videos have the same id.")
        names = {entry["id"]: entry.get("name", str(entry["id"])) for entry in data["categories"]}
        tracks: dict[int | str, list[TruthTrack]] = {video_id: [] for video_id in sorted(videos)}
        seen_ids = set()
        unscored = 0
        for annotation in data.get("annotations") or []:
            video = videos.get(annotation["video_id"])
            where = f"{source}, video {annotation['video_id']}, annotation {annotation['id']}"
            if annotation["id"] in seen_ids:
                raise ValueError(f"{where}: the id of the annotation occurs twice; number anew.")
            seen_ids.add(annotation["id"])
            if video is None or annotation["category_id"] not in names:
                unscored += 1
                continue
            tracks[video["id"]].append(_truth_track(annotation, video, where))
        if unscored:
            logger.warning(
                "%s: %d annotations of an unknown video or category are not scored.",
                source,
                unscored,
            )
        if 0 in seen_ids:
            logger.warning(
                "%s: as in the official tool, a prediction that matches the annotation with the "
                "id 0 counts as unmatched. Number annotations from 1.",
                source,
            )
        lengths = {video_id: _video_length(videos[video_id]) for video_id in tracks}
        return cls({key: names[key] for key in sorted(names)}, lengths, tracks)

    @property
    def has_annotations(self) -> bool:
        """Whether there is anything to score against."""
        return any(self.tracks.values())

    @property
    def has_occlusion(self) -> bool:
        """Whether every object has an occlusion score, as in OVIS."""
        scores = [track.occlusion for tracks in self.tracks.values() for track in tracks]
        return bool(scores) and all(score is not None for score in scores)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The ranges that are scored: areas, and occlusion groups where the file has them."""
        return AREA_SETTINGS + (OCCLUSION_SETTINGS if self.has_occlusion else ())


@dataclass(frozen=True)
class TrackAp:
    """Average precision of a data set; fractions, -1 where there is no truth.

    Attributes:
        stats: name of the row -> value: AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl, and
            APso APmo APho ARso ARmo ARho with occlusion groups.
        per_category: category id -> AP (all areas), NaN where undefined.
        precision: [T, 101, K], area all, most detections.
        recall: [T, K], area all, most detections.
        summary: the lines the official tool prints.
    """

    stats: dict[str, float]
    per_category: dict[int, float]
    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)
    summary: list[str] = field(repr=False)


def read_predictions(
    records: Iterable[Mapping], truth: YoutubeVisTruth
) -> dict[int | str, list[PredictedTrack]]:
    """Read the records of a ``results.json``, one at a time.

    Args:
        records: ``{video_id, category_id, score, segmentations}`` each.
        truth: what they will be compared with.

    Returns:
        Video id -> tracks in the order of the file; only videos that occur. Tracks of a category
        outside the list are kept; they are never scored.

    Raises:
        ValueError: a key is missing, the video is unknown, the score is not a finite number or a
            mask is broken. The message names record, video and frame.
    """
    predictions: dict[int | str, list[PredictedTrack]] = {}
    unknown: dict[object, int] = {}  # unknown category id -> number of tracks
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise ValueError(f"Result {index}: must be a dictionary, not {type(record).__name__}.")
        missing = {"video_id", "category_id", "score", "segmentations"} - record.keys()
        if missing:
            raise ValueError(f"Result {index}: the keys {sorted(missing)} are missing.")
        video_id, score = record["video_id"], record["score"]
        where = f"Result {index}, video {video_id!r}"
        if video_id not in truth.video_lengths:
            raise ValueError(f"{where}: the truth has no such video.")
        if not isinstance(score, (int, float, np.number)) or not math.isfinite(score):
            raise ValueError(f"{where}: the score must be a finite number, not {score!r}.")
        if record["category_id"] not in truth.categories:
            unknown[record["category_id"]] = unknown.get(record["category_id"], 0) + 1
        tube = pack_tube(record["segmentations"], where=where)
        if truth.has_occlusion and len(tube) != truth.video_lengths[video_id]:
            raise ValueError(
                f"{where}: OVIS wants one mask or null per frame, but there are {len(tube)} for "
                f"{truth.video_lengths[video_id]} frames."
            )
        track = PredictedTrack(record["category_id"], float(score), tube)
        predictions.setdefault(video_id, []).append(track)
    if unknown:
        logger.warning(
            "%d predicted tracks have a category that the truth does not list (%s); as published, "
            "they are not scored.",
            sum(unknown.values()),
            ", ".join(map(str, list(unknown)[:10])),
        )
    return predictions


def ranked(predictions: Sequence[PredictedTrack], max_detections: int) -> list[PredictedTrack]:
    """The best-scored predictions, best first; equal ones in their order."""
    return sorted(predictions, key=lambda track: -track.score)[:max_detections]


def score_video(
    predictions: Sequence[PredictedTrack],
    truths: Sequence[TruthTrack],
    settings: Sequence[Setting] = AREA_SETTINGS,
    max_detections: int = MAX_DETECTIONS[-1],
) -> dict[int, MatchRecord]:
    """Match the predictions of one video with its truth, category by category.

    Returns:
        Category id -> record, for the categories that are predicted or annotated.
    """
    predicted_of: dict[int, list[PredictedTrack]] = {}  # by category id, as is the next
    truths_of: dict[int, list[TruthTrack]] = {}
    for track in predictions:
        predicted_of.setdefault(track.category_id, []).append(track)
    for track in truths:
        truths_of.setdefault(track.category_id, []).append(track)
    best = {key: ranked(tracks, max_detections) for key, tracks in predicted_of.items()}
    listed = [[track for part in side.values() for track in part] for side in (best, truths_of)]
    tubes = decode_tubes([track.tube for side in listed for track in side])
    predicted_tubes, true_tubes = tubes[: len(listed[0])], tubes[len(listed[0]) :]
    rows, columns = _places(best), _places(truths_of)
    wanted = np.zeros((len(predicted_tubes), len(true_tubes)), dtype=bool)
    for category_id in best.keys() & truths_of.keys():
        wanted[rows[category_id], columns[category_id]] = True
    # All categories at once, because a call costs more than a few pairs.
    ious = tube_ious(predicted_tubes, true_tubes, wanted)
    areas = np.array([tube.mean_area for tube in predicted_tubes], dtype=np.float64)
    nothing = slice(0, 0)
    return {
        key: _match_category(
            best.get(key, []),
            truths_of.get(key, []),
            areas[rows.get(key, nothing)],
            ious[rows.get(key, nothing), columns.get(key, nothing)],
            settings,
        )
        for key in best.keys() | truths_of.keys()
    }


def _places(groups: Mapping[int, Sequence]) -> dict[int, slice]:
    """Where each group lies in a list of all groups, one behind the other."""
    ends = itertools.accumulate(map(len, groups.values()))
    return {
        key: slice(end - len(group), end)
        for (key, group), end in zip(groups.items(), ends, strict=True)
    }


def average_precision(
    videos: Mapping[int | str, Mapping[int, MatchRecord]],
    category_ids: Sequence[int],
    settings: Sequence[Setting] = AREA_SETTINGS,
    max_detections: Sequence[int] = MAX_DETECTIONS,
) -> TrackAp:
    """Pool the records of all videos; the result does not depend on the order of ``videos``.

    Args:
        videos: video id -> what `score_video` returned for it with the same ``settings``.
        category_ids: categories to average over, ascending.
        settings: what the first axis of the records stands for.
        max_detections: three limits of predictions per video and category, ascending.
    """
    in_order = [videos[video_id] for video_id in sorted(videos)]
    records = {  # indexed by category id
        category_id: [video[category_id] for video in in_order if category_id in video]
        for category_id in category_ids
    }
    curves: dict[tuple[Setting, int], tuple[np.ndarray, np.ndarray]] = {}
    for index, setting in enumerate(settings):
        limits = max_detections if setting == Setting("all", "all") else max_detections[-1:]
        for limit in limits:
            pairs = [precision_and_recall(records[key], index, limit) for key in category_ids]
            curves[setting, limit] = (
                _stack([precision for precision, _ in pairs], (len(IOU_THRESHOLDS), 101)),
                _stack([recall for _, recall in pairs], (len(IOU_THRESHOLDS),)),
            )
    stats, summary = _summarize(curves, settings, max_detections)
    precision, recall = curves[Setting("all", "all"), max_detections[-1]]
    per_category = {
        category_id: math.nan if value == UNDEFINED else value
        for category_id, value in (
            (key, mean_of_defined(precision[..., index])) for index, key in enumerate(category_ids)
        )
    }
    return TrackAp(stats, per_category, precision, recall, summary)


def youtube_vis_ap(
    truth: Mapping | YoutubeVisTruth,
    results: Iterable[Mapping],
    max_detections: Sequence[int] = MAX_DETECTIONS,
) -> TrackAp:
    """Score a ``results.json`` of YouTube-VIS or OVIS.

    OVIS is recognised by its occlusion levels, and then gives 18 numbers instead of 12.

    Args:
        truth: the annotation file, read or parsed.
        results: the records of the result file; may be empty, which scores 0.
        max_detections: see `average_precision`.

    Raises:
        ValueError: truth or results are broken; see `YoutubeVisTruth.from_json` and
            `read_predictions`.
    """
    if not isinstance(truth, YoutubeVisTruth):
        truth = YoutubeVisTruth.from_json(truth)
    predictions = read_predictions(results, truth)
    videos = {
        video_id: score_video(
            predictions.pop(video_id, []), tracks, truth.settings, max_detections[-1]
        )
        for video_id, tracks in truth.tracks.items()
    }
    return average_precision(videos, list(truth.categories), truth.settings, max_detections)


def occlusion_score(levels: Sequence[str | None], where: str) -> float:
    """OVIS: mean of the heavier half of an object's occlusion levels; 0 if it has none.

    Raises:
        ValueError: a level is not one of `OCCLUSION_LEVELS`.
    """
    unknown = {level for level in levels if level is not None} - OCCLUSION_LEVELS.keys()
    if unknown:
        raise ValueError(f"{where}: unknown occlusion level {min(unknown)!r}.")
    values = sorted(OCCLUSION_LEVELS[level] for level in levels if level is not None)
    heavier = values[len(values) // 2 :]
    return float(np.mean(heavier)) if heavier else 0.0


def _truth_track(annotation: Mapping, video: Mapping, where: str) -> TruthTrack:
    for key in ("segmentations", "areas"):
        if annotation.get(key) is None:
            raise ValueError(f"{where}: the key {key!r} is missing, so it cannot be scored.")
    size = (video["height"], video["width"])
    levels = annotation.get("occlusion")
    return TruthTrack(
        id=annotation["id"],
        category_id=annotation["category_id"],
        tube=pack_tube(annotation["segmentations"], where=where, video_size=size),
        area=mean_of_nonzero(annotation["areas"]),
        is_crowd=bool(annotation.get("iscrowd", 0)),
        occlusion=None if levels is None else occlusion_score(levels, where),
    )


def _video_length(video: Mapping) -> int:
    return int(video["length"]) if "length" in video else len(video["file_names"])


def _match_category(
    predictions: Sequence[PredictedTrack],
    truths: Sequence[TruthTrack],
    predicted_areas: np.ndarray,
    ious: np.ndarray,
    settings: Sequence[Setting],
) -> MatchRecord:
    areas = np.array([AREA_RANGES[setting.area] for setting in settings])  # [S, 2]
    occlusions = np.array([OCCLUSION_RANGES[setting.occlusion] for setting in settings])
    is_crowd = np.array([track.is_crowd for track in truths], dtype=bool)
    truth_areas = np.array([track.area for track in truths], dtype=np.float64)
    truth_occlusions = np.array([track.occlusion or 0.0 for track in truths], dtype=np.float64)
    return match_predictions(
        scores=np.array([track.score for track in predictions], dtype=np.float64),
        ious=ious,
        prediction_outside=outside_ranges(predicted_areas, areas),
        truth_ignored=is_crowd
        | outside_ranges(truth_areas, areas)
        | outside_ranges(truth_occlusions, occlusions),
        truth_crowd=is_crowd,
        truth_never_matches=np.array([track.id == 0 for track in truths], dtype=bool),
    )


def _stack(arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(arrays, axis=-1) if arrays else np.empty((*shape, 0))


def _summarize(
    curves: Mapping[tuple[Setting, int], tuple[np.ndarray, np.ndarray]],
    settings: Sequence[Setting],
    max_detections: Sequence[int],
) -> tuple[dict[str, float], list[str]]:
    """The rows of the official tool: values by name, and the printed lines."""
    everything, most = Setting("all", "all"), max_detections[-1]
    groups = [setting for setting in settings if setting != everything]
    with_occlusion = any(setting.occlusion != "all" for setting in settings)
    rows = [  # name, setting, limit, index of the IoU threshold
        ("AP", everything, most, None),
        ("AP50", everything, most, 0),
        ("AP75", everything, most, 5),
        *((f"AP{_suffix(setting)}", setting, most, None) for setting in groups),
        *((f"AR{limit}", everything, limit, None) for limit in max_detections),
        *((f"AR{_suffix(setting)}", setting, most, None) for setting in groups),
    ]
    stats: dict[str, float] = {}
    lines = []
    for name, setting, limit, threshold in rows:
        is_precision = name.startswith("AP")
        values = curves[setting, limit][0 if is_precision else 1]
        stats[name] = mean_of_defined(values if threshold is None else values[threshold])
        title = "Average Precision  (AP)" if is_precision else "Average Recall     (AR)"
        iou = "0.50:0.95" if threshold is None else f"{IOU_THRESHOLDS[threshold]:.2f}"
        occlusion = f"occ={setting.occlusion:>6s} | " if with_occlusion else ""
        lines.append(
            f" {title} @[ IoU={iou:<9} | area={setting.area:>6s} | {occlusion}"
            f"maxDets={limit:>3d} ] = {stats[name]:0.3f}"
        )
    return stats, lines


def _suffix(setting: Setting) -> str:
    """Letter of the group as tables print it: s, m, l for areas; so, mo, ho for occlusion."""
    if setting.occlusion == "all":
        return setting.area[0]
    return {"light": "so", "medium": "mo", "heavy": "ho"}[setting.occlusion]
