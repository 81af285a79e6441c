"""Predictions, targets and criteria for tests of VITA's and GenVIS' losses."""

from __future__ import annotations

import torch

from reference.cases import GoldenCase
from univs.modeling.decoder import DecoderOutput, QueryPredictions
from univs.modeling.losses import HungarianMatcher
from univs.modeling.targets import ClipTargets

WEIGHTS = {"loss_ce": 2.0, "loss_mask": 5.0, "loss_dice": 5.0, "loss_sim": 0.5}


def criterion_arguments(parameters: dict) -> dict:
    return {
        "num_classes": parameters["num_classes"],
        "matcher": HungarianMatcher(
            class_weight=parameters["cost_class"],
            mask_weight=parameters["cost_mask"],
            dice_weight=parameters["cost_dice"],
            num_points=parameters["num_points"],
        ),
        "weights": WEIGHTS,
        "no_object_weight": parameters["eos_coef"],
        "num_points": parameters["num_points"],
        "oversample_ratio": parameters["oversample_ratio"],
        "importance_sample_ratio": parameters["importance_sample_ratio"],
    }


def leaf(case: GoldenCase, name: str) -> torch.Tensor:
    return case.tensor(name).requires_grad_()


def golden_leaves(case: GoldenCase, prefix: str = "") -> dict[str, dict[str, torch.Tensor]]:
    """Predictions of every head, the final one ("last") first."""
    heads = sorted({n.split("_pred")[0] for n in case.arrays if n.endswith("_pred_logits")})
    heads = [head.removeprefix(prefix) for head in heads if head.startswith(prefix)]
    heads = sorted((head for head in heads if "_" not in head), key=lambda head: head != "last")
    kinds = ("pred_logits", "pred_masks", "pred_cq_embed")
    return {h: {k: leaf(case, f"{prefix}{h}_{k}") for k in kinds} for h in heads}


def golden_output(leaves: dict) -> DecoderOutput:
    """Leaves (L, B, ...) as predictions of G = L * B groups."""
    heads = [
        QueryPredictions(*(leaf.flatten(0, 1) for leaf in of_head.values()))
        for of_head in leaves.values()
    ]
    return DecoderOutput(heads[0], heads[1:])


def golden_frame_matches(layers: list) -> list:
    return [
        [tuple(torch.tensor(side, dtype=torch.long) for side in frame) for frame in layer]
        for layer in layers
    ]


PARAMETERS = {
    "num_classes": 4,
    "cost_class": 2.0,
    "cost_mask": 5.0,
    "cost_dice": 5.0,
    "num_points": 32,
    "eos_coef": 0.1,
    "oversample_ratio": 3.0,
    "importance_sample_ratio": 0.75,
}


def small_output(groups: int, queries: int, frames: int) -> DecoderOutput:
    torch.manual_seed(0)
    return DecoderOutput(
        QueryPredictions(
            torch.randn(groups, queries, 5, requires_grad=True),
            torch.randn(groups, queries, frames, 6, 8, requires_grad=True),
            torch.randn(groups, queries, 3, requires_grad=True),
        )
    )


def small_targets(objects: int, frames: int) -> ClipTargets:
    torch.manual_seed(1)
    return ClipTargets(
        torch.randint(0, 4, (objects,)),
        torch.rand(objects, frames, 24, 32) > 0.5,
        torch.arange(objects)[:, None].expand(-1, frames),
    )


def no_matches(frames: int) -> list:
    return [[(torch.zeros(0).long(), torch.zeros(0).long())] * frames]
