from __future__ import annotations

import re

import pytest
import torch

from reference.cases import random_pinned
from reference.models import numbered, subsampled, unpack_bits
from univs.modeling.decoder import DecoderOutput, QueryPredictions
from univs.modeling.losses import UnivsCriterion, UnivsMatcher
from univs.modeling.univs_targets import (
    PromptTargets,
    UnivsTargets,
    category_prompts,
    object_prompts,
)


def criterion_of(case) -> UnivsCriterion:
    config = case.meta["config"]
    weights = weights_of(config["weights"])
    matcher = weights_of(config["matcher"])
    return UnivsCriterion(
        num_queries=config["NUM_OBJECT_QUERIES"],
        matcher=UnivsMatcher(
            class_weight=matcher["class"],
            mask_weight=matcher["mask"],
            dice_weight=matcher["dice"],
            num_points=config["TRAIN_NUM_POINTS"],
        ),
        class_weight=weights["loss_ce"],
        mask_weight=weights["loss_mask"],
        dice_weight=weights["loss_dice"],
        reid_weight=weights["loss_reid"],
        num_points=config["TRAIN_NUM_POINTS"],
        oversample_ratio=config["OVERSAMPLE_RATIO"],
        importance_sample_ratio=config["IMPORTANCE_SAMPLE_RATIO"],
    )


def weights_of(text: str) -> dict[str, float]:
    """Read ``"loss_ce 5, every loss_reid* 0.5"``."""
    return {name: float(value) for name, value in re.findall(r"(\w+)\*? ([\d.]+)", text)}


def video_of(case, index: int) -> tuple[UnivsTargets, PromptTargets]:
    def array(name: str) -> torch.Tensor:
        return case.tensor(f"target_{name}_{index}")

    masks = unpack_bits(array("masks"), 8 * array("masks").shape[-1])
    frames = masks.shape[1]
    has_classes = case.arrays["grad_logits_0"].size > 0
    targets = UnivsTargets(
        labels=array("labels") - 1,
        masks=masks,
        ids=array("ids"),
        boxes=torch.zeros(len(masks), frames, 4),
        frame_indices=torch.arange(frames),
        class_rows=slice(0, case.arrays["pred_logits_0"].shape[-1]) if has_classes else None,
    )
    rows = array("prompt_obj_ids")
    if f"target_sem_masks_{index}" not in case.arrays:
        return targets, object_prompts(targets, rows)
    masks = unpack_bits(array("sem_masks"), 8 * array("sem_masks").shape[-1])
    return targets, category_prompts(targets, rows, array("prompt_gt_labels") - 1, masks)


@pytest.mark.golden("univs", "criterion")
def test_matches_losses_and_gradients_equal_the_original(case):
    criterion = criterion_of(case)
    heads = [
        QueryPredictions(*(part.requires_grad_() for part in parts))
        for parts in zip(
            *(numbered(case, f"pred_{name}_") for name in ("logits", "masks", "embds")), strict=True
        )
    ]
    videos = len(heads[0].class_logits)
    targets, prompts = zip(*(video_of(case, index) for index in range(videos)), strict=True)
    in_call_order = [heads[-1], *heads[:-1]]
    with random_pinned():
        learnable = [
            QueryPredictions(
                head.class_logits[:, : criterion.num_queries],
                head.mask_logits[:, : criterion.num_queries],
                head.queries[:, : criterion.num_queries],
            )
            for head in in_call_order
        ]
        matches = criterion.matcher(learnable, targets)
        losses = criterion(DecoderOutput(heads[-1], heads[:-1]), targets, prompts)
    for head, clips in enumerate(matches):
        for clip, match in enumerate(clips):
            case.check(f"match_{head}_{clip}", torch.stack(match))
    assert sorted(losses) == case.meta["loss_names"]
    case.check("losses", torch.stack([losses[name] for name in case.meta["loss_names"]]))
    total = sum(criterion.weighted(losses).values())
    case.check("total", total)
    total.backward()
    for index, head in enumerate(heads):
        case.check(f"grad_masks_{index}", head.mask_logits.grad)
        expected = case.arrays[f"grad_embds_{index}"]
        case.check(f"grad_embds_{index}", subsampled(head.queries.grad, expected))
        expected = case.arrays[f"grad_logits_{index}"]
        if expected.size == 0:
            assert head.class_logits.grad is None
        else:
            case.check(f"grad_logits_{index}", head.class_logits.grad[..., : expected.shape[-1]])


def small_criterion() -> UnivsCriterion:
    weights = {"class_weight": 5.0, "mask_weight": 5.0, "dice_weight": 5.0}
    return UnivsCriterion(
        num_queries=4,
        matcher=UnivsMatcher(**weights, num_points=20),
        **weights,
        reid_weight=0.5,
        num_points=20,
        oversample_ratio=3.0,
        importance_sample_ratio=0.5,
    )


