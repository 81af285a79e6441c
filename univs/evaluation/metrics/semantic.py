"""Semantic segmentation: accuracy and mean IoU from one confusion matrix over all pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from univs.evaluation.metrics.pair_counts import count_pairs

VSPW_CLASSES = 124
VOID_LABEL = 255  # of 8-bit label maps


def vspw_labels(raw: np.ndarray) -> np.ndarray:
    """VSPW annotation values to labels: 0 ("others") and 255 become void, c becomes c - 1.

    Args:
        raw: uint8 of any shape.
    """
    if raw.dtype != np.uint8:
        raise ValueError(f"VSPW annotations are 8-bit maps, but this one is {raw.dtype}.")
    labels = raw - np.uint8(1)  # 0 wraps around to 255
    labels |= (labels == 254).view(np.uint8)  # 254 | 1 = 255
    return labels


class ConfusionMatrix:
    """Pixels by true and predicted class; grows frame by frame.

    Attributes:
        num_classes: K.
        counts: [K, K] int64, rows truth, columns prediction, over pixels with a true class.
        missed: [K] int64, pixels of each true class that are predicted void.
    """

    def __init__(self, num_classes: int, *, strict_official: bool = False) -> None:
        """Begin with nothing.

        Args:
            num_classes: K, at most 255.
            strict_official: do as VSPW's tool, which looks up ``K * truth + prediction`` unchecked:
                a predicted 255 on a labelled pixel counts for a wrong pair of classes. By default
                it counts as a miss of the true class.
        """
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, num_classes), dtype=np.int64)
        self.missed = np.zeros(num_classes, dtype=np.int64)
        self._strict_official = strict_official

    def add(self, truth: np.ndarray, prediction: np.ndarray, where: str) -> None:
        """Count a frame or a video.

        Args:
            truth: labels; those outside 0..K-1 are void.
            prediction: labels of the same shape, 0..K-1, or 255 for void.
            where: names video and frame in messages.

        Raises:
            ValueError: shapes differ, or a predicted label is neither a class nor void.
        """
        if truth.shape != prediction.shape:
            raise ValueError(
                f"{where}: the truth has the size {list(truth.shape)}, but the prediction "
                f"{list(prediction.shape)}. Predict at the size of the truth."
            )
        try:
            true_class, predicted, pixels = count_pairs(truth, prediction)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        unknown = (predicted >= self.num_classes) & (predicted != VOID_LABEL)
        if unknown.any():
            raise ValueError(
                f"{where}: the prediction holds the label {predicted[unknown][0]}; classes are "
                f"0..{self.num_classes - 1}, and {VOID_LABEL} is void."
            )
        is_valid = true_class < self.num_classes
        true_class, predicted, pixels = (
            true_class[is_valid],
            predicted[is_valid],
            pixels[is_valid],
        )
        if self._strict_official:
            place = self.num_classes * true_class + predicted
            if (place >= self.counts.size).any():
                raise ValueError(
                    f"{where}: void is predicted on a pixel of one of the last classes, which the "
                    "official tool cannot count."
                )
            np.add.at(self.counts.reshape(-1), place, pixels)
            return
        is_void = predicted >= self.num_classes
        np.add.at(self.missed, true_class[is_void], pixels[is_void])
        np.add.at(self.counts, (true_class[~is_void], predicted[~is_void]), pixels[~is_void])

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of another matrix of the same kind."""
        self.counts += other.counts
        self.missed += other.missed


@dataclass(frozen=True)
class SemanticScores:
    """Fractions; NaN where undefined.

    Attributes:
        accuracy: share of right pixels.
        class_accuracy: mean over the classes of the truth.
        mean_iou: mean over the classes of the truth.
        frequency_weighted_iou: mean weighted with the pixels of each class.
        iou: [K], NaN for classes that are not in the truth.
        accuracies: [K], NaN for classes that are not in the truth.
    """

    accuracy: float
    class_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    iou: np.ndarray
    accuracies: np.ndarray


def semantic_scores(confusion: ConfusionMatrix) -> SemanticScores:
    """Reduce a confusion matrix.

    A class that is only predicted does not enter any mean, and its pixels count only where the
    truth has another class.
    """
    right = confusion.counts.diagonal()
    true_pixels = confusion.counts.sum(axis=1) + confusion.missed
    union = true_pixels + confusion.counts.sum(axis=0) - right
    occurs = true_pixels > 0
    total = int(true_pixels.sum())
    if total == 0:
        undefined = np.full(confusion.num_classes, math.nan)
        return SemanticScores(*[math.nan] * 4, undefined, undefined.copy())
    nothing = np.full(confusion.num_classes, math.nan)
    iou = np.divide(right, union, out=nothing.copy(), where=occurs)
    accuracies = np.divide(right, true_pixels, out=nothing.copy(), where=occurs)
    return SemanticScores(
        accuracy=float(right.sum() / total),
        class_accuracy=float(accuracies[occurs].mean()),
        mean_iou=float(iou[occurs].mean()),
        frequency_weighted_iou=float((true_pixels[occurs] / total * iou[occurs]).sum()),
        iou=iou,
        accuracies=accuracies,
    )
