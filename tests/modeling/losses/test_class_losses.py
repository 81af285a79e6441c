from __future__ import annotations

import math

import torch

from univs.modeling.losses.class_losses import concept_loss, sigmoid_focal_loss


def test_focal_loss_of_known_probabilities():
    logits = torch.tensor([0.0, math.log(3), math.log(3)])  # probabilities 1/2, 3/4, 3/4
    targets = torch.tensor([True, True, False])
    expected = torch.tensor(
        [0.5 * 0.25 * math.log(2), 0.5 / 16 * math.log(4 / 3), 0.5 * 9 / 16 * math.log(4)]
    )
    torch.testing.assert_close(sigmoid_focal_loss(logits, targets), expected)


def test_unlabelled_queries_are_negative_for_all_classes():
    logits = torch.zeros(3, 4)
    none = torch.zeros(0, dtype=torch.long)
    torch.testing.assert_close(
        concept_loss(logits, none, none), torch.tensor(12 * 0.5 * 0.25 * math.log(2))
    )
    one = concept_loss(logits, torch.tensor([1]), torch.tensor([3]))
    torch.testing.assert_close(one, torch.tensor(12 * 0.125 * math.log(2) + math.log(4)))
