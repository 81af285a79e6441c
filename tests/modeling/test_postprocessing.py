from __future__ import annotations

import pytest
import torch

from reference.models import subsampled, unpack_bits
from univs.modeling.postprocessing import (
    instance_inference,
    panoptic_inference,
    semantic_inference,
)

THINGS = range(80)  # the case: things are classes 0-79


@pytest.mark.golden("mask2former", "image_inference")
def test_results_equal_the_original(case):
    class_logits, mask_logits = case.tensor("mask_cls"), case.tensor("mask_pred")
    config = case.meta["config"]
    width = mask_logits.shape[-1]

    scores = semantic_inference(class_logits, mask_logits)
    case.check("semantic", subsampled(scores, case.arrays["semantic"]))

    thresholds = zip(config["OBJECT_MASK_THRESHOLD"], config["OVERLAP_THRESHOLD"], strict=True)
    for name, (object_mask, overlap) in zip(("panoptic", "panoptic_low"), thresholds, strict=True):
        segment_ids, segments = panoptic_inference(
            class_logits,
            mask_logits,
            thing_ids=THINGS,
            object_mask_threshold=object_mask,
            overlap_threshold=overlap,
        )
        case.check(f"{name}_map", segment_ids)
        rows = [[s["id"], s["category_id"], int(s["isthing"])] for s in segments]
        case.check(f"{name}_segments", torch.tensor(rows))

    for name, classes in (("panoptic_on", THINGS), ("instance_only", None)):
        found = instance_inference(
            class_logits,
            mask_logits,
            topk=config["DETECTIONS_PER_IMAGE"],
            keep_classes=classes,
        )
        found = found[found.scores.argsort(descending=True)]
        name = f"instance_{name}"
        case.check(f"{name}_scores", found.scores)
        case.check(f"{name}_classes", found.pred_classes)
        case.check(f"{name}_mask_area", found.pred_masks.flatten(1).sum(1).long())
        masks = unpack_bits(case.tensor(f"{name}_masks"), width)
        assert torch.equal(found.pred_masks.bool(), masks)


def test_nothing_confident_gives_an_empty_panoptic_map():
    segment_ids, segments = panoptic_inference(
        torch.zeros(4, 6),
        torch.randn(4, 8, 8),
        thing_ids=(0,),
        object_mask_threshold=0.8,
        overlap_threshold=0.8,
    )
    assert segments == [] and segment_ids.dtype == torch.int32 and not segment_ids.any()


def test_topk_may_exceed_the_number_of_pairs():
    found = instance_inference(torch.randn(2, 4), torch.randn(2, 5, 6), topk=100)
    assert len(found) == 6
    assert found.image_size == (5, 6)
