"""The protocols of video object segmentation: which files are truth, which numbers count.

A protocol scores one video at a time from label maps that it looks up by frame name. What it keeps
of a video is small and can be pickled, so videos may be scored in any process and in any order.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from univs.evaluation.label_map_files import (
    NamedFrames,
    folder_reader,
    frame_names,
    read_label_map,
    voc_palette,
    youtube_vos_palette,
)
from univs.evaluation.metrics import davis, mose, viposeg, vos, youtube_vos
from univs.evaluation.video_pool import score_each
from univs.evaluation.video_statistics import TrackStatistics, label_map_statistics

FrameReader = Callable[[str], np.ndarray | None]


class VideoObjectProtocol(ABC):
    """One benchmark.

    Args:
        truth_dir: folder with one folder of PNGs per video.
        videos: names of the videos to score; all folders by default.
        allow_missing: score missing frames as empty instead of refusing them.

    Attributes:
        task: key of the numbers in the result of an evaluator.
        palette: colours of result files.
        max_objects: tracks to keep per video, best scores first, numbered from 1; None to keep
            the ids of the objects that were given.
        keeps_labels: an object has the same id in truth and result.
    """

    task: str
    palette: np.ndarray = voc_palette()
    max_objects: int | None = None
    keeps_labels: bool = True

    def __init__(
        self,
        truth_dir: str | Path,
        *,
        videos: Sequence[str] | None = None,
        allow_missing: bool = False,
    ) -> None:
        self.truth_dir = Path(truth_dir)
        if not self.truth_dir.is_dir():
            raise FileNotFoundError(f"There is no folder of annotations {self.truth_dir}.")
        if videos is None:
            videos = [path.name for path in self.truth_dir.iterdir() if path.is_dir()]
        self.videos = sorted(videos)
        if not self.videos:
            raise FileNotFoundError(f"{self.truth_dir} holds no video.")
        if len(set(self.videos)) != len(self.videos):
            raise ValueError("A video is listed twice.")
        self.allow_missing = allow_missing

    def frame_names(self, video: str) -> list[str]:
        """Names of the annotated frames."""
        return frame_names(self.truth_dir / video)

    def _frames(self, video: str, read: FrameReader) -> dict[str, Any]:
        """Arguments that all metrics share."""
        names = self.frame_names(video)
        return {
            "truth": NamedFrames(names, folder_reader(self.truth_dir / video)),
            "prediction": NamedFrames(names, read),
            "video": video,
            "frame_names": names,
            "allow_missing": self.allow_missing,
        }

    def statistics(self, video: str, read: FrameReader) -> TrackStatistics:
        """How stable the identities of one video are; a missing frame covers nothing."""
        frames = self._frames(video, read)

        def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for truth, prediction in zip(frames["truth"], frames["prediction"], strict=True):
                yield truth, np.zeros_like(truth) if prediction is None else prediction

        return label_map_statistics(pairs(), void=davis.VOID)

    @abstractmethod
    def score_video(self, video: str, read: FrameReader) -> Any:
        """Score one video whose predictions ``read`` gives by frame name."""

    @abstractmethod
    def summarize(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers of the benchmark from the scores of all videos.

        Returns:
            Numbers by name; details, if any, in dictionaries.
        """

    def video_numbers(self, video: str, score: Any) -> dict[str, float]:
        """Numbers of one video, for a table of videos; NaN without objects."""
        try:
            summary = self.summarize({video: score})
        except ValueError:  # there is no object to score
            return dict.fromkeys(("J&F", "J", "F"), math.nan)
        j, f = self._mean_region_and_boundary(summary)
        return {"J&F": (j + f) / 2, "J": j, "F": f}

    def _mean_region_and_boundary(self, summary: Mapping[str, Any]) -> tuple[float, float]:
        values = np.array([(item["J"], item["F"]) for item in summary["per_object"].values()])
        values = values[~np.isnan(values).any(axis=1)]  # objects without a frame to score
        j, f = values.mean(axis=0) if len(values) else (math.nan, math.nan)
        return float(j), float(f)


