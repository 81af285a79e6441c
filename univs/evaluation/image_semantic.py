"""Evaluator of per-pixel categories of still images: ADE20K, Cityscapes."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask
from tabulate import tabulate

from detectron2.utils import comm
from univs.evaluation.metrics.semantic import ConfusionMatrix, semantic_scores
from univs.evaluation.per_video import PerVideoEvaluator, check_no_video_missing
from univs.evaluation.result_files import pack_records, write_packed_records

logger = logging.getLogger(__name__)


class ImageSemanticEvaluator(PerVideoEvaluator):
    """mIoU, frequency-weighted IoU and accuracies; also writes ``sem_seg_predictions.json``.

    Only one confusion matrix is kept, and the run lengths of the predictions if they are written.
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
        self._output_dir = None if output_dir is None else Path(output_dir)
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
            packed = b""
            if self._output_dir is not None:
                packed = pack_records(self._as_records(labels, sample["file_name"]))
            self.keep(image_id, packed)
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
        packed = self.gather_records()
        if packed is None:
            return None
        if self._output_dir is not None:
            write_packed_records(self._output_dir / "sem_seg_predictions.json", packed.values())
        if self._image_ids is not None:
            check_no_video_missing(self._image_ids, packed, self._allow_missing, unit=self.unit)
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
