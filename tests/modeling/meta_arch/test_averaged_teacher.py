from __future__ import annotations

import torch
from torch import nn

from univs.modeling.meta_arch.averaged_teacher import teacher_of, update_teacher


def test_the_teacher_follows_what_is_trained_and_nothing_else():
    torch.manual_seed(0)
    student = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    student[2].requires_grad_(False)
    teacher = teacher_of(student)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    with torch.no_grad():
        for tensor in (*student.parameters(), student[1].running_mean):
            tensor += 1
    update_teacher(teacher, student, decay=0.75)
    for name, tensor in teacher.state_dict().items():
        is_trained = name.startswith("0.") or name in ("1.weight", "1.bias")
        torch.testing.assert_close(tensor, before[name] + (0.25 if is_trained else 0))


def test_teacher_and_student_share_no_memory():
    student = nn.Linear(2, 2)
    teacher = teacher_of(student)
    update_teacher(teacher, student)
    with torch.no_grad():
        student.weight.zero_()
    assert teacher.weight.abs().sum() > 0
