"""Image instance AP of COCO, by pycocotools itself."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from univs.evaluation.metrics.run_lengths import damaged_masks

ROWS = (
    "AP",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "AR1",
    "AR10",
    "AR100",
    "ARs",
    "ARm",
    "ARl",
)


@dataclass(frozen=True)
class ImageAp:
    """Average precision of a data set; fractions, -1 where there is no truth.

    Attributes:
        stats: one value per name of `ROWS`.
        per_category: category id -> AP, NaN where undefined.
        summary: the lines pycocotools prints.
    """

    stats: dict[str, float]
    per_category: dict[int, float]
    summary: list[str] = field(repr=False)


def coco_ap(truth: Mapping, results: Sequence[Mapping], iou_type: str = "segm") -> ImageAp:
    """Score detections on images.

    Args:
        truth: COCO instance annotations, parsed; not changed.
        results: ``{image_id, category_id, score, segmentation}`` or with ``bbox`` each; boxes of
            ``iou_type="bbox"`` are derived from masks where there is no ``bbox``. May be empty,
            which scores 0.
        iou_type: "segm" or "bbox".

    Raises:
        ValueError: see `check_results`.
    """
    results = [dict(result) for result in results]
    check_results(truth, results, iou_type)
    if iou_type == "segm" or not all("bbox" in result for result in results):
        for result in results:
            result.pop("bbox", None)  # with a box, pycocotools would take its area for the mask's
    with contextlib.redirect_stdout(io.StringIO()):
        api = COCO()
        api.dataset = {"info": {}, "licenses": [], **copy.deepcopy(dict(truth))}
        api.createIndex()
        detections = api.loadRes(results) if results else _nothing(api)
        evaluation = COCOeval(api, detections, iouType=iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # [T, R, K], area all, 100 detections
    per_category = {}
    for index, category_id in enumerate(evaluation.params.catIds):
        values = precision[..., index]
        defined = values[values > -1]
        per_category[category_id] = float(defined.mean()) if defined.size else float("nan")
    return ImageAp(
        stats=dict(zip(ROWS, map(float, evaluation.stats), strict=True)),
        per_category=per_category,
        summary=printed.getvalue().rstrip("\n").split("\n"),
    )


def check_results(truth: Mapping, results: Sequence[Mapping], iou_type: str) -> None:
    """Check detections on images.

    Raises:
        ValueError: ``iou_type`` is neither "segm" nor "bbox", a key is missing, an image is
            unknown, a score is not finite, or run lengths are damaged.
    """
    if iou_type not in ("segm", "bbox"):
        raise ValueError(f"iou_type must be 'segm' or 'bbox', not {iou_type!r}.")
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in truth["images"]}
    texts: dict[tuple[int, int], list[tuple[str, str | bytes]]] = {}  # by size of the mask
    for index, result in enumerate(results):
        missing = {"image_id", "category_id", "score"} - result.keys()
        if missing:
            raise ValueError(f"Result {index}: the keys {sorted(missing)} are missing.")
        where = f"Result {index}, image {result['image_id']!r}"
        if result["image_id"] not in sizes:
            raise ValueError(f"{where}: the truth has no such image.")
        if not np.isfinite(result["score"]):
            raise ValueError(f"{where}: the score must be a finite number, not {result['score']}.")
        segmentation = result.get("segmentation")
        if segmentation is None and (iou_type == "segm" or "bbox" not in result):
            raise ValueError(f"{where}: there is no segmentation.")
        if isinstance(segmentation, Mapping) and isinstance(
            segmentation.get("counts"), (str, bytes)
        ):
            size = tuple(segmentation.get("size", ()))
            if size != sizes[result["image_id"]]:
                raise ValueError(
                    f"{where}: the mask has the size {list(size)}, but the image "
                    f"{list(sizes[result['image_id']])} (height, width)."
                )
            texts.setdefault(size, []).append((where, segmentation["counts"]))
    for (height, width), listed in texts.items():
        damaged = damaged_masks([counts for _, counts in listed], height * width)
        if len(damaged):
            raise ValueError(
                f"{listed[damaged[0]][0]}: the run lengths are damaged; they do not cover the "
                f"{height} x {width} pixels of the image. Write the file anew."
            )


def _nothing(api: COCO) -> COCO:
    """An empty set of detections, which ``loadRes`` refuses to read."""
    empty = COCO()
    empty.dataset = {
        "images": list(api.dataset["images"]),
        "categories": list(api.dataset["categories"]),
        "annotations": [],
    }
    empty.createIndex()
    return empty
