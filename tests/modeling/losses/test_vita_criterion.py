from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reference.cases import random_pinned
from reference.object_losses import (
    PARAMETERS,
    criterion_arguments,
    golden_frame_matches,
    golden_leaves,
    golden_output,
    leaf,
    no_matches,
    small_output,
    small_targets,
)
from reference.object_models import padded_matches
from univs.modeling.losses import VitaCriterion
from univs.modeling.losses.vita_criterion import pairwise_similarity_loss
from univs.modeling.targets import ClipTargets


@pytest.mark.golden("vita", "criterion")
def test_losses_matches_and_gradients_equal_the_original(case):
    criterion = VitaCriterion(**criterion_arguments(case.meta["parameters"]))
    leaves, frame_identities = golden_leaves(case), leaf(case, "pred_fq_embed")
    output = golden_output(leaves)
    targets = [
        ClipTargets(
            labels=case.tensor(f"clip{b}_labels"),
            masks=case.tensor(f"clip{b}_masks").bool(),
            ids=case.tensor(f"clip{b}_ids"),
        )
        for b in range(case.meta["parameters"]["B"])
    ]
    frame_matches = golden_frame_matches(case.meta["frame_indices"])
    with random_pinned():
        losses = criterion(output, targets, frame_identities.flatten(0, 1), frame_matches)
        matches = criterion.match(output, criterion.repeated(targets, output))
    assert sorted(losses) == sorted(case.meta["loss_names"])
    case.check("losses", torch.stack([losses[name] for name in case.meta["loss_names"]]))
    flat = [match for head in [*matches[1:], matches[0]] for match in head]
    expected = case.arrays["clip_indices"]
    np.testing.assert_array_equal(padded_matches(flat, expected), expected)

    sum(losses.values()).backward()
    without = set()
    for head, of_head in leaves.items():
        for kind, tensor in of_head.items():
            if tensor.grad is None:
                without.add(f"{head}_{kind}")
            else:
                case.check(f"grad_{head}_{kind}", tensor.grad)
    assert without == set(case.meta["leaves_without_gradient"])
    case.check("grad_pred_fq_embed", frame_identities.grad)


def test_a_batch_without_objects_trains_the_classes_only():
    criterion = VitaCriterion(**criterion_arguments(PARAMETERS))
    output, identities = small_output(1, 5, 3), torch.randn(1, 3, 4, 3)
    losses = criterion(output, [small_targets(0, 3)], identities, no_matches(3))
    assert losses["loss_vita_mask"] == losses["loss_vita_dice"] == losses["loss_vita_sim"] == 0
    sum(losses.values()).backward()
    assert output.final.class_logits.grad.abs().sum() > 0
    assert output.final.mask_logits.grad.abs().sum() == 0


def test_more_objects_than_queries_are_matched_as_far_as_queries_go():
    criterion = VitaCriterion(**criterion_arguments(PARAMETERS))
    losses = criterion(
        small_output(1, 3, 2), [small_targets(7, 2)], torch.randn(1, 2, 4, 3), no_matches(2)
    )
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_weights_are_those_of_the_kind_whatever_the_suffix():
    criterion = VitaCriterion(**criterion_arguments(PARAMETERS))
    losses = {"loss_vita_ce_1": torch.tensor(1.0), "loss_vita_sim": torch.tensor(3.0)}
    assert criterion.weighted(losses) == {"loss_vita_ce_1": 2.0, "loss_vita_sim": 1.5}


def test_without_similarity_embeddings_there_is_no_similarity_loss():
    criterion = VitaCriterion(**criterion_arguments(PARAMETERS))
    losses = criterion(small_output(1, 5, 2), [small_targets(2, 2)])
    assert sorted(losses) == ["loss_vita_ce", "loss_vita_dice", "loss_vita_mask"]


def test_similarity_loss_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [9.0, 9.0], [5.0, 5.0]])
    ids = torch.tensor([0, 0, 1, 0, -1])
    groups = torch.tensor([0, 0, 0, 1, 0])

    def softplus(x: float) -> float:
        return math.log1p(math.exp(-abs(x))) + max(x, 0)

    # Group 0: the pairs of the first two rows have product 1, those with the third 0.
    expected = 4 * softplus(-1) + 4 * softplus(0) + softplus(-4) + softplus(-162)
    loss = pairwise_similarity_loss(embeddings, ids, groups)
    assert float(loss) == pytest.approx(expected / 10, rel=1e-5)


def test_similarity_loss_without_rows_is_zero_and_has_a_gradient():
    embeddings = torch.zeros(0, 4, requires_grad=True)
    loss = pairwise_similarity_loss(embeddings, torch.zeros(0).long(), torch.zeros(0).long())
    loss.backward()
    assert loss == 0
