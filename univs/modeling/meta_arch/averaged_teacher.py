"""A teacher whose weights are the average of those of a model over its training."""

from __future__ import annotations

import copy

import torch
from torch import nn

# As published; after n updates a weight of the teacher still has this share to the power n of its
# first value.
DECAY = 0.9999


def teacher_of(student: nn.Module) -> nn.Module:
    """A copy of ``student`` that is never trained."""
    return copy.deepcopy(student).requires_grad_(False)


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, decay: float = DECAY) -> None:
    """Move the teacher's parameters towards those that the student is training, in place.

    Frozen parameters and buffers stay as they are.

    Args:
        teacher: a module with the parameters of ``student``.
        student: the module in training.
        decay: share of the teacher's own values that is kept.
    """
    trained = [
        (old, new)
        for old, new in zip(teacher.parameters(), student.parameters(), strict=True)
        if new.requires_grad
    ]
    if trained:
        old, new = zip(*trained, strict=True)
        torch._foreach_lerp_(list(old), list(new), 1 - decay)
