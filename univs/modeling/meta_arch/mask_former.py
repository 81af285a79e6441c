"""Mask2Former for images: instance, semantic and panoptic segmentation (Cheng et al. 2022)."""

from __future__ import annotations

from torch import Tensor

from detectron2.config import configurable
from detectron2.data import MetadataCatalog
from detectron2.modeling import META_ARCH_REGISTRY
from univs.modeling.meta_arch.base import MaskFormerBase, resize_masks
from univs.modeling.meta_arch.construction import base_arguments
from univs.modeling.postprocessing import (
    instance_inference,
    panoptic_inference,
    semantic_inference,
)
from univs.modeling.targets import image_targets


@META_ARCH_REGISTRY.register()
class MaskFormer(MaskFormerBase):
    """Image segmentation: every query is a class and a mask."""

    @configurable
    def __init__(
        self,
        *,
        semantic_on: bool,
        instance_on: bool,
        panoptic_on: bool,
        object_mask_threshold: float,
        overlap_threshold: float,
        resize_before_inference: bool,
        test_topk_per_image: int,
        thing_ids: frozenset[int],
        **base,
    ) -> None:
        """
        Args:
            semantic_on, instance_on, panoptic_on: results to compute at inference.
            object_mask_threshold, overlap_threshold: see
                :func:`~univs.modeling.postprocessing.panoptic_inference`.
            resize_before_inference: resize mask logits to the output size before semantic
                inference, rather than class scores after it.
            test_topk_per_image: number of instances returned.
            thing_ids: contiguous ids of the thing classes.
            base: see :class:`~univs.modeling.meta_arch.base.MaskFormerBase`.
        """
        super().__init__(**base)
        self.semantic_on, self.instance_on, self.panoptic_on = semantic_on, instance_on, panoptic_on
        self.object_mask_threshold = object_mask_threshold
        self.overlap_threshold = overlap_threshold
        # Segments are made at the size that is asked for.
        self.resize_before_inference = resize_before_inference or instance_on or panoptic_on
        self.test_topk_per_image = test_topk_per_image
        self.thing_ids = thing_ids

    @classmethod
    def from_config(cls, cfg) -> dict:
        options = cfg.MODEL.MASK_FORMER.TEST
        thing_ids = frozenset()
        if options.PANOPTIC_ON:
            metadata = MetadataCatalog.get((*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)[0])
            thing_ids = frozenset(metadata.thing_dataset_id_to_contiguous_id.values())
        return {
            **base_arguments(cfg),
            "semantic_on": options.SEMANTIC_ON,
            "instance_on": options.INSTANCE_ON,
            "panoptic_on": options.PANOPTIC_ON,
            "object_mask_threshold": options.OBJECT_MASK_THRESHOLD,
            "overlap_threshold": options.OVERLAP_THRESHOLD,
            "resize_before_inference": options.SEM_SEG_POSTPROCESSING_BEFORE_INFERENCE,
            "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "thing_ids": thing_ids,
        }

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """
        Args:
            batched_inputs: per image ``image`` (RGB ``(3, h, w)``, 0..255); for training
                ``instances`` with ``gt_classes`` and ``gt_masks``; for inference optionally
                ``height`` and ``width`` of the output.

        Returns:
            Weighted losses by name in training mode. Otherwise per image what is switched on:
            ``sem_seg`` ``(K, H, W)`` class scores, ``panoptic_seg`` (id map, segments),
            ``instances`` (Detectron2 ``Instances``).
        """
        images = self.preprocess([sample["image"] for sample in batched_inputs])
        output = self.sem_seg_head(self.backbone(images.tensor))
        size = images.tensor.shape[-2:]
        if self.training:
            targets = [
                image_targets(sample["instances"].to(self.device), size)
                for sample in batched_inputs
            ]
            return self.criterion.weighted(self.criterion(output, targets))

        mask_logits = resize_masks(output.final.mask_logits[:, :, 0], size)  # B Q H W
        return [
            self.inference(
                class_logits,
                masks,
                image_size,
                (sample.get("height", image_size[0]), sample.get("width", image_size[1])),
            )
            for class_logits, masks, image_size, sample in zip(
                output.final.class_logits,
                mask_logits,
                images.image_sizes,
                batched_inputs,
                strict=True,
            )
        ]

    def inference(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        image_size: tuple[int, int],
        output_size: tuple[int, int],
    ) -> dict:
        """Results of one image.

        Args:
            class_logits: ``(Q, K + 1)``.
            mask_logits: ``(Q, H, W)`` at the padded input size.
            image_size: (h, w) of the input without padding.
            output_size: (height, width) of the results.
        """
        mask_logits = mask_logits[:, : image_size[0], : image_size[1]]
        if self.resize_before_inference:
            mask_logits = resize_masks(mask_logits[None], output_size)[0]
        results = {}
        if self.semantic_on:
            scores = semantic_inference(class_logits, mask_logits)
            if not self.resize_before_inference:
                scores = resize_masks(scores[None], output_size)[0]
            results["sem_seg"] = scores
        if self.panoptic_on:
            results["panoptic_seg"] = panoptic_inference(
                class_logits,
                mask_logits,
                thing_ids=self.thing_ids,
                object_mask_threshold=self.object_mask_threshold,
                overlap_threshold=self.overlap_threshold,
            )
        if self.instance_on:
            results["instances"] = instance_inference(
                class_logits,
                mask_logits,
                topk=self.test_topk_per_image,
                keep_classes=self.thing_ids if self.panoptic_on else None,
            )
        return results
