"""Evaluator of per-pixel categories of still images: ADE20K, Cityscapes."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask
from tabulate import tabulate

from detectron2.utils import comm
from univs.evaluation.label_map_files import read_label_map
from univs.evaluation.metrics.semantic import VOID_LABEL, ConfusionMatrix, semantic_scores
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import ResultParts, read_json_list
from univs.structures.mask_rle import check_rle, decode_mask

logger = logging.getLogger(__name__)

RESULT_FILE = "sem_seg_predictions.json"

# Gives the predicted labels [H, W] of an image by name and size; None if there are none.
LabelReader = Callable[[str, tuple[int, int]], np.ndarray | None]


class ImageSemanticEvaluator(PerVideoEvaluator):
    """mIoU, frequency-weighted IoU and accuracies; also writes ``sem_seg_predictions.json``.

    Only one confusion matrix is kept.
    """

    unit = "image"

    def __init__(
        self,
        class_names: Sequence[str],
        output_dir: str | os.PathLike | None = None,
        *,
        class_ids: Sequence[int] | None = None,
        image_ids: Iterable[Hashable] | None = None,
        allow_missing: bool = False,
    ) -> None:
        """Begin.

        Args:
            class_names: K names in the order of the channels of results.
            output_dir: where the result file goes; None writes nothing.
            class_ids: K ids of the data set for the result file; None counts from 0.
            image_ids: all images of the data set, to notice missing ones; None does not check.
            allow_missing: score what was processed only.
        """
        super().__init__()
        self._class_names = list(class_names)
        self._class_ids = list(range(len(class_names)) if class_ids is None else class_ids)
        self._parts = None if output_dir is None else ResultParts(Path(output_dir, RESULT_FILE))
        self._image_ids = None if image_ids is None else list(image_ids)
        self._allow_missing = allow_missing
        self._confusion = ConfusionMatrix(len(self._class_names))

    def reset(self) -> None:
        """Forget all images."""
        super().reset()
        self._confusion = ConfusionMatrix(len(self._class_names))

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[Mapping]) -> None:
        """Score a batch of images.

        Args:
            inputs: per image ``image_id``, ``file_name``, and ``record``, whose ``label_maps``
                decode to the true classes [H, W], those outside 0..K-1 being void.
            outputs: per image ``sem_seg``, scores [K, H, W].

        Raises:
            ValueError: the number of channels or the size is wrong, or the image was processed
                before.
        """
        for sample, output in zip(inputs, outputs, strict=True):
            image_id, scores = sample["image_id"], output["sem_seg"]
            where = f"Image {image_id!r}"
            if len(scores) != len(self._class_names):
                raise ValueError(
                    f"{where}: the model scores {len(scores)} classes, but the data set has "
                    f"{len(self._class_names)}."
                )
            labels = scores.argmax(dim=0).cpu().numpy()
            self.keep(image_id, None)
            if self._parts is not None:
                self._parts.write(image_id, self._as_records(labels, sample["file_name"]))
            self._confusion.add(sample["record"].label_maps.decode(0), labels, where)

    def evaluate(self) -> OrderedDict | None:
        """Write the result file, log a table and return the numbers.

        Returns:
            ``{"sem_seg": {"mIoU", "fwIoU", "IoU-<class>", "mACC", "ACC-<class>", "pACC"}}`` in per
            cent, NaN where undefined; None on all but the main process.

        Raises:
            ValueError: an image was not processed and ``allow_missing`` is off.
        """
        confusions = comm.gather(self._confusion, dst=0)
        processed = self.gather_records()
        if processed is None:
            return None
        if self._parts is not None:
            self._parts.join(processed)
        if self._image_ids is not None:
            check_no_video_missing(self._image_ids, processed, self._allow_missing, unit=self.unit)
        confusion = ConfusionMatrix(len(self._class_names))
        for part in confusions:
            confusion.merge(part)
        return OrderedDict(sem_seg=semantic_image_percentages(confusion, self._class_names))

    def _as_records(self, labels: np.ndarray, file_name: str) -> list[dict]:
        """One ``{file_name, category_id, segmentation}`` per class that occurs."""
        present = np.unique(labels)
        masks = labels[..., None] == present
        rles = coco_mask.encode(np.asfortranarray(masks, dtype=np.uint8))
        return [
            {
                "file_name": str(file_name),
                "category_id": self._class_ids[label],
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode("ascii")},
            }
            for label, rle in zip(present, rles, strict=True)
        ]


def semantic_image_percentages(
    confusion: ConfusionMatrix, class_names: Sequence[str]
) -> OrderedDict[str, float]:
    """The rows of Detectron2's evaluator, in per cent, and a logged table of the main ones."""
    scores = semantic_scores(confusion)
    values = OrderedDict(mIoU=scores.mean_iou, fwIoU=scores.frequency_weighted_iou)
    for name, value in zip(class_names, scores.iou, strict=True):
        values[f"IoU-{name}"] = float(value)
    values["mACC"] = scores.class_accuracy
    for name, value in zip(class_names, scores.accuracies, strict=True):
        values[f"ACC-{name}"] = float(value)
    values["pACC"] = scores.accuracy
    values = OrderedDict((name, 100 * value) for name, value in values.items())
    main = {name: values[name] for name in ("mIoU", "fwIoU", "mACC", "pACC")}
    logger.info(
        "Semantic segmentation:\n%s",
        tabulate([main.values()], headers=list(main), tablefmt="pipe", floatfmt=".3f"),
    )
    return values


