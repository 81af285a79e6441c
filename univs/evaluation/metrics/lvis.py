"""Average precision of LVIS (Gupta et al., CVPR 2019), whose images are not annotated exhaustively.

An image is annotated for some categories only: those of its objects, and those that were found to
be absent. Predictions of other categories are dropped; where the objects of a category are not all
annotated, a prediction that finds none is no mistake. Everything else is COCO's average precision
with 300 predictions per image, and without crowds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from univs.evaluation.metrics.average_precision import (
    UNDEFINED,
    MatchRecord,
    match_predictions,
    mean_of_defined,
    outside_ranges,
    precision_and_recall,
)
from univs.evaluation.metrics.coco import ImageAp, check_results

MAX_DETECTIONS = 300  # per image, over all categories

# Limits are inclusive on both sides.
AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
FREQUENCIES = ("r", "c", "f")  # rare, common and frequent in the training images
ROWS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf")


def lvis_ap(truth: Mapping, results: Sequence[Mapping], iou_type: str = "segm") -> ImageAp:
    """Score detections on images.

    Args:
        truth: LVIS annotations, parsed: COCO's, with ``neg_category_ids`` and
            ``not_exhaustive_category_ids`` of every image, and ``frequency`` of every category.
        results: ``{image_id, category_id, score, segmentation}`` or with ``bbox`` each. May be
            empty, which scores 0.
        iou_type: "segm" or "bbox".

    Returns:
        The numbers of `ROWS`, and ``AR`` with up to `MAX_DETECTIONS` predictions.

    Raises:
        ValueError: a key is missing, an image is unknown, a score is not finite or a mask damaged.
    """
    check_results(truth, results, iou_type)
    annotations, detections = _by_image(truth.get("annotations") or ()), _by_image(results)
    category_ids = sorted(category["id"] for category in truth["categories"])
    records: dict[int, list[MatchRecord]] = {category_id: [] for category_id in category_ids}
    for image in sorted(truth["images"], key=lambda image: image["id"]):
        matched = score_image(
            image, annotations.get(image["id"], []), detections.get(image["id"], []), iou_type
        )
        for category_id, record in matched.items():
            if category_id in records:
                records[category_id].append(record)
    precisions, recalls = {}, {}  # [K, T, 101] and [K, T] by name of the area range
    for index, area in enumerate(AREA_RANGES):
        curves = [precision_and_recall(records[key], index, MAX_DETECTIONS) for key in category_ids]
        precisions[area] = np.array([precision for precision, _ in curves])
        recalls[area] = np.array([recall for _, recall in curves])
    everything = precisions["all"]
    frequency = {category["id"]: category.get("frequency") for category in truth["categories"]}
    stats = {
        "AP": mean_of_defined(everything),
        "AP50": mean_of_defined(everything[:, 0]),
        "AP75": mean_of_defined(everything[:, 5]),
    }
    for area in ("small", "medium", "large"):
        stats[f"AP{area[0]}"] = mean_of_defined(precisions[area])
    for letter in FREQUENCIES:
        chosen = np.array([frequency[category_id] == letter for category_id in category_ids], bool)
        stats[f"AP{letter}"] = mean_of_defined(everything[chosen])
    stats["AR"] = mean_of_defined(recalls["all"])
    means = {key: mean_of_defined(everything[row]) for row, key in enumerate(category_ids)}
    return ImageAp(
        stats=stats,
        per_category={
            key: float("nan") if value == UNDEFINED else value for key, value in means.items()
        },
        summary=[f" {name:<5} = {value:0.3f}" for name, value in stats.items()],
    )


def score_image(
    image: Mapping, annotations: Sequence[Mapping], detections: Sequence[Mapping], iou_type: str
) -> dict[int, MatchRecord]:
    """Match the detections of one image with its truth, category by category.

    Returns:
        Category id -> record, for the categories that the image is annotated for and that are
        annotated or predicted in it.
    """
    best = sorted(detections, key=lambda detection: -detection["score"])[:MAX_DETECTIONS]
    present = {annotation["category_id"] for annotation in annotations}
    verified = present | set(image.get("neg_category_ids", ()))
    predicted_of: dict[int, list[Mapping]] = {}
    for detection in best:
        if detection["category_id"] in verified:
            predicted_of.setdefault(detection["category_id"], []).append(detection)
    truths_of: dict[int, list[Mapping]] = {}
    for annotation in annotations:
        truths_of.setdefault(annotation["category_id"], []).append(annotation)
    incomplete = set(image.get("not_exhaustive_category_ids", ()))
    return {
        category_id: _match_category(
            image,
            truths_of.get(category_id, []),
            predicted_of.get(category_id, []),
            iou_type,
            is_incomplete=category_id in incomplete,
        )
        for category_id in truths_of.keys() | predicted_of.keys()
    }


def _match_category(
    image: Mapping,
    truths: Sequence[Mapping],
    predictions: Sequence[Mapping],
    iou_type: str,
    *,
    is_incomplete: bool,
) -> MatchRecord:
    ranges = np.array(list(AREA_RANGES.values()))  # [S, 2]
    true_areas = np.array([truth["area"] for truth in truths], dtype=np.float64)
    is_ignored = np.array([bool(truth.get("ignore", 0)) for truth in truths], dtype=bool)
    if iou_type == "segm":
        true_shapes = [_run_lengths(truth["segmentation"], image) for truth in truths]
        shapes = [_run_lengths(item["segmentation"], image) for item in predictions]
        areas = np.asarray(coco_mask.area(shapes) if shapes else [], dtype=np.float64)
    else:
        true_shapes = np.array([truth["bbox"] for truth in truths], dtype=np.float64)
        shapes = np.array([_box(item, image) for item in predictions], dtype=np.float64)
        areas = shapes.reshape(-1, 4)[:, 2:].prod(axis=1)
    ious = np.zeros((len(predictions), len(truths)))
    if ious.size:
        ious[:] = coco_mask.iou(shapes, true_shapes, np.zeros(len(truths), dtype=np.uint8))
    return match_predictions(
        scores=np.array([item["score"] for item in predictions], dtype=np.float64),
        ious=ious,
        prediction_outside=outside_ranges(areas, ranges) | is_incomplete,
        truth_ignored=outside_ranges(true_areas, ranges) | is_ignored,
        truth_crowd=np.zeros(len(truths), dtype=bool),
    )


def _run_lengths(segmentation: Mapping | Sequence, image: Mapping) -> Mapping:
    """A mask from polygons, or from compressed or uncompressed run lengths."""
    if isinstance(segmentation, Mapping) and isinstance(segmentation["counts"], (str, bytes)):
        return segmentation
    size = (image["height"], image["width"])
    if isinstance(segmentation, Mapping):
        return coco_mask.frPyObjects(dict(segmentation), *size)
    return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))


def _box(prediction: Mapping, image: Mapping) -> Sequence[float]:
    if "bbox" in prediction:
        return prediction["bbox"]
    return coco_mask.toBbox(_run_lengths(prediction["segmentation"], image))


def _by_image(entries: Iterable[Mapping]) -> dict[int | str, list[Mapping]]:
    images: dict[int | str, list[Mapping]] = {}
    for entry in entries:
        images.setdefault(entry["image_id"], []).append(entry)
    return images
