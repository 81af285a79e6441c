from __future__ import annotations

import pytest
import torch

from reference.cases import random_pinned
from reference.models import numbered, unpack_bits
from univs.modeling.decoder import DecoderOutput, QueryPredictions
from univs.modeling.losses import HungarianMatcher, SetCriterion
from univs.modeling.targets import ClipTargets


def criterion_of(config: dict) -> SetCriterion:
    matcher = HungarianMatcher(
        class_weight=config["CLASS_WEIGHT"],
        mask_weight=config["MASK_WEIGHT"],
        dice_weight=config["DICE_WEIGHT"],
        num_points=config["TRAIN_NUM_POINTS"],
    )
    weights = {"ce": "CLASS_WEIGHT", "mask": "MASK_WEIGHT", "dice": "DICE_WEIGHT"}
    return SetCriterion(
        num_classes=config["NUM_CLASSES"],
        matcher=matcher,
        weights={f"loss_{name}": config[key] for name, key in weights.items()},
        no_object_weight=config["NO_OBJECT_WEIGHT"],
        num_points=config["TRAIN_NUM_POINTS"],
        oversample_ratio=config["OVERSAMPLE_RATIO"],
        importance_sample_ratio=config["IMPORTANCE_SAMPLE_RATIO"],
    )


def head_of(class_logits: torch.Tensor, mask_logits: torch.Tensor) -> QueryPredictions:
    """A head of images: masks (B, Q, h, w)."""
    queries = torch.zeros(*class_logits.shape[:2], 1)
    return QueryPredictions(class_logits, mask_logits[:, :, None], queries)


@pytest.mark.golden("mask2former", "matcher_criterion")
def test_costs_matches_losses_and_gradients_equal_the_original(case):
    criterion = criterion_of(case.meta["config"])
    logits = [x.requires_grad_() for x in numbered(case, "pred_logits_")]
    masks = [x.requires_grad_() for x in numbered(case, "pred_masks_")]
    labels = list(numbered(case, "labels_"))
    packed = list(numbered(case, "masks_"))
    targets = [
        ClipTargets(label, unpack_bits(bits, bits.shape[-1] * 8)[:, None])
        for label, bits in zip(labels, packed, strict=True)
    ]
    heads = [head_of(*pair) for pair in zip(logits, masks, strict=True)]
    with random_pinned():
        matches = criterion.matcher(heads, targets)
        points = torch.rand(1, criterion.matcher.num_points, 2)
        (costs,) = criterion.matcher.costs_of_clip(heads[-1:], 0, targets[0], points)
        losses = criterion(DecoderOutput(heads[-1], heads[:-1]), targets)
    for head, clips in enumerate(matches):
        for clip, match in enumerate(clips):
            case.check(f"match_{head}_{clip}", torch.stack(match))
    case.check("cost_mask_last_0", costs.masks)
    case.check("cost_dice_last_0", costs.dice)
    case.check("cost_class_last_0", costs.classes)
    case.check("losses", torch.stack([losses[name] for name in sorted(losses)]))
    total = sum(criterion.weighted(losses).values())
    case.check("total", total)
    total.backward()
    for index in range(len(heads)):
        case.check(f"grad_logits_{index}", logits[index].grad)
        case.check(f"grad_masks_{index}", masks[index].grad)


CONFIG = {
    "CLASS_WEIGHT": 2.0,
    "MASK_WEIGHT": 5.0,
    "DICE_WEIGHT": 5.0,
    "NO_OBJECT_WEIGHT": 0.1,
    "TRAIN_NUM_POINTS": 64,
    "OVERSAMPLE_RATIO": 3.0,
    "IMPORTANCE_SAMPLE_RATIO": 0.75,
    "NUM_CLASSES": 4,
}


def clip_head(batch: int, queries: int, frames: int) -> QueryPredictions:
    return QueryPredictions(
        class_logits=torch.randn(batch, queries, 5, requires_grad=True),
        mask_logits=torch.randn(batch, queries, frames, 6, 8, requires_grad=True),
        queries=torch.zeros(batch, queries, 1),
    )


def empty_targets(frames: int) -> ClipTargets:
    return ClipTargets(
        labels=torch.zeros(0, dtype=torch.long), masks=torch.zeros(0, frames, 24, 32).bool()
    )


def test_a_batch_without_objects_trains_the_classes_only():
    criterion, head = criterion_of(CONFIG), clip_head(2, 5, 3)
    losses = criterion(DecoderOutput(head), [empty_targets(3), empty_targets(3)])
    assert losses["loss_mask"] == 0 and losses["loss_dice"] == 0
    sum(losses.values()).backward()
    assert head.class_logits.grad.abs().sum() > 0
    assert head.mask_logits.grad.abs().sum() == 0


def test_more_objects_than_queries_matches_every_query_once():
    criterion, head = criterion_of(CONFIG), clip_head(1, 3, 2)
    target = ClipTargets(torch.randint(0, 4, (7,)), torch.rand(7, 2, 24, 32) > 0.5)
    queries, objects = criterion.matcher([head], [target])[0][0]
    assert queries.tolist() == [0, 1, 2] and len(set(objects.tolist())) == 3
    assert criterion(DecoderOutput(head), [target])["loss_mask"] > 0


def test_a_nan_prediction_reaches_the_loss_instead_of_stopping_the_matcher():
    criterion, head = criterion_of(CONFIG), clip_head(1, 3, 1)
    with torch.no_grad():
        head.mask_logits.fill_(float("nan"))
    target = ClipTargets(torch.tensor([1]), torch.ones(1, 1, 24, 32).bool())
    assert criterion(DecoderOutput(head), [target])["loss_mask"].isnan()


def test_a_perfect_clip_is_matched_and_costs_almost_nothing():
    masks = torch.zeros(2, 2, 24, 32).bool()
    masks[0, :, :12] = True
    masks[1, 0, :, 16:] = True
    target = ClipTargets(torch.tensor([1, 3]), masks)
    order = [1, 0]
    head = QueryPredictions(
        class_logits=50 * torch.nn.functional.one_hot(target.labels[order], 5)[None].float(),
        mask_logits=100 * masks[order][None].float() - 50,
        queries=torch.zeros(1, 2, 1),
    )
    criterion = criterion_of(CONFIG)
    assert criterion.matcher([head], [target])[0][0][1].tolist() == order
    losses = criterion(DecoderOutput(head), [target])
    assert losses["loss_ce"] < 1e-3 and losses["loss_dice"] < 0.2
