from __future__ import annotations

import pytest
import torch

from univs.modeling.losses.semantic_points import IGNORE_LABEL, SemanticPointLoss, null_classes
from univs.modeling.losses.tarvis_criterion import painted_class_map
from univs.modeling.targets import ClipTargets


def loss_of(**options) -> SemanticPointLoss:
    arguments = {
        "weight": 2.0,
        "num_points": 32,
        "oversample_ratio": 3.0,
        "importance_sample_ratio": 0.75,
        "ignore_null_classes": False,
        "regularize": False,
    }
    return SemanticPointLoss(**(arguments | options))


def test_perfect_logits_cost_nothing_and_wrong_ones_much():
    class_map = torch.randint(0, 3, (2, 1, 1)).expand(2, 16, 16)
    logits = 20 * torch.nn.functional.one_hot(class_map, 3).permute(3, 0, 1, 2)[None].float()
    assert loss_of()(logits, class_map) < 1e-3
    assert loss_of()(-logits, class_map) > 10


def test_ignored_pixels_do_not_count():
    class_map = torch.full((1, 16, 16), IGNORE_LABEL)
    logits = torch.randn(1, 3, 1, 4, 4, requires_grad=True)
    loss = loss_of()(logits, class_map)
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_points_avoid_ignored_areas():
    torch.manual_seed(0)
    class_map = torch.zeros(1, 16, 16, dtype=torch.long)
    class_map[:, :, 8:] = IGNORE_LABEL
    points = loss_of(importance_sample_ratio=1.0).points(torch.randn(1, 3, 4, 4), class_map)
    assert (points[..., 0] < 0.5).all()


@pytest.mark.parametrize("option", ["ignore_null_classes", "regularize"])
def test_options_change_the_loss(option):
    torch.manual_seed(0)
    logits, class_map = torch.randn(1, 9, 2, 4, 4), torch.zeros(2, 16, 16, dtype=torch.long)
    logits[:, 5] = -9
    torch.manual_seed(1)
    plain = loss_of()(logits, class_map)
    torch.manual_seed(1)
    changed = loss_of(**{option: True})(logits, class_map)
    assert (changed < plain) if option == "ignore_null_classes" else (changed > plain)


def test_null_classes_are_neither_true_nor_predicted():
    logits = torch.tensor([[[0.0, 0], [1, 0], [0, 1], [0, 0]]])
    labels = torch.tensor([[0, IGNORE_LABEL]])
    assert null_classes(logits, labels).tolist() == [False, False, False, True]


def test_smaller_instances_are_painted_over_larger_ones():
    masks = torch.zeros(2, 1, 1, 4, dtype=torch.bool)
    masks[0, ..., 1:2], masks[1, ..., :3] = True, True
    target = ClipTargets(labels=torch.tensor([4, 6]), masks=masks)
    assert painted_class_map(target).tolist() == [[[6, 4, 6, 0]]]
