"""Evaluator of per-pixel categories in videos: VSPW and data sets of the same layout."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from detectron2.utils import comm
from univs.evaluation.label_map_files import read_label_map, write_video
from univs.evaluation.metrics.semantic import ConfusionMatrix, semantic_scores, vspw_labels
from univs.evaluation.metrics.video_consistency import (
    VSPW_CLIP_LENGTHS,
    VideoConsistency,
    video_consistency,
)
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.video_pool import score_each
from univs.structures import VOID_LABEL, VideoResult

logger = logging.getLogger(__name__)


class SemanticVideoScorer:
    """Confusion matrix and video consistency of any number of videos, frame by frame.

    Attributes:
        confusion: of all videos up to now.
    """

    def __init__(self, num_classes: int, clip_lengths: Sequence[int] = VSPW_CLIP_LENGTHS) -> None:
        self.confusion = ConfusionMatrix(num_classes)
        self._clip_lengths = tuple(clip_lengths)

    def add_video(
        self, video: Hashable, frames: Iterable[tuple[str, np.ndarray, np.ndarray]]
    ) -> dict[int, list[float]]:
        """Count a video.

        Args:
            video: its name, for messages.
            frames: (name, raw truth, predicted labels) in temporal order; the truth as VSPW stores
                it, predicted labels 0..K-1 or 255, uint8 [H, W] both.

        Returns:
            Clip length -> video consistency of every clip.

        Raises:
            ValueError: a prediction has the wrong size or an unknown label.
        """
        consistency = VideoConsistency(self._clip_lengths)
        for name, raw, labels in frames:
            where = f"Video {video!r}, frame {name}"
            truth = vspw_labels(raw)
            self.confusion.add(truth, labels, where)
            consistency.add(truth, labels, where)
        return {length: consistency.clips(length) for length in self._clip_lengths}


class VideoSemanticEvaluator(PerVideoEvaluator):
    """mIoU, frequency-weighted IoU, accuracies and video consistency, in per cent.

    Also writes ``<video>/<frame>.png`` with the categories 0..K-1, 255 where there is none.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        output_dir: str | os.PathLike | None = None,
        *,
        video_ids: Sequence[Hashable] | None = None,
        allow_missing: bool = False,
    ) -> None:
        """Begin.

        Args:
            class_names: K names, 255 at most, in the order of the categories of results.
            output_dir: where PNGs go; None writes nothing.
            video_ids: all videos of the data set, to notice missing ones; None does not check.
            allow_missing: score what was processed only. An unprocessed video cannot be scored as
                empty, because nothing of its truth was read.
        """
        super().__init__()
        if len(class_names) > 255:
            raise ValueError(f"Masks of 8 bits hold 255 classes at most, not {len(class_names)}.")
        self._class_names = list(class_names)
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._video_ids = video_ids
        self._allow_missing = allow_missing
        self._scorer = SemanticVideoScorer(len(self._class_names))

    def reset(self) -> None:
        """Forget all videos."""
        super().reset()
        self._scorer = SemanticVideoScorer(len(self._class_names))

    def process(
        self, inputs: Sequence[Mapping], outputs: VideoResult | Sequence[VideoResult]
    ) -> None:
        """Score and write videos.

        Args:
            inputs: per video ``video_id`` and ``file_names``, the paths of its frames, from which
                follow those of the masks (see `mask_paths`). Where there are no masks, as in a test
                split, the video is only written.
            outputs: one result with label maps per video.

        Raises:
            ValueError: a result has no label maps, or another number or size of frames.
            FileNotFoundError: the mask of some, but not all, frames of a video is missing.
        """
        outputs = [outputs] if isinstance(outputs, VideoResult) else outputs
        for record, result in zip(inputs, outputs, strict=True):
            self._process_video(record["video_id"], record["file_names"], result)

    def evaluate(self) -> OrderedDict | None:
        """Log a table and return the numbers.

        Returns:
            ``{"sem_seg": {"mIoU", "fwIoU", "Acc", "Acc_class", "VC8", "VC16", "IoU-<class>"}}`` in
            per cent, NaN where undefined; empty if no video has masks; None on all but the main
            process.
        """
        confusions = comm.gather(self._scorer.confusion, dst=0)
        records = self.gather_records()
        if not comm.is_main_process():
            return None
        if self._video_ids is not None:
            missing = check_no_video_missing(self._video_ids, records, self._allow_missing)
            if missing:
                logger.warning("%d videos were not processed and do not count.", len(missing))
        clips = [record for record in records.values() if record is not None]
        if not clips:
            logger.info("No video has masks, so nothing is scored.")
            return OrderedDict()
        confusion = ConfusionMatrix(len(self._class_names))
        for part in confusions:
            confusion.merge(part)
        values = semantic_percentages(confusion, clips, self._class_names)
        main = [(name, value) for name, value in values.items() if "-" not in name]
        logger.info(
            "Video semantic segmentation:\n%s",
            tabulate(
                [[value for _, value in main]],
                headers=[name for name, _ in main],
                tablefmt="pipe",
                floatfmt=".3f",
            ),
        )
        return OrderedDict(sem_seg=values)

    def _process_video(
        self, video_id: Hashable, file_names: Sequence[str], result: VideoResult
    ) -> None:
        names = [Path(name).stem for name in file_names]
        if result.num_frames != len(names):
            raise ValueError(
                f"Video {video_id!r} has {len(names)} frames, but the prediction has "
                f"{result.num_frames}."
            )
        if result.label_maps is None:
            raise ValueError(f"Video {video_id!r}: the result has no label maps.")
        highest = len(self._class_names) - 1
        for name, label_map in zip(names, result.label_maps, strict=True):
            if label_map.size and not VOID_LABEL <= label_map.min() <= label_map.max() <= highest:
                raise ValueError(
                    f"Video {video_id!r}, frame {name}: the labels {label_map.min()} to "
                    f"{label_map.max()} are predicted; classes are 0..{highest}, and {VOID_LABEL} "
                    "is void."
                )
        labels = list(result.to_label_pngs(len(self._class_names)))
        if self._output_dir is not None:
            frames = zip(names, labels, strict=True)
            write_video(self._output_dir / str(video_id), frames)
        masks = mask_paths(file_names)
        if not any(path.exists() for path in masks):
            self.keep(video_id, None)
            return
        frames = (
            (name, read_label_map(path), predicted)
            for name, path, predicted in zip(names, masks, labels, strict=True)
        )
        self.keep(video_id, self._scorer.add_video(video_id, frames))


