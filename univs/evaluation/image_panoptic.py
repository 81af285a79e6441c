"""Evaluator of panoptic still images: COCO's PQ."""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from univs.evaluation.metrics.panoptic import (
    PanopticCategories,
    PanopticStatistics,
    image_statistics,
    panoptic_quality,
)
from univs.evaluation.panoptic_files import read_id_map, write_id_map
from univs.evaluation.panoptic_video_truth import by_image, read_panoptic_json
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import atomic_text_file

logger = logging.getLogger(__name__)

_GROUPS = {"": "All", "_th": "Things", "_st": "Stuff"}  # indexed by the end of a row's name


class PanopticImageTruth:
    """Annotations in COCO's panoptic layout; id maps are read when they are needed.

    Attributes:
        categories: of the data set.
        images: image id -> its annotation, ``{file_name, segments_info}``.
    """

    def __init__(self, panoptic_json: str | os.PathLike, panoptic_root: str | os.PathLike) -> None:
        """Read the list of segments.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: it is broken, or an image occurs twice.
        """
        content = read_panoptic_json(panoptic_json)
        if "categories" not in content:
            raise ValueError(f"{panoptic_json}: the key 'categories' is missing.")
        self.categories = PanopticCategories.from_json(content["categories"])
        self.images = by_image(content, panoptic_json)
        self._root = Path(panoptic_root)

    def score(
        self, image_id: int | str, ids: np.ndarray | None, segments: Sequence[Mapping]
    ) -> PanopticStatistics:
        """Score one image.

        Args:
            image_id: of the data set.
            ids: predicted segment ids [H, W], 0 is void; None if nothing was predicted.
            segments: ``{id, category_id}`` of the predicted segments.

        Raises:
            ValueError: sizes differ, a map and its list disagree, or a category is unknown.
        """
        annotation = self.images[image_id]
        truth = read_id_map(self._root / annotation["file_name"])
        return image_statistics(
            truth,
            np.zeros_like(truth) if ids is None else ids,
            annotation["segments_info"],
            segments,
            self.categories,
            f"Image {image_id!r}",
        )


class ImagePanopticEvaluator(PerVideoEvaluator):
    """PQ, SQ and RQ; also writes ``predictions.json`` and ``panoptic/<image>.png``."""

    unit = "image"

    def __init__(
        self,
        panoptic_json: str | os.PathLike,
        panoptic_root: str | os.PathLike,
        dataset_ids: Mapping[int, int],
        output_dir: str | os.PathLike | None = None,
        *,
        allow_missing: bool = False,
    ) -> None:
        """Read the annotations.

        Args:
            panoptic_json, panoptic_root: see `PanopticImageTruth`.
            dataset_ids: category id of the data set by contiguous category of the model.
            output_dir: where files go; None writes nothing.
            allow_missing: score images that were not processed as predicted void.
        """
        super().__init__()
        self._truth = PanopticImageTruth(panoptic_json, panoptic_root)
        self._dataset_ids = dict(dataset_ids)
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._allow_missing = allow_missing

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[Mapping]) -> None:
        """Score and write a batch of images.

        Args:
            inputs: per image ``image_id``.
            outputs: per image ``panoptic_seg``: integer ids [H, W], 0 where there is none, and
                ``{id, category_id}`` of every segment with the contiguous category.

        Raises:
            ValueError: the image is unknown or was processed before, or its result is broken.
        """
        for sample, output in zip(inputs, outputs, strict=True):
            image_id = sample["image_id"]
            if image_id not in self._truth.images:
                raise ValueError(f"Image {image_id!r} is not in the annotation file.")
            id_map, listed = output["panoptic_seg"]
            ids = id_map.cpu().numpy().astype(np.uint32)
            segments = [self._segment(segment, image_id) for segment in listed]
            statistics = self._truth.score(image_id, ids, segments)
            file_name = Path(self._truth.images[image_id]["file_name"]).with_suffix(".png").name
            if self._output_dir is not None:
                write_id_map(self._output_dir / "panoptic" / file_name, ids)
            entry = {"image_id": image_id, "file_name": file_name, "segments_info": segments}
            self.keep(image_id, (statistics, entry))

    def evaluate(self) -> OrderedDict | None:
        """Write ``predictions.json``, log a table and return the numbers.

        Returns:
            ``{"panoptic_seg": {"PQ", "SQ", "RQ", "PQ_th", ..., "RQ_st"}}`` in per cent, NaN where
            undefined; None on all but the main process.

        Raises:
            ValueError: an image was not processed and ``allow_missing`` is off.
        """
        records = self.gather_records()
        if records is None:
            return None
        if self._output_dir is not None:
            with atomic_text_file(self._output_dir / "predictions.json") as file:
                json.dump({"annotations": [entry for _, entry in records.values()]}, file)
        missing = check_no_video_missing(
            self._truth.images, records, self._allow_missing, unit=self.unit
        )
        statistics = {image_id: part for image_id, (part, _) in records.items()}
        for image_id in missing:
            statistics[image_id] = self._truth.score(image_id, None, [])
        return OrderedDict(
            panoptic_seg=panoptic_image_percentages(statistics, self._truth.categories)
        )

    def _segment(self, segment: Mapping, image_id: int | str) -> dict:
        category = segment["category_id"]
        if category not in self._dataset_ids:
            raise ValueError(
                f"Image {image_id!r}: segment {segment['id']} has the category {category}, which "
                "has no id in this data set."
            )
        return {"id": int(segment["id"]), "category_id": self._dataset_ids[category]}


def panoptic_image_percentages(
    statistics: Mapping[int | str, PanopticStatistics], categories: PanopticCategories
) -> OrderedDict[str, float]:
    """Pool images in the order of their ids, log a table, and return Detectron2's rows."""
    total = PanopticStatistics.zeros(len(categories.ids))
    for image_id in sorted(statistics):
        total += statistics[image_id]
    quality = panoptic_quality(total, categories)
    values = OrderedDict(
        (name.upper() + suffix, 100 * quality[group][name])
        for suffix, group in _GROUPS.items()
        for name in ("pq", "sq", "rq")
    )
    table = [
        [group, *(100 * quality[group][name] for name in ("pq", "sq", "rq")), quality[group]["n"]]
        for group in _GROUPS.values()
    ]
    headers = ["", "PQ", "SQ", "RQ", "#categories"]
    logger.info(
        "Panoptic segmentation:\n%s",
        tabulate(table, headers=headers, tablefmt="pipe", floatfmt=".3f"),
    )
    return values


def score_result_folder(
    panoptic_json: str | os.PathLike,
    panoptic_root: str | os.PathLike,
    result_dir: str | os.PathLike,
) -> OrderedDict[str, float]:
    """Score ``predictions.json`` and the maps in ``panoptic`` of a folder.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an image is missing, unknown or broken; the message names it.
    """
    truth = PanopticImageTruth(panoptic_json, panoptic_root)
    path = Path(result_dir) / "predictions.json"
    predicted = by_image(read_panoptic_json(path), path)
    unknown = predicted.keys() - truth.images.keys()
    if unknown:
        raise ValueError(f"{path}: the annotations have no image {min(unknown, key=str)!r}.")
    check_no_video_missing(truth.images, predicted, allow_missing=False, unit="image")
    statistics = {}
    for image_id in truth.images:
        entry = predicted[image_id]
        ids = read_id_map(Path(result_dir) / "panoptic" / entry["file_name"])
        statistics[image_id] = truth.score(image_id, ids, entry["segments_info"])
    return panoptic_image_percentages(statistics, truth.categories)
