"""From what UniVS predicts for a still image to semantic, panoptic and instance results."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from detectron2.structures import Boxes, Instances
from univs.modeling.mask_statistics import boxes_of_masks, mask_quality, without_duplicates
from univs.modeling.meta_arch.base import resize_masks
from univs.modeling.postprocessing import panoptic_inference

# Scores are between 0 and 1; as logits of a softmax over the classes they are divided by this.
_TEMPERATURE = 0.06
_MOST_SEMANTIC_QUERIES = 200
# Queries of one class whose boxes overlap more are duplicates.
_PANOPTIC_DUPLICATE, _INSTANCE_DUPLICATE = 0.9, 0.85


@dataclass(frozen=True)
class ImageClasses:
    """The class list that an image is segmented by.

    Attributes:
        rows: of the class list in the model's concept table.
        thing_ids: contiguous ids of the classes that are things.
    """

    rows: slice
    thing_ids: frozenset[int]


@dataclass(frozen=True)
class ImageInference:
    """How still images are segmented.

    Attributes:
        semantic_on, instance_on, panoptic_on: which results to compute.
        least_quality: drop queries whose mask quality is not better; 0 keeps all.
        object_mask_threshold: drop queries from panoptic results whose best class has no better
            score.
        overlap_threshold: see :func:`~univs.modeling.postprocessing.panoptic_inference`.
        resize_before_inference: resize mask logits to the output size before semantic inference,
            rather than class scores after it.
        max_instances: number of instances returned.
        prompts_only: semantic results come from the prompts of the classes only.
    """

    semantic_on: bool
    instance_on: bool
    panoptic_on: bool
    least_quality: float
    object_mask_threshold: float
    overlap_threshold: float
    resize_before_inference: bool
    max_instances: int
    prompts_only: bool

    @classmethod
    def from_config(cls, cfg) -> ImageInference:
        """As ``MODEL.MASK_FORMER.TEST``, ``MODEL.UniVS.TEST`` and ``TEST`` say."""
        options = cfg.MODEL.MASK_FORMER.TEST
        return cls(
            semantic_on=options.SEMANTIC_ON,
            instance_on=options.INSTANCE_ON,
            panoptic_on=options.PANOPTIC_ON,
            least_quality=options.STABILITY_SCORE_THRESH,
            object_mask_threshold=options.OBJECT_MASK_THRESHOLD,
            overlap_threshold=options.OVERLAP_THRESHOLD,
            resize_before_inference=options.SEM_SEG_POSTPROCESSING_BEFORE_INFERENCE,
            max_instances=cfg.TEST.DETECTIONS_PER_IMAGE,
            prompts_only=cfg.MODEL.UniVS.TEST.DISABLE_SEMANTIC_QUERIES,
        )

    def __call__(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        num_learnable: int,
        classes: ImageClasses,
        *,
        padded_size: tuple[int, int],
        image_size: tuple[int, int],
        output_size: tuple[int, int],
    ) -> dict:
        """Results of one image, as Detectron2's evaluators expect them.

        Args:
            class_logits: ``(Q, rows of the concept table)``; scores are their sigmoid.
            mask_logits: ``(Q, h, w)``.
            num_learnable: number of learnable queries; row k after them is prompted with class k.
            classes: the class list.
            padded_size: (H, W) of the input.
            image_size: (height, width) of the input without padding.
            output_size: (height, width) of the results.

        Returns:
            what is switched on of ``sem_seg`` ``(K, height, width)`` class scores, ``panoptic_seg``
            (id map, segments), ``instances``.
        """
        masks = resize_masks(mask_logits[None].float(), padded_size)[0]
        quality = mask_quality(masks)
        scores = class_logits[:, classes.rows].float().sigmoid() * quality[:, None]  # Q K
        # The class that a row is prompted with; -1 for learnable queries.
        prompted = (torch.arange(len(scores), device=scores.device) - num_learnable).clamp(min=-1)
        if self.least_quality > 0:
            kept = quality > self.least_quality
            scores, masks, prompted = scores[kept], masks[kept], prompted[kept]
        masks = masks[:, : image_size[0], : image_size[1]]
        # Segments are made at the size that is asked for.
        before = self.resize_before_inference or self.instance_on or self.panoptic_on
        if before:
            masks = resize_masks(masks[:, None], output_size)[:, 0]  # there may be none
        results = {}
        if self.semantic_on:
            semantic = self._semantic(scores, masks, prompted)
            results["sem_seg"] = (
                semantic if before else resize_masks(semantic[None], output_size)[0]
            )
        if self.panoptic_on:
            results["panoptic_seg"] = self._panoptic(scores, masks, prompted, classes.thing_ids)
        if self.instance_on:
            is_learnable = prompted < 0
            results["instances"] = self._instances(
                scores[is_learnable], masks[is_learnable], classes.thing_ids
            )
        return results

    def _semantic(self, scores: Tensor, masks: Tensor, prompted: Tensor) -> Tensor:
        if self.prompts_only:
            scores, masks = scores[prompted >= 0], masks[prompted >= 0]
        best = scores.amax(1).topk(min(_MOST_SEMANTIC_QUERIES, len(scores))).indices
        probabilities = (scores[best] / _TEMPERATURE).softmax(1)
        return torch.einsum("qk,qhw->khw", probabilities, masks[best].sigmoid())

    def _panoptic(
        self, scores: Tensor, masks: Tensor, prompted: Tensor, thing_ids: Collection[int]
    ) -> tuple[Tensor, list[dict]]:
        things = torch.tensor(sorted(thing_ids), device=scores.device, dtype=prompted.dtype)
        kept = ~torch.isin(prompted, things)
        scores, masks = scores[kept], masks[kept]
        kept = unique_queries(scores, masks, _PANOPTIC_DUPLICATE)
        kept = kept[scores[kept].amax(1) > self.object_mask_threshold]
        logits = scores[kept] / _TEMPERATURE
        nothing = torch.full_like(logits[:, :1], -torch.inf)  # there is no such class here
        return panoptic_inference(
            torch.cat((logits, nothing), dim=1),
            masks[kept],
            thing_ids=thing_ids,
            object_mask_threshold=0.0,
            overlap_threshold=self.overlap_threshold,
        )

    def _instances(self, scores: Tensor, masks: Tensor, thing_ids: Collection[int]) -> Instances:
        things = torch.tensor(sorted(thing_ids), device=scores.device, dtype=torch.int64)
        scores = scores[:, things]
        kept = unique_queries(scores, masks, _INSTANCE_DUPLICATE)
        scores = scores[kept]
        best, pairs = scores.flatten().topk(min(self.max_instances, scores.numel()))
        count = max(len(things), 1)
        instances = Instances(tuple(masks.shape[-2:]))
        instances.pred_masks = (masks[kept[pairs // count]] > 0).to(masks.dtype)
        instances.pred_boxes = Boxes(torch.zeros(len(pairs), 4))
        instances.scores = best
        instances.pred_classes = things[pairs % count]
        return instances


def unique_queries(scores: Tensor, masks: Tensor, threshold: float) -> Tensor:
    """Queries without duplicates of their best class, best first: int64 ``(Q',)``.

    Args:
        scores: ``(Q, K)``.
        masks: logits ``(Q, H, W)``.
        threshold: see :func:`~univs.modeling.mask_statistics.without_duplicates`.
    """
    if not scores.numel():
        return torch.zeros(0, dtype=torch.int64, device=scores.device)
    best, categories = scores.max(1)
    order = best.argsort(descending=True, stable=True)
    boxes = boxes_of_masks(masks[order, None] > 0)
    return order[without_duplicates(boxes, threshold, categories=categories[order])]