def mask_paths(file_names: Sequence[str | os.PathLike]) -> list[Path]:
    """VSPW's masks: ``<video>/origin/<frame>.jpg`` -> ``<video>/mask/<frame>.png``."""
    paths = [Path(name) for name in file_names]
    return [path.parent.parent / "mask" / f"{path.stem}.png" for path in paths]


def semantic_percentages(
    confusion: ConfusionMatrix,
    clips: Sequence[Mapping[int, Sequence[float]]],
    class_names: Sequence[str],
) -> OrderedDict[str, float]:
    """All numbers of `VideoSemanticEvaluator.evaluate`; ``clips`` holds one entry per video."""
    scores = semantic_scores(confusion)
    values = OrderedDict(
        mIoU=scores.mean_iou,
        fwIoU=scores.frequency_weighted_iou,
        Acc=scores.accuracy,
        Acc_class=scores.class_accuracy,
    )
    for length in clips[0] if clips else ():
        values[f"VC{length}"] = video_consistency(video[length] for video in clips)
    for name, iou in zip(class_names, scores.iou, strict=True):
        values[f"IoU-{name}"] = float(iou)
    return OrderedDict((name, 100 * value) for name, value in values.items())


def score_result_folder(
    data_root: str | os.PathLike,
    result_dir: str | os.PathLike,
    videos: Sequence[str],
    class_names: Sequence[str],
) -> OrderedDict[str, float]:
    """Score ``<result_dir>/<video>/<frame>.png`` against ``<data_root>/<video>/mask``.

    Raises:
        FileNotFoundError: a video has no masks, or a frame no prediction; the message names it.
        ValueError: a prediction has the wrong size or an unknown label.
    """
    scores = score_videos(data_root, result_dir, videos, len(class_names))
    return pooled_percentages(scores, class_names)


class SemanticVideoScores(NamedTuple):
    """What one video adds: its confusion matrix, and clip length -> consistency of its clips."""

    confusion: ConfusionMatrix
    clips: dict[int, list[float]]


def score_videos(
    data_root: str | os.PathLike,
    result_dir: str | os.PathLike,
    videos: Sequence[str],
    num_classes: int,
    *,
    processes: int = 1,
) -> dict[str, SemanticVideoScores]:
    """Scores of the files of `score_result_folder`, by video, ``processes`` at a time."""
    score = partial(_score_files, Path(data_root), Path(result_dir), num_classes)
    return score_each(sorted(videos), score, processes)


def _score_files(
    data_root: Path, result_dir: Path, num_classes: int, video: str
) -> SemanticVideoScores:
    masks = sorted((data_root / video / "mask").glob("*.png"))
    if not masks:
        raise FileNotFoundError(f"Video {video!r} has no masks below {data_root}.")
    frames = (
        (path.stem, read_label_map(path), read_label_map(result_dir / video / path.name))
        for path in masks
    )
    scorer = SemanticVideoScorer(num_classes)
    clips = scorer.add_video(video, frames)
    return SemanticVideoScores(scorer.confusion, clips)


def pooled_percentages(
    scores: Mapping[str, SemanticVideoScores], class_names: Sequence[str]
) -> OrderedDict[str, float]:
    """`semantic_percentages` of several videos."""
    confusion = ConfusionMatrix(len(class_names))
    for video in scores.values():
        confusion.merge(video.confusion)
    clips = [scores[video].clips for video in sorted(scores)]
    return semantic_percentages(confusion, clips, class_names)
