"""From query predictions to semantic, panoptic and instance results (Mask2Former, section 3)."""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from detectron2.structures import Boxes, Instances


def semantic_inference(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """Class scores per pixel: ``(Q, K + 1)`` and ``(Q, H, W)`` -> ``(K, H, W)``."""
    classes = class_logits.softmax(-1)[:, :-1]
    return torch.einsum("qk,qhw->khw", classes, mask_logits.sigmoid())


def instance_inference(
    class_logits: Tensor,
    mask_logits: Tensor,
    *,
    topk: int,
    keep_classes: Collection[int] | None = None,
    output_size: tuple[int, int] | None = None,
) -> Instances:
    """The best (query, class) pairs as instances.

    Args:
        class_logits: ``(Q, K + 1)``.
        mask_logits: ``(Q, H, W)`` at the size at which masks are scored.
        topk: number of pairs.
        keep_classes: drop pairs of other classes, or None to keep all.
        output_size: (H, W) of the masks that are returned; None: that of ``mask_logits``.

    Returns:
        ``Instances`` with ``pred_masks`` (float 0/1, ``(N, H, W)``), ``pred_boxes`` (all zeros),
        ``scores`` (class score times mean mask probability inside the mask) and ``pred_classes``.
    """
    scores = class_logits.softmax(-1)[:, :-1]
    num_classes = scores.shape[1]
    scores, pairs = scores.flatten().topk(min(topk, scores.numel()), sorted=False)
    queries, classes = pairs.div(num_classes, rounding_mode="floor"), pairs % num_classes
    if keep_classes is not None:
        keep = torch.isin(classes, torch.as_tensor(sorted(keep_classes), device=classes.device))
        scores, queries, classes = scores[keep], queries[keep], classes[keep]
    mask_logits = mask_logits[queries]
    inside, area = mask_confidence(mask_logits)
    mask_scores = inside / (area + 1e-6)
    if output_size is not None:
        mask_logits = F.interpolate(
            mask_logits[None], size=tuple(output_size), mode="bilinear", align_corners=False
        )[0]
    masks = (mask_logits > 0).to(mask_logits.dtype)

    instances = Instances(tuple(mask_logits.shape[-2:]))
    instances.pred_masks = masks
    instances.pred_boxes = Boxes(torch.zeros(len(masks), 4))
    instances.scores = scores * mask_scores
    instances.pred_classes = classes
    return instances


def mask_confidence(mask_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the probabilities inside of each mask, and its area in pixels.

    Args:
        mask_logits: ``(M, H, W)``.

    Returns:
        two tensors ``(M,)``; their quotient tells how sure the model is of a mask.
    """
    inside = mask_logits > 0
    probabilities = mask_logits.sigmoid() * inside
    return probabilities.flatten(1).sum(1), inside.flatten(1).sum(1).to(probabilities.dtype)


def panoptic_inference(
    class_logits: Tensor,
    mask_logits: Tensor,
    *,
    thing_ids: Collection[int],
    object_mask_threshold: float,
    overlap_threshold: float,
) -> tuple[Tensor, list[dict]]:
    """Give every pixel to one query, and drop queries that are mostly hidden.

    Args:
        class_logits: ``(Q, K + 1)``.
        mask_logits: ``(Q, H, W)`` at the output size.
        thing_ids: contiguous ids of the thing classes.
        object_mask_threshold: queries of a lower score are left out.
        overlap_threshold: a query must win this share of the pixels of its own mask.

    Returns:
        int32 ``(H, W)`` segment ids from 1, 0 where there is none, and for each segment ``id``,
        ``isthing`` and ``category_id``; stuff of one class is one segment.
    """
    num_classes = class_logits.shape[1] - 1
    scores, labels = class_logits.softmax(-1).max(-1)
    kept = (labels != num_classes) & (scores > object_mask_threshold)
    scores, labels, masks = scores[kept], labels[kept], mask_logits[kept].sigmoid()
    segment_ids = torch.zeros(mask_logits.shape[-2:], dtype=torch.int32, device=masks.device)
    if not len(masks):
        return segment_ids, []

    owner = (scores[:, None, None] * masks).argmax(0)  # H W
    won = owner == torch.arange(len(masks), device=owner.device)[:, None, None]
    solid = masks >= 0.5
    final = won & solid
    areas = torch.stack([m.flatten(1).sum(1) for m in (won, solid, final)]).tolist()
    segments, stuff_segment = [], {}  # the latter indexed by class
    for index, label in enumerate(labels.tolist()):
        won_area, solid_area, final_area = (area[index] for area in areas)
        if not (won_area and solid_area and final_area):
            continue
        if won_area / solid_area < overlap_threshold:
            continue
        is_thing = label in thing_ids
        segment_id = None if is_thing else stuff_segment.get(label)
        if segment_id is None:
            segment_id = len(segments) + 1
            segments.append({"id": segment_id, "isthing": is_thing, "category_id": label})
            if not is_thing:
                stuff_segment[label] = segment_id
        segment_ids[final[index]] = segment_id
    return segment_ids, segments
