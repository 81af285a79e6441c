"""Evaluators of referring segmentation: Ref-YouTube-VOS, MeViS and Ref-DAVIS17."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from univs.evaluation.label_map_files import (
    NamedFrames,
    folder_reader,
    write_video,
)
from univs.evaluation.metrics import referring
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.video_object import VideoObjectEvaluator, log_numbers
from univs.evaluation.video_object_protocols import DavisProtocol
from univs.evaluation.video_pool import score_each
from univs.structures import VideoResult, decode_masks
from univs.structures.mask_rle import check_rle

logger = logging.getLogger(__name__)

Reader = Callable[[str], np.ndarray | None]


class ReferringTruth:
    """Videos, expressions and, where they are public, masks of a referring data set.

    Args:
        expressions_file: ``meta_expressions.json``: {"videos": {video: {"frames", "expressions":
            {id: {"exp", "obj_id", "anno_id"}}}}}. What an expression means is needed for scoring
            only: ``obj_id`` with ``mask_dir``, ``anno_id`` with ``mask_file``, one or a list.
        mask_dir: folder with one folder of indexed PNGs per video, whose values are objects.
        mask_file: ``mask_dict.json`` of MeViS: {annotation: [run lengths or null per frame]}. With
            neither of the two nothing can be scored.
        videos: names of the videos; all by default.
    """

    def __init__(
        self,
        expressions_file: str | Path,
        *,
        mask_dir: str | Path | None = None,
        mask_file: str | Path | None = None,
        videos: Sequence[str] | None = None,
    ) -> None:
        if mask_dir is not None and mask_file is not None:
            raise ValueError("Masks come from mask_dir or from mask_file, not from both.")
        self._path = Path(expressions_file)
        listed = json.loads(self._path.read_text())["videos"]
        names = sorted(listed if videos is None else videos)
        unknown = [name for name in names if name not in listed]
        if unknown:
            raise ValueError(f"{self._path} does not list the videos {unknown[:5]}.")
        self.videos: dict[str, Mapping] = {name: listed[name] for name in names}
        self._mask_dir = None if mask_dir is None else Path(mask_dir)
        if self._mask_dir is not None and not self._mask_dir.is_dir():
            raise FileNotFoundError(f"There is no folder of annotations {self._mask_dir}.")
        self._mask_file = None if mask_file is None else Path(mask_file)
        self._masks: dict[str, list] = {}  # indexed by annotation
        if self._mask_file is not None:
            self._masks = json.loads(self._mask_file.read_text())

    @property
    def has_masks(self) -> bool:
        """Whether results can be scored."""
        return self._mask_dir is not None or self._mask_file is not None

    def score(self, video: str, expression: str, read: Reader) -> tuple[float, float]:
        """Mean J and F of one expression, whose predicted masks ``read`` gives by frame name.

        Raises:
            ValueError: a frame is missing or bad, or the expression has no object.
        """
        frames = self.videos[video]["frames"]
        return referring.score_expression(
            NamedFrames(frames, self.true_masks(video, expression)),
            NamedFrames(frames, read),
            video=f"{video}/{expression}",
            frame_names=frames,
        )

    def true_masks(self, video: str, expression: str) -> Reader:
        """What gives the mask of an expression by frame name, non-zero where the object is.

        Raises:
            ValueError: the expression does not say what it means, or its masks are missing.
        """
        key = "obj_id" if self._mask_file is None else "anno_id"
        item = self.videos[video]["expressions"][expression]
        where = f"expression {expression} of video {video!r}"
        if key not in item:
            raise ValueError(f"{self._path}: {where} has no {key!r}, so it cannot be scored.")
        targets = item[key] if isinstance(item[key], list) else [item[key]]
        if self._mask_file is None:
            labels = [int(object_id) for object_id in targets]
            read_truth = folder_reader(self._mask_dir / video)

            def read_folder(name: str) -> np.ndarray | None:
                label_map = read_truth(name)
                return None if label_map is None else np.isin(label_map, labels)

            return read_folder
        frames = self.videos[video]["frames"]
        tracks = [self._masks.get(str(target)) for target in targets]
        if not tracks or any(track is None or len(track) != len(frames) for track in tracks):
            raise ValueError(
                f"{self._mask_file}: the annotations {targets} of {where} are not all there with "
                f"one entry for each of its {len(frames)} frames."
            )
        sizes = [tuple(rle["size"]) for track in tracks for rle in track if rle]
        if not sizes:
            raise ValueError(f"{self._mask_file}: {where} has no mask in any frame.")

        def read_file(name: str) -> np.ndarray:
            frame = frames.index(name)
            rles = [
                check_rle(track[frame], sizes[0], f"{self._mask_file}: annotation {target}, {name}")
                for target, track in zip(targets, tracks, strict=True)
                if track[frame]
            ]
            return decode_masks(rles, sizes[0]).any(axis=0)

        return read_file

    def summarize(self, scores: Mapping[str, Mapping[str, tuple[float, float]]]) -> dict:
        """Numbers over all expressions; those of videos without scores count as (0, 0)."""
        values = {}
        for video, item in self.videos.items():
            if video not in scores:
                logger.warning("Video %r has no predictions: its expressions score 0.", video)
            for expression in item["expressions"]:
                value = scores[video][expression] if video in scores else (0.0, 0.0)
                values[f"{video}_{expression}"] = value
        return referring.summarize_expressions(values)


def score_referring_folder(truth: ReferringTruth, result_dir: str | Path) -> dict:
    """Score result files ``<video>/<expression>/<frame>.png``; non-zero pixels are the object.

    A video without a folder scores 0 for all of its expressions, as published.

    Raises:
        FileNotFoundError: there is no folder of results, or none of an expression.
        ValueError: a frame is missing or bad; the message names video, expression and frame.
    """
    return truth.summarize(score_expressions(truth, result_dir))


def score_expressions(
    truth: ReferringTruth, result_dir: str | Path, *, processes: int = 1
) -> dict[str, dict[str, tuple[float, float]]]:
    """J and F by video and expression, ``processes`` videos at a time; see
    `score_referring_folder`.
    """
    result_dir = Path(result_dir)
    if not result_dir.is_dir():
        raise FileNotFoundError(f"There is no folder of results {result_dir}.")
    if not truth.has_masks:
        raise ValueError("Without mask_dir or mask_file there is no truth to score against.")
    videos = [video for video in truth.videos if (result_dir / video).is_dir()]
    return score_each(videos, partial(_score_folder, truth, result_dir), processes)


def _score_folder(
    truth: ReferringTruth, result_dir: Path, video: str
) -> dict[str, tuple[float, float]]:
    return {
        expression: truth.score(video, expression, folder_reader(result_dir / video / expression))
        for expression in truth.videos[video]["expressions"]
    }


class ReferringEvaluator(PerVideoEvaluator):
    """Writes ``Annotations/<video>/<expression>/<frame>.png`` (0 or 255) and scores them.

    Args:
        truth: the data set; scored only if it has masks.
        output_dir: where to write results; None to score only.
        allow_missing: expressions of videos that were not processed score 0.
    """

    task = "referring"

    def __init__(
        self,
        truth: ReferringTruth,
        *,
        output_dir: str | Path | None = None,
        allow_missing: bool = False,
    ) -> None:
        if not truth.has_masks and output_dir is None:
            raise ValueError("The masks are not public: give an output_dir to write results to.")
        super().__init__()
        self._truth = truth
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._allow_missing = allow_missing

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[VideoResult]) -> None:
        """Write and score a batch.

        Args:
            inputs: per item ``video_id``; ``file_names``, the paths of its frames; and
                ``expressions``, {target id: expression id}, some or all of the video's. Without
                it, target k + 1 belongs to expression k of the item's ``record``.
            outputs: per item tracks with target ids; an expression without track is empty.

        Raises:
            ValueError: an unknown or repeated expression, or a result that cannot be scored.
        """
        for sample, result in zip(inputs, outputs, strict=True):
            video = str(sample["video_id"])
            if video not in self._truth.videos:
                raise ValueError(f"Video {video!r} is not part of the data set.")
            names = [Path(name).stem for name in sample["file_names"]]
            if len(names) != result.num_frames:
                raise ValueError(
                    f"Video {video!r}: {len(names)} file names for {result.num_frames} frames."
                )
            expressions = sample.get("expressions")
            if expressions is None:
                listed = sample["record"].expressions
                expressions = {index + 1: item.id for index, item in enumerate(listed)}
            for target_id, expression in expressions.items():
                self._process_expression(video, str(expression), int(target_id), names, result)

    def _process_expression(
        self, video: str, expression: str, target_id: int, names: list[str], result: VideoResult
    ) -> None:
        if expression not in self._truth.videos[video]["expressions"]:
            raise ValueError(f"Video {video!r} has no expression {expression!r}.")
        tracks = [track for track in result.tracks if track.target_id == target_id]
        if len(tracks) > 1:
            raise ValueError(f"Video {video!r}: {len(tracks)} tracks for target {target_id}.")
        index = {name: i for i, name in enumerate(names)}

        def read(name: str) -> np.ndarray | None:
            if name not in index:
                return None
            rle = tracks[0].segmentations[index[name]] if tracks else None
            return decode_masks([rle], result.size)[0].view(np.uint8) * np.uint8(255)

        if self._output_dir is not None:
            folder = self._output_dir / "Annotations" / video / expression
            write_video(folder, ((name, read(name)) for name in names))
        score = None
        if self._truth.has_masks:
            score = self._truth.score(video, expression, read)
        self.keep((video, expression), score)

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """``{"referring": {"J&F", "J", "F"}}`` on the main process (``{}`` without truth).

        Raises:
            ValueError: expressions were not processed, or processed by two processes.
        """
        records = self.gather_records()  # indexed by (video, expression)
        if records is None:
            return None
        scores: dict[str, dict] = {}
        for (video, expression), score in records.items():
            scores.setdefault(video, {})[expression] = score
        for video, item in self._truth.videos.items():
            if video in scores or not self._allow_missing:
                expected = [(video, expression) for expression in item["expressions"]]
                check_no_video_missing(expected, records, allow_missing=False)
        if not self._truth.has_masks:
            return {}
        result = self._truth.summarize(scores)
        return {self.task: {name: result[name] for name in ("J&F", "J", "F")}}


class RefDavisEvaluator(DatasetEvaluator):
    """Ref-DAVIS17: one unsupervised DAVIS evaluation per annotator, and their mean.

    Results are written to ``anno_0`` ... ``anno_3`` of ``output_dir``.

    Args:
        truth_dir: unsupervised annotations at 480p, one folder per video.
        output_dir: where to write results; None to score only.
        videos, allow_missing: see :class:`VideoObjectProtocol`.
    """

    task = "ref_davis17"

    def __init__(
        self,
        truth_dir: str | Path,
        *,
        output_dir: str | Path | None = None,
        videos: Sequence[str] | None = None,
        allow_missing: bool = False,
    ) -> None:
        protocol = DavisProtocol(
            truth_dir, task="unsupervised", videos=videos, allow_missing=allow_missing
        )
        protocol.max_objects = None  # the expressions say which object a mask is
        self._evaluators = [
            VideoObjectEvaluator(
                protocol,
                output_dir=None if output_dir is None else Path(output_dir) / f"anno_{annotator}",
            )
            for annotator in range(referring.NUM_ANNOTATORS)
        ]

    def reset(self) -> None:
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[VideoResult]) -> None:
        """Write and score a batch.

        Args:
            inputs: per item ``annotator`` (0 to 3), ``video_id`` and ``file_names``.
            outputs: per item one track for every object, its target id being the object's id.
        """
        for sample, result in zip(inputs, outputs, strict=True):
            annotator = sample["annotator"]
            if not 0 <= annotator < len(self._evaluators):
                raise ValueError(
                    f"Video {sample['video_id']!r}: annotator {annotator} is not one of 0 to "
                    f"{len(self._evaluators) - 1}."
                )
            self._evaluators[annotator].process([sample], [result])

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """The seven numbers of DAVIS as means, and ``J&F-Mean-anno_<k>`` of every annotator."""
        runs = [evaluator.evaluate() for evaluator in self._evaluators]
        if not comm.is_main_process():
            return None
        runs = [next(iter(run.values())) for run in runs]
        numbers = referring.average_annotators(runs)
        for annotator, run in enumerate(runs):
            numbers[f"J&F-Mean-anno_{annotator}"] = run["J&F-Mean"]
        log_numbers(self.task, numbers)
        return {self.task: numbers}
