"""Pictures of the worst frames of a result, beside the table of videos."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from detectron2.data import DatasetCatalog, MetadataCatalog
from univs.data.record import VideoRecord, record_of
from univs.evaluation.benchmark_truth import benchmark_kind
from univs.evaluation.frame_comparison import COMPARABLE, VideoComparison, compare_video
from univs.visualization import contact_sheet, track_colors, write_png

_OPACITY = 0.6


def check_has_pictures(dataset: str) -> None:
    """Check that frames of a data set can be compared.

    Raises:
        ValueError: they cannot.
    """
    kind = benchmark_kind(MetadataCatalog.get(dataset))
    if kind not in COMPARABLE:
        raise ValueError(
            f"--pictures: there are none for {dataset}, whose kind of benchmark is {kind}; there "
            f"are for {', '.join(COMPARABLE)}."
        )


def write_worst_frames(
    folder: Path, dataset: str, results: Path, videos: Sequence[Hashable]
) -> list[Path]:
    """Write one picture per video: its worst frame, the truth on it, and the result on it.

    Args:
        folder: where pictures go; ``<rank>_<video>_<frame>.png``.
        dataset: registered name.
        results: see `univs.evaluation.offline.score_results`; no archive.
        videos: keys of ``Report.per_video``, the worst first.

    Returns:
        the files.
    """
    metadata = MetadataCatalog.get(dataset)
    entries = {str(entry["video_id"]): entry for entry in DatasetCatalog.get(dataset)}
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for rank, video in enumerate(videos, start=1):
        comparison = compare_video(metadata, results, video)
        scores = comparison.frame_scores()
        if np.isnan(scores).all():
            continue
        frame = int(np.nanargmin(scores))
        record = record_of(entries[str(video).rpartition("/")[2]])
        name, image = _frame(record, comparison, frame)
        truth, prediction = comparison.truth(frame), comparison.prediction(frame)
        true_colors, predicted_colors = _colors(comparison, truth, prediction)
        here, mean = 100 * scores[frame], 100 * np.nanmean(scores)
        sheet = contact_sheet(
            [image, _draw(image, truth, true_colors), _draw(image, prediction, predicted_colors)],
            captions=[
                f"{video}, frame {name}",
                "truth",
                f"result, mean IoU {here:.1f} (video: {mean:.1f})",
            ],
            columns=3,
            cell_width=640,
        )
        safe = str(video).replace("/", "-")
        paths.append(folder / f"{rank:03d}_{safe}_{name}.png")
        write_png(paths[-1], sheet)
    return paths


def _frame(record: VideoRecord, comparison: VideoComparison, frame: int) -> tuple[str, np.ndarray]:
    """Name and RGB image of a compared frame."""
    stems = [Path(name).stem for name in record.frames.names]
    index = frame if comparison.frame_names is None else stems.index(comparison.frame_names[frame])
    return stems[index], record.frames[index]


def _colors(
    comparison: VideoComparison, truth: np.ndarray, prediction: np.ndarray
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Colour by label of the truth, and by label of the result; labels without are not drawn.

    The result has the colour of the object it belongs to, so that a switch of identities shows.
    """
    true_labels = set(np.unique(truth).tolist()) | comparison.partners.keys()
    true_labels = sorted(true_labels - {*comparison.background, *comparison.void})
    number = {label: index + 1 for index, label in enumerate(true_labels)}
    owner = {label: number[true] for true, label in comparison.partners.items()}
    others = sorted(set(np.unique(prediction).tolist()) - owner.keys() - {*comparison.background})
    owner |= {label: len(number) + index + 1 for index, label in enumerate(others)}
    return tuple(
        dict(zip(numbers, track_colors(list(numbers.values())), strict=True))
        for numbers in (number, owner)
    )


def _draw(image: np.ndarray, labels: np.ndarray, colors: Mapping[int, np.ndarray]) -> np.ndarray:
    """Blend the colours of the labels [H, W] into an RGB image, which takes the size of the map."""
    height, width = labels.shape
    if image.shape[:2] != labels.shape:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    canvas = image.copy()
    for label in np.unique(labels).tolist():
        if label in colors:
            here = labels == label
            canvas[here] = (1 - _OPACITY) * canvas[here] + _OPACITY * colors[label]
    return canvas
