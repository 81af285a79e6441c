"""Evaluator of instances on still images: average precision of COCO and LVIS, masks and boxes."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask
from tabulate import tabulate
from torch import Tensor

from detectron2.data import MetadataCatalog
from detectron2.structures import Instances
from univs.evaluation.metadata import required, thing_ids
from univs.evaluation.metrics.coco import ImageAp, coco_ap
from univs.evaluation.metrics.lvis import FREQUENCIES, lvis_ap
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import pack_records, unpack_records, write_packed_records

logger = logging.getLogger(__name__)

# As Detectron2 reports them; average recall is only logged.
ROWS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


class ImageInstanceEvaluator(PerVideoEvaluator):
    """AP of masks (``segm``) and of their boxes (``bbox``); also writes the result file.

    Masks become run lengths when they arrive. The data set's metadata must hold ``json_file`` (COCO
    annotations) and ``thing_dataset_id_to_contiguous_id``. With the ``evaluator_type`` "lvis", the
    annotations are those of LVIS, and categories may be the ranks of their ids.
    """

    unit = "image"

    def __init__(
        self,
        dataset_name: str,
        output_dir: str | os.PathLike | None = None,
        *,
        allow_missing: bool = False,
    ) -> None:
        """Read the annotations.

        Args:
            dataset_name: a registered data set.
            output_dir: where ``coco_instances_results.json`` goes; None writes nothing.
            allow_missing: images that were not processed count as images without a detection.

        Raises:
            ValueError: the metadata lacks an entry, or the annotation file is broken.
        """
        super().__init__()
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._allow_missing = allow_missing
        metadata = MetadataCatalog.get(dataset_name)
        self._truth = read_coco(required(metadata, "json_file"))
        self._is_federated = metadata.get("evaluator_type") == "lvis"
        if self._is_federated and not hasattr(metadata, "thing_dataset_id_to_contiguous_id"):
            ids = sorted(category["id"] for category in self._truth["categories"])
            self._dataset_ids = dict(enumerate(ids))
        else:
            self._dataset_ids = thing_ids(metadata)
        self._image_ids = {image["id"] for image in self._truth["images"]}

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[Mapping]) -> None:
        """Take a batch of images.

        Args:
            inputs: per image ``image_id``.
            outputs: per image ``instances`` with ``pred_masks`` [N, H, W] (non-zero is the object),
                ``scores`` [N] and ``pred_classes`` [N]. Boxes are those of the masks.

        Raises:
            ValueError: the image is unknown or was processed before, or a class is unknown.
        """
        for sample, output in zip(inputs, outputs, strict=True):
            image_id = sample["image_id"]
            if image_id not in self._image_ids:
                raise ValueError(f"Image {image_id!r} is not in the annotation file.")
            records = instance_records(output["instances"], image_id, self._dataset_ids)
            self.keep(image_id, pack_records(records))

    def evaluate(self) -> OrderedDict | None:
        """Write the result file, log tables and return the numbers.

        Returns:
            ``{"bbox": {"AP", "AP50", ..., "AP-<category>"}, "segm": {...}}`` in per cent, NaN where
            undefined; with APr, APc and APf for LVIS; an empty dictionary if there are no
            annotations; None on all but the main process.

        Raises:
            ValueError: an image was not processed and ``allow_missing`` is off.
        """
        packed = self.gather_records()
        if packed is None:
            return None
        if self._output_dir is not None:
            path = self._output_dir / "coco_instances_results.json"
            write_packed_records(path, packed.values())
            logger.info("Wrote the instances of %d images to %s", len(packed), path)
        check_no_video_missing(self._image_ids, packed, self._allow_missing, unit=self.unit)
        results = [record for part in packed.values() for record in unpack_records(part)]
        return instance_percentages(self._truth, results, is_federated=self._is_federated)


def instance_records(
    instances: Instances, image_id: int | str, dataset_ids: Mapping[int, int]
) -> list[dict]:
    """The instances of an image as COCO results: ``{image_id, category_id, score, bbox,
    segmentation}`` each; instances without a pixel are left out.

    Raises:
        ValueError: a class has no id in the data set.
    """
    masks = _as_array(instances.pred_masks) != 0
    scores, classes = _as_array(instances.scores), _as_array(instances.pred_classes)
    visible = np.flatnonzero(masks.any(axis=(1, 2)))
    if not len(visible):
        return []
    stacked = np.asfortranarray(masks[visible].transpose(1, 2, 0), dtype=np.uint8)
    rles = coco_mask.encode(stacked)
    records = []
    for index, rle, box in zip(visible, rles, coco_mask.toBbox(rles).tolist(), strict=True):
        category = int(classes[index])
        if category not in dataset_ids:
            raise ValueError(
                f"Image {image_id!r}: instance {index} has the class {category}, which has no id "
                "in this data set."
            )
        records.append(
            {
                "image_id": image_id,
                "category_id": dataset_ids[category],
                "score": float(scores[index]),
                "bbox": box,
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode("ascii")},
            }
        )
    return records


def read_coco(json_file: str | os.PathLike) -> dict:
    """Read COCO annotations.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON file, or a list is missing.
    """
    with open(json_file, encoding="utf-8") as file:
        try:
            truth = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{json_file} is not a JSON file: {error}.") from error
    missing = {"images", "categories"} - truth.keys()
    if missing:
        raise ValueError(f"{json_file}: the keys {sorted(missing)} are missing.")
    return truth


def instance_percentages(
    truth: Mapping,
    results: Sequence[Mapping],
    kinds: Sequence[str] = ("bbox", "segm"),
    *,
    is_federated: bool = False,
) -> OrderedDict[str, OrderedDict[str, float]]:
    """Score COCO results and log the tables; see `ImageInstanceEvaluator.evaluate`.

    Args:
        truth: annotations of COCO, or of LVIS if ``is_federated``.
        results: see `coco_ap`.
        kinds: of IoU.
        is_federated: every image is annotated for some categories only, see `lvis_ap`.
    """
    numbers: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
    if not truth.get("annotations"):
        logger.info("The data set has no annotations, so nothing is scored.")
        return numbers
    names = {entry["id"]: entry.get("name", str(entry["id"])) for entry in truth["categories"]}
    for kind in kinds:
        result = (lvis_ap if is_federated else coco_ap)(truth, results, kind)
        rows = ROWS + tuple(f"AP{letter}" for letter in FREQUENCIES if is_federated)
        numbers[kind] = _percentages(result, rows, names)
        logger.info("Evaluation results for %s:\n%s", kind, "\n".join(result.summary))
        main = {name: numbers[kind][name] for name in rows}
        table = tabulate([main.values()], headers=list(main), tablefmt="pipe", floatfmt=".3f")
        logger.info("In per cent:\n%s", table)
    return numbers


def score_result_file(
    json_file: str | os.PathLike,
    results_file: str | os.PathLike,
    *,
    is_federated: bool = False,
) -> OrderedDict[str, OrderedDict[str, float]]:
    """Score COCO results that lie on disk, in the layout of `instance_records`."""
    with open(results_file, encoding="utf-8") as file:
        try:
            results = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{results_file} is not a JSON file: {error}.") from error
    if not isinstance(results, list):
        raise ValueError(f"{results_file}: expected a JSON list of results.")
    has_masks = all("segmentation" in result for result in results)
    try:
        return instance_percentages(
            read_coco(json_file),
            results,
            ("bbox", "segm") if has_masks else ("bbox",),
            is_federated=is_federated,
        )
    except ValueError as error:
        raise ValueError(f"{results_file}: {error}") from error


def _percentages(
    result: ImageAp, rows: Sequence[str], names: Mapping[int, str]
) -> OrderedDict[str, float]:
    values = OrderedDict(
        (name, 100 * result.stats[name] if result.stats[name] >= 0 else float("nan"))
        for name in rows
    )
    for category_id, value in result.per_category.items():
        values[f"AP-{names[category_id]}"] = 100 * value
    return values


def _as_array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