class DavisProtocol(VideoObjectProtocol):
    """DAVIS 2016 / 2017 (semi-supervised) and DAVIS 2019 (unsupervised).

    Results must have the size of the annotations: 480p as published, or full resolution.

    Args:
        truth_dir: see :class:`VideoObjectProtocol`.
        task: ``semi-supervised`` or ``unsupervised``.
        is_binary: everything that is not 0 is one object, as in DAVIS 2016.
        options: see :class:`VideoObjectProtocol`.
    """

    def __init__(
        self,
        truth_dir: str | Path,
        *,
        task: Literal["semi-supervised", "unsupervised"] = "semi-supervised",
        is_binary: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(truth_dir, **options)
        self._is_binary = is_binary
        if task not in ("semi-supervised", "unsupervised"):
            raise ValueError(f"task={task!r}: use 'semi-supervised' or 'unsupervised'.")
        self.task = "davis_" + task.replace("-", "_")
        self._score = davis.score_semi_supervised
        if task == "unsupervised":
            self._score = davis.score_unsupervised
            self.max_objects = davis.MAX_PROPOSALS
            self.keeps_labels = False

    def _frames(self, video: str, read: FrameReader) -> dict[str, Any]:
        frames = super()._frames(video, read)
        if self._is_binary:
            for side in ("truth", "prediction"):
                frames[side] = NamedFrames(frames[side].names, partial(_foreground, frames[side]))
        return frames

    def score_video(self, video: str, read: FrameReader) -> davis.SequenceScores:
        return self._score(**self._frames(video, read))

    def summarize(self, scores: Mapping[str, davis.SequenceScores]) -> dict[str, Any]:
        result = davis.summarize_davis(scores)
        return {**result["global"], "per_object": result["per_object"]}


class MoseProtocol(DavisProtocol):
    """MOSE v1: J, F and J&F of the semi-supervised DAVIS protocol."""

    def __init__(self, truth_dir: str | Path, **options: Any) -> None:
        super().__init__(truth_dir, task="semi-supervised", **options)
        self.task = "mose"


class YouTubeVosProtocol(VideoObjectProtocol):
    """YouTube-VOS 2018 / 2019.

    Args:
        truth_dir: see :class:`VideoObjectProtocol`.
        meta_file: ``meta.json`` with the objects of every video.
        seen_categories: names of the training categories.
        rule: which frames count, see :func:`univs.evaluation.metrics.youtube_vos.score_video`.
    """

    task = "youtube_vos"
    palette = youtube_vos_palette()

    def __init__(
        self,
        truth_dir: str | Path,
        *,
        meta_file: str | Path,
        seen_categories: Collection[str],
        rule: youtube_vos.FrameRule = "after_first",
        **options: Any,
    ) -> None:
        super().__init__(truth_dir, **options)
        meta = json.loads(Path(meta_file).read_text())["videos"]
        unknown = [video for video in self.videos if video not in meta]
        if unknown:
            raise ValueError(f"{meta_file} does not list the videos {unknown[:5]}.")
        self._objects = {video: meta[video]["objects"] for video in self.videos}
        self._seen_categories = frozenset(seen_categories)
        self._rule = rule

    def score_video(self, video: str, read: FrameReader) -> dict[str, youtube_vos.ObjectScores]:
        return youtube_vos.score_video(
            **self._frames(video, read), objects=self._objects[video], rule=self._rule
        )

    def summarize(self, scores: Mapping[str, Mapping]) -> dict[str, Any]:
        result = youtube_vos.summarize_youtube_vos(scores, self._seen_categories)
        return {**result["global"], "per_object": result["per_object"]}


class MoseV2Protocol(VideoObjectProtocol):
    """MOSE v2; the objects are those of the first frame unless ``objects`` lists them by video."""

    task = "mose_v2"

    def __init__(
        self,
        truth_dir: str | Path,
        *,
        objects: Mapping[str, Sequence[int | str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(truth_dir, **options)
        self._objects = objects

    def score_video(self, video: str, read: FrameReader) -> dict[str, dict]:
        frames = self._frames(video, read)
        if self._objects is not None:
            ids = self._objects[video]
        else:
            ids = [int(i) for i in np.unique(frames["truth"][0]) if i not in (0, davis.VOID)]
        return mose.score_video(**frames, object_ids=ids)

    def summarize(self, scores: Mapping[str, Mapping]) -> dict[str, Any]:
        result = mose.summarize_mose_v2(scores)
        return {**result["global"], "per_object": result["per_object"]}


class VosProtocol(VideoObjectProtocol):
    """Any data set with label maps: LVOS, OVIS as VOS, own videos."""

    task = "vos"

    def __init__(
        self, truth_dir: str | Path, *, skip_first_and_last: bool = True, **options: Any
    ) -> None:
        super().__init__(truth_dir, **options)
        self._skip_first_and_last = skip_first_and_last

    def score_video(self, video: str, read: FrameReader) -> dict[int, tuple[float, float]]:
        return vos.score_video(
            **self._frames(video, read), skip_first_and_last=self._skip_first_and_last
        )

    def summarize(self, scores: Mapping[str, Mapping]) -> dict[str, Any]:
        return vos.summarize_vos(scores)

    def _mean_region_and_boundary(self, summary: Mapping[str, Any]) -> tuple[float, float]:
        return summary["J"], summary["F"]


class VipoSegProtocol(VideoObjectProtocol):
    """VIPOSeg; numbers in per cent, but for the decay.

    Args:
        truth_dir: ``Annotations_gt``, all frames.
        reference_dir: ``Annotations``, maps of the frames that introduce objects.
        classes_file: ``obj_class.json``, VIPSeg class by video and object id.
    """

    task = "viposeg"

    def __init__(
        self,
        truth_dir: str | Path,
        *,
        reference_dir: str | Path,
        classes_file: str | Path,
        **options: Any,
    ) -> None:
        super().__init__(truth_dir, **options)
        self._reference_dir = Path(reference_dir)
        self._classes = json.loads(Path(classes_file).read_text())
        unknown = [video for video in self.videos if video not in self._classes]
        if unknown:
            raise ValueError(f"{classes_file} does not list the videos {unknown[:5]}.")

    def score_video(self, video: str, read: FrameReader) -> viposeg.VideoScores:
        frames = self._frames(video, read)
        index = {name: i for i, name in enumerate(frames["frame_names"])}
        references = {}
        for name in frame_names(self._reference_dir / video):
            path = self._reference_dir / video / f"{name}.png"
            if name not in index:
                raise ValueError(f"{path} introduces objects in a frame that has no truth.")
            references[index[name]] = read_label_map(path)
        return viposeg.score_video(
            **frames, references=references, object_classes=self._classes[video]
        )

    def summarize(self, scores: Mapping[str, viposeg.VideoScores]) -> dict[str, Any]:
        numbers = viposeg.summarize_viposeg(scores)
        return {k: v if k == "decay" else 100 * v for k, v in numbers.items()}

    def video_numbers(self, video: str, score: viposeg.VideoScores) -> dict[str, float]:
        values = [value for group in score.groups.values() for value in group]
        iou, boundary_iou = 100 * np.mean(values, axis=0) if values else (math.nan, math.nan)
        return {
            "iou": float(iou + boundary_iou) / 2,
            "miou": float(iou),
            "biou": float(boundary_iou),
        }


def _foreground(frames: NamedFrames, name: str) -> np.ndarray | None:
    label_map = frames[frames.names.index(name)]
    return None if label_map is None else (label_map != 0).view(np.uint8)


def score_result_folder(
    protocol: VideoObjectProtocol, result_dir: str | Path, *, processes: int = 1
) -> dict[str, Any]:
    """Score result files: one folder of indexed PNGs per video.

    Args:
        protocol: the benchmark and its truth.
        result_dir: folder of the results.
        processes: how many videos to score at a time; the numbers do not depend on it.

    Raises:
        FileNotFoundError: a video has no folder (and missing results are not allowed).
        ValueError: a frame is missing or bad; the message names video and frame.
    """
    return protocol.summarize(score_videos(protocol, result_dir, processes=processes))


def score_videos(
    protocol: VideoObjectProtocol, result_dir: str | Path, *, processes: int = 1
) -> dict[str, Any]:
    """Scores by video, as `VideoObjectProtocol.summarize` takes them; see `score_result_folder`."""
    result_dir = Path(result_dir)
    if not result_dir.is_dir():
        raise FileNotFoundError(f"There is no folder of results {result_dir}.")
    return score_each(protocol.videos, partial(_score_folder, protocol, result_dir), processes)


def _score_folder(protocol: VideoObjectProtocol, result_dir: Path, video: str) -> Any:
    folder = result_dir / video
    if protocol.allow_missing and not folder.is_dir():
        return protocol.score_video(video, lambda name: None)
    return protocol.score_video(video, folder_reader(folder))
