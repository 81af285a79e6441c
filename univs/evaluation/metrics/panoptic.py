"""Panoptic quality (Kirillov et al., CVPR 2019) of images, and the matching that tubes share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from univs.evaluation.metrics.pair_counts import PairCounts, count_pairs
from univs.evaluation.metrics.panoptic_ids import VOID_ID

MATCH_IOU = 0.5  # a match has a higher IoU, so it is unique
VOID_SHARE = 0.5  # an unmatched prediction with a higher share of void or crowd is no mistake


@dataclass(frozen=True)
class PanopticCategories:
    """The categories of a benchmark.

    Attributes:
        ids: ids of the data set, in the order of the file.
        is_thing: [K] bool.
    """

    ids: tuple[int, ...]
    is_thing: np.ndarray

    @classmethod
    def from_json(cls, categories: Iterable[Mapping]) -> PanopticCategories:
        """Read ``[{"id", "isthing"}]``.

        Raises:
            ValueError: an id occurs twice.
        """
        categories = list(categories)
        ids = tuple(int(category["id"]) for category in categories)
        if len(set(ids)) != len(ids):
            raise ValueError(f"Category ids occur twice: {sorted(ids)}.")
        return cls(ids, np.array([bool(category["isthing"]) for category in categories], bool))

    def index(self, category_id: int, where: str) -> int:
        """Position of a category.

        Raises:
            ValueError: there is no such category; the message begins with ``where``.
        """
        try:
            return self.ids.index(category_id)
        except ValueError:
            raise ValueError(f"{where}: the category {category_id} is not in the list.") from None


@dataclass(frozen=True)
class PanopticStatistics:
    """Sums per category, which add up over images, windows and videos.

    Attributes:
        iou: [K] float64, sum of the IoU of matches.
        tp, fp, fn: [K] int64.
    """

    iou: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray

    @classmethod
    def zeros(cls, num_categories: int) -> PanopticStatistics:
        """Statistics of nothing."""
        counts = (np.zeros(num_categories, dtype=np.int64) for _ in range(3))
        return cls(np.zeros(num_categories), *counts)

    def __add__(self, other: PanopticStatistics) -> PanopticStatistics:
        return PanopticStatistics(
            self.iou + other.iou, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn
        )


class Segments(NamedTuple):
    """Segments or tubes of one image or window, in the order of their first listing.

    Attributes:
        ids: [N] int64, distinct.
        categories: [N] int64 positions in the list of categories.
        areas: [N] int64 pixels.
        is_crowd: [N] bool; ignored for predictions.
    """

    ids: np.ndarray
    categories: np.ndarray
    areas: np.ndarray
    is_crowd: np.ndarray


def match_segments(
    pairs: PairCounts, truth: Segments, prediction: Segments, num_categories: int
) -> PanopticStatistics:
    """Match segments and count what is right and wrong.

    Pixels whose truth is void are taken from the union. As published, only the last listed crowd
    segment of a category excuses predictions that lie on it.

    Args:
        pairs: common pixels of (truth id, predicted id), ids without segment included.
        truth, prediction: what is listed.
        num_categories: K.

    Raises:
        ValueError: an IoU is above 1 because the listed area of a truth is too small.
    """
    row = _position(truth.ids, pairs.first)
    column = _position(prediction.ids, pairs.second)
    on_void = np.zeros(len(prediction.ids), dtype=np.int64)
    is_void = (pairs.first == VOID_ID) & (column >= 0)
    on_void[column[is_void]] = pairs.counts[is_void]

    listed = (row >= 0) & (column >= 0)
    row, column, overlap = row[listed], column[listed], pairs.counts[listed]
    comparable = truth.categories[row] == prediction.categories[column]
    comparable &= ~truth.is_crowd[row]
    g, p, common = row[comparable], column[comparable], overlap[comparable]
    union = prediction.areas[p] + truth.areas[g] - common - on_void[p]
    if (common > union).any():
        first = int(np.flatnonzero(common > union)[0])
        raise ValueError(
            f"the listed area of the truth segment {truth.ids[g[first]]} is smaller than what it "
            "shares with a prediction; correct the areas of the annotation file."
        )
    iou = common / union
    is_match = iou > MATCH_IOU
    g, p, iou = g[is_match], p[is_match], iou[is_match]

    missed = ~truth.is_crowd
    missed[g] = False
    crowd_of = np.full(num_categories, -1)  # indexed by category
    crowds = np.flatnonzero(truth.is_crowd)
    crowd_of[truth.categories[crowds]] = crowds  # of equal categories the last one stays
    on_crowd = row == crowd_of[prediction.categories[column]]
    excused = on_void + np.bincount(
        column[on_crowd], weights=overlap[on_crowd], minlength=len(on_void)
    ).astype(np.int64)
    wrong = ~(excused > VOID_SHARE * prediction.areas)
    wrong[p] = False

    def per_category(categories: np.ndarray) -> np.ndarray:
        return np.bincount(categories, minlength=num_categories)

    matched = truth.categories[g]
    return PanopticStatistics(
        iou=np.bincount(matched, weights=iou, minlength=num_categories).astype(np.float64),
        tp=per_category(matched),
        fp=per_category(prediction.categories[wrong]),
        fn=per_category(truth.categories[missed]),
    )


def predicted_areas(
    pairs: PairCounts, listed_ids: np.ndarray, where: str, source: str = "prediction"
) -> np.ndarray:
    """Pixels of each listed id in the predicted map: [N] int64.

    Raises:
        ValueError: an id of the map, other than void, is not listed, or the other way round.
    """
    column = _position(listed_ids, pairs.second)
    unlisted = (column < 0) & (pairs.second != VOID_ID)
    if unlisted.any():
        raise ValueError(
            f"{where}: the {source} map holds the id {pairs.second[unlisted][0]}, which its "
            "segments_info does not list."
        )
    listed = column >= 0
    areas = np.zeros(len(listed_ids), dtype=np.int64)
    np.add.at(areas, column[listed], pairs.counts[listed])
    if (areas == 0).any():
        raise ValueError(
            f"{where}: the segments_info of the {source} lists the id "
            f"{listed_ids[areas == 0][0]}, which its map does not hold."
        )
    return areas


def checked_pair_counts(truth: np.ndarray, prediction: np.ndarray, where: str) -> PairCounts:
    """`count_pairs`, with messages that say where."""
    if truth.shape != prediction.shape:
        raise ValueError(
            f"{where}: the truth has the size {list(truth.shape)}, but the prediction "
            f"{list(prediction.shape)}. Predict at the size of the truth."
        )
    try:
        return count_pairs(truth, prediction)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def image_statistics(
    truth: np.ndarray,
    prediction: np.ndarray,
    truth_segments: Sequence[Mapping],
    predicted_segments: Sequence[Mapping],
    categories: PanopticCategories,
    where: str,
) -> PanopticStatistics:
    """Panoptic statistics of one image.

    The area of a predicted segment is counted, that of a truth is the listed one. A segment that is
    listed twice has the properties of its last listing.

    Args:
        truth, prediction: [H, W] integer segment ids, 0 is void.
        truth_segments: ``{id, category_id, iscrowd, area}`` each.
        predicted_segments: ``{id, category_id}`` each.
        categories: of the data set.
        where: names the image in messages.

    Raises:
        ValueError: sizes differ, a map and its list disagree, or a category is unknown.
    """
    pairs = checked_pair_counts(truth, prediction, where)
    truths = {segment["id"]: segment for segment in truth_segments}
    predictions = {segment["id"]: segment for segment in predicted_segments}
    predicted_ids = np.array(list(predictions), dtype=np.int64)
    areas = predicted_areas(pairs, predicted_ids, where)
    return match_segments(
        pairs,
        Segments(
            np.array(list(truths), dtype=np.int64),
            _category_indices(truths.values(), categories, f"{where}, truth"),
            np.array([segment["area"] for segment in truths.values()], dtype=np.int64),
            np.array([segment.get("iscrowd", 0) == 1 for segment in truths.values()], dtype=bool),
        ),
        Segments(
            predicted_ids,
            _category_indices(predictions.values(), categories, f"{where}, prediction"),
            areas,
            np.zeros(len(areas), dtype=bool),
        ),
        len(categories.ids),
    )


def panoptic_quality(statistics: PanopticStatistics, categories: PanopticCategories) -> dict:
    """Averages and per-category values, as fractions.

    Returns:
        ``All``, ``Things``, ``Stuff``: ``{pq, sq, rq, n}``, means over the n categories that occur
        in truth or prediction, NaN if none does; ``per_class``: category id -> ``{pq, sq, rq, iou,
        tp, fp, fn}``, all 0 for a category that does not occur.
    """
    iou, tp = statistics.iou, statistics.tp
    weight = tp + 0.5 * statistics.fp + 0.5 * statistics.fn
    occurs = weight > 0
    quality = {
        "pq": np.divide(iou, weight, out=np.zeros_like(iou), where=occurs),
        "sq": np.divide(iou, tp, out=np.zeros_like(iou), where=tp > 0),
        "rq": np.divide(tp, weight, out=np.zeros_like(iou), where=occurs),
    }

    def average(group: np.ndarray) -> dict:
        count = int(group.sum())
        means = {
            name: float(values[group].mean()) if count else math.nan
            for name, values in quality.items()
        }
        return {**means, "n": count}

    per_class = {
        category_id: {
            **{name: float(values[index]) for name, values in quality.items()},
            "iou": float(iou[index]),
            **{name: int(getattr(statistics, name)[index]) for name in ("tp", "fp", "fn")},
        }
        for index, category_id in enumerate(categories.ids)
    }
    return {
        "All": average(occurs),
        "Things": average(occurs & categories.is_thing),
        "Stuff": average(occurs & ~categories.is_thing),
        "per_class": per_class,
    }


def _position(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index into ``ids`` of every wanted id, -1 where it is missing."""
    if len(ids) == 0:
        return np.full(len(wanted), -1)
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    found = order[place]
    return np.where(ids[found] == wanted, found, -1)


def _category_indices(
    segments: Iterable[Mapping], categories: PanopticCategories, where: str
) -> np.ndarray:
    return np.array(
        [
            categories.index(segment["category_id"], f"{where}, segment {segment['id']}")
            for segment in segments
        ],
        dtype=np.int64,
    )
