"""The default mapper: a record of an image to a sample of a model."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from detectron2.config import CfgNode, configurable
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T

__all__ = ["DatasetMapper"]


class DatasetMapper:
    """Reads the image, augments it, and makes tensors of it and its annotations.

    Args:
        is_train: keep the annotations, as ``instances``.
        augmentations: of image, boxes, masks and labels.
        image_format: see :func:`detectron2.data.detection_utils.read_image`.
        use_instance_mask: keep the masks of the annotations.
        instance_mask_format: see :func:`detectron2.data.detection_utils.annotations_to_instances`.
        recompute_boxes: make the boxes tight around the transformed masks.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        augmentations: Sequence[T.Augmentation | T.Transform],
        image_format: str,
        use_instance_mask: bool = False,
        instance_mask_format: str = "polygon",
        recompute_boxes: bool = False,
    ) -> None:
        if recompute_boxes:
            assert use_instance_mask, "recompute_boxes requires instance masks"
        self.is_train = is_train
        self.augmentations = T.AugmentationList(augmentations)
        self.image_format = image_format
        self.use_instance_mask = use_instance_mask
        self.instance_mask_format = instance_mask_format
        self.recompute_boxes = recompute_boxes
        logging.getLogger(__name__).info(
            "[DatasetMapper] Augmentations used in %s: %s",
            "training" if is_train else "inference",
            augmentations,
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Arguments by ``INPUT`` and ``MODEL``."""
        if cfg.MODEL.KEYPOINT_ON or cfg.MODEL.LOAD_PROPOSALS:
            raise ValueError(
                "MODEL.KEYPOINT_ON and MODEL.LOAD_PROPOSALS need an installed Detectron2"
            )
        augmentations = utils.build_augmentation(cfg, is_train)
        crops = cfg.INPUT.CROP.ENABLED and is_train
        if crops:
            augmentations.insert(0, T.RandomCrop(cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE))
        return {
            "is_train": is_train,
            "augmentations": augmentations,
            "image_format": cfg.INPUT.FORMAT,
            "use_instance_mask": cfg.MODEL.MASK_ON,
            "instance_mask_format": cfg.INPUT.MASK_FORMAT,
            "recompute_boxes": crops and cfg.MODEL.MASK_ON,
        }

    def __call__(self, dataset_dict: dict) -> dict:
        """Map a record in Detectron2's format.

        Returns:
            A copy of the record with ``image`` ``[C, H, W]`` uint8; ``sem_seg`` ``[H, W]`` int64 if
            the record has ``sem_seg_file_name``; in training ``instances`` if it has annotations,
            without crowds and empty ones.
        """
        dataset_dict = copy.deepcopy(dataset_dict)
        image = utils.read_image(dataset_dict["file_name"], format=self.image_format)
        utils.check_image_size(dataset_dict, image)
        sem_seg = None
        if "sem_seg_file_name" in dataset_dict:
            sem_seg = utils.read_image(dataset_dict.pop("sem_seg_file_name"), "L").squeeze(2)

        augmented = T.AugInput(image, sem_seg=sem_seg)
        transforms = self.augmentations(augmented)
        image = augmented.image
        planes = image.transpose(2, 0, 1)  # [C, H, W]
        dataset_dict["image"] = torch.from_numpy(np.array(planes, order="C"))
        if sem_seg is not None:
            dataset_dict["sem_seg"] = torch.from_numpy(augmented.sem_seg.astype(np.int64))

        if not self.is_train:
            dataset_dict.pop("annotations", None)
        elif "annotations" in dataset_dict:
            dataset_dict["instances"] = self._instances(
                dataset_dict.pop("annotations"), transforms, image.shape[:2]
            )
        return dataset_dict

    def _instances(
        self, annotations: list[dict], transforms: T.Transform, image_size: tuple[int, int]
    ) -> Any:
        transformed = []
        for annotation in annotations:
            if annotation.get("iscrowd", 0) != 0:
                continue
            if not self.use_instance_mask:
                annotation.pop("segmentation", None)
            annotation.pop("keypoints", None)
            transformed.append(
                utils.transform_instance_annotations(annotation, transforms, image_size)
            )
        instances = utils.annotations_to_instances(
            transformed, image_size, mask_format=self.instance_mask_format
        )
        if self.recompute_boxes and instances.has("gt_masks"):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()
        return utils.filter_empty_instances(instances)