def score_images(
    entries: Iterable[Mapping], read: LabelReader, class_names: Sequence[str]
) -> OrderedDict[str, float]:
    """Score result files; see `ImageSemanticEvaluator.evaluate`.

    Args:
        entries: images of the data set, with ``file_names`` (of one image) and ``record``.
        read: gives the predicted labels of an image by the stem of its file name, see
            `result_reader`.
        class_names: K names.

    Raises:
        ValueError: an image has no result, or its result has another size or an unknown label.
    """
    confusion = ConfusionMatrix(len(class_names))
    missing = []
    for entry in entries:
        name = Path(entry["file_names"][0]).stem
        truth = entry["record"].label_maps.decode(0)
        labels = read(name, truth.shape)
        if labels is None:
            missing.append(name)
        else:
            confusion.add(truth, labels, f"Image {name!r}")
    check_no_video_missing(missing, (), allow_missing=False, unit="image")
    return semantic_image_percentages(confusion, class_names)


def result_reader(
    results: str | os.PathLike, class_ids: Sequence[int] | None, num_classes: int
) -> LabelReader:
    """What reads the results of any program.

    Args:
        results: ``sem_seg_predictions.json`` as `ImageSemanticEvaluator` writes it, a folder that
            holds it, or a folder of ``<image>.png`` with the classes 0..K-1 and 255 for nothing.
        class_ids: K ids of the data set in the JSON file; None counts from 0.
        num_classes: K.

    Raises:
        ValueError: the JSON file is broken or names an unknown class.
    """
    path = Path(results)
    if path.is_dir() and not (path / RESULT_FILE).is_file():
        return lambda name, size: (
            read_label_map(path / f"{name}.png") if (path / f"{name}.png").is_file() else None
        )
    path = path / RESULT_FILE if path.is_dir() else path
    ids = range(num_classes) if class_ids is None else class_ids
    class_of_id = {class_id: index for index, class_id in enumerate(ids)}
    segments: dict[str, list[tuple[int, object]]] = {}  # by stem of the image's file name
    for index, entry in enumerate(read_json_list(path)):
        where = f"{path}: result {index}"
        missing = {"file_name", "category_id", "segmentation"} - set(entry)
        if missing:
            raise ValueError(f"{where}: the keys {sorted(missing)} are missing.")
        if entry["category_id"] not in class_of_id:
            raise ValueError(f"{where}: the data set has no class {entry['category_id']}.")
        segment = (class_of_id[entry["category_id"]], entry["segmentation"])
        segments.setdefault(Path(entry["file_name"]).stem, []).append(segment)

    def read(name: str, size: tuple[int, int]) -> np.ndarray | None:
        if name not in segments:
            return None
        labels = np.full(size, VOID_LABEL, dtype=np.uint8)
        for label, rle in segments[name]:
            labels[decode_mask(check_rle(rle, size, f"{path}: a mask of image {name!r}"))] = label
        return labels

    return read