def head(num_queries: int, batch: int = 1) -> QueryPredictions:
    return QueryPredictions(
        class_logits=torch.randn(batch, num_queries, 6, requires_grad=True),
        mask_logits=torch.randn(batch, num_queries, 2, 4, 6, requires_grad=True),
        queries=torch.randn(batch, num_queries, 2, 16, requires_grad=True),
    )


def clip(num_objects: int, class_rows: slice | None = slice(1, 5)) -> UnivsTargets:
    return UnivsTargets(
        labels=torch.arange(num_objects) % 4,
        masks=torch.rand(num_objects, 2, 16, 24) > 0.5,
        ids=torch.arange(num_objects)[:, None].repeat(1, 2),
        boxes=torch.zeros(num_objects, 2, 4),
        frame_indices=torch.arange(2),
        class_rows=class_rows,
    )


def test_without_prompts_learnable_queries_count_one_half():
    torch.manual_seed(0)
    criterion, predictions, targets = small_criterion(), head(4), clip(2)
    none = object_prompts(targets, torch.zeros(0, dtype=torch.long))
    with random_pinned():
        losses = criterion(DecoderOutput(predictions), [targets], [none])
        matches = criterion.matcher([predictions], [targets])[0]
        own, _ = criterion.learnable_losses(predictions, [targets], matches, torch.tensor(4.0))
    assert losses["loss_reid_l2p"] == losses["loss_reid_l2p_aux"] == 0
    for name, loss in own.items():
        torch.testing.assert_close(losses[name], loss / 2)


def test_a_batch_without_objects_costs_nothing_and_can_be_differentiated():
    criterion, predictions, targets = small_criterion(), head(4, batch=2), clip(0)
    none = object_prompts(targets, torch.full((3,), -1))
    losses = criterion(DecoderOutput(predictions), [targets, targets], [none, none])
    total = sum(criterion.weighted(losses).values())
    assert total == 0
    total.backward()
    assert predictions.mask_logits.grad.abs().sum() == 0


def test_prompts_without_a_target_are_not_supervised():
    criterion, predictions, targets = small_criterion(), head(6), clip(1, class_rows=None)
    prompts = object_prompts(targets, torch.tensor([-1, 0]))
    criterion(DecoderOutput(predictions), [targets], [prompts])["loss_mask"].backward()
    assert predictions.mask_logits.grad[0, 4].abs().sum() == 0
    assert predictions.mask_logits.grad[0, 5].abs().sum() > 0


def test_categories_of_which_no_point_shows_one_do_not_make_the_loss_undefined():
    criterion, predictions, targets = small_criterion(), head(6), clip(1)
    masks = torch.zeros_like(targets.masks)
    prompts = category_prompts(targets, torch.tensor([0, -1]), torch.tensor([0, 3]), masks)
    losses = criterion(DecoderOutput(predictions), [targets], [prompts])
    total = sum(criterion.weighted(losses).values())
    total.backward()
    assert total.isfinite() and predictions.mask_logits.grad.isfinite().all()


def test_expressions_of_one_object_share_its_identity():
    """Every expression is supervised by its own mask, and two of one object are not told apart."""
    torch.manual_seed(0)
    criterion, predictions, targets = small_criterion(), head(7), clip(3, class_rows=None)
    with torch.no_grad():
        predictions.queries[0, 5] = predictions.queries[0, 4]
    rows = torch.arange(3)
    apart = object_prompts(targets, rows)
    shared = object_prompts(targets, rows, torch.tensor([0, 0, 2]))
    reid = [
        criterion.prompt_losses(
            QueryPredictions(
                *(part[:, 4:] for part in vars(predictions).values() if part is not None)
            ),
            [targets],
            [prompts],
            torch.tensor(6.0),
        )
        for prompts in (apart, shared)
    ]
    assert reid[1]["loss_reid"] < reid[0]["loss_reid"]


def test_long_videos_are_compared_by_objects_and_prompts_but_not_by_categories():
    criterion, predictions, targets = small_criterion(), head(6), clip(2)
    objects = object_prompts(targets, torch.tensor([1, 0]))
    categories = category_prompts(
        targets, torch.tensor([0, 1]), torch.tensor([0, 1]), targets.masks
    )
    output = DecoderOutput(predictions, [predictions])
    _, embeddings = criterion.losses_and_embeddings(output, [targets], [objects])
    assert [len(head) for head in embeddings] == [8, 8]  # 2 objects and 2 prompts in 2 frames
    _, embeddings = criterion.losses_and_embeddings(output, [targets], [categories])
    assert [len(head) for head in embeddings] == [4, 4]
