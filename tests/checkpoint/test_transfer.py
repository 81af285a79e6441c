"""Mask2Former weights, and those of an earlier stage, as the start of a UniVS model."""

from __future__ import annotations

import pytest
import torch

from univs.checkpoint import CheckpointFileError, load_weights, to_univs

HEAD = "sem_seg_head.predictor."


def univs_tensors(r50) -> dict[str, torch.Tensor]:
    """A UniVS model of three tensors per kind, with other values than ``r50``."""
    names = [
        "backbone.stem.conv1.weight",
        f"{HEAD}query_feat.weight",
        f"{HEAD}query_embed.weight",
        f"{HEAD}mask_embed.layers.0.weight",
    ]
    own = {f"{HEAD}cls_temp.weight": torch.ones(1, 1), f"{HEAD}text_norm.weight": torch.ones(2)}
    return {**{name: r50[name] + 1 for name in names}, **own}


def test_mask2former_leaves_its_classifier_and_its_queries_behind(r50):
    transfer = to_univs(r50, num_queries=200)
    left = {name for name in r50 if "class_embed" in name or "empty_weight" in name}
    left |= {f"{HEAD}query_feat.weight", f"{HEAD}query_embed.weight"}
    assert set(transfer.left_out) == left and set(transfer.tensors) == set(r50) - left
    assert "2 queries in the file and 200" in transfer.left_out[f"{HEAD}query_feat.weight"]
    assert f"{HEAD}lang2vision_cross_attention_layer" in transfer.untouched
    assert "classifying" in transfer.summary() and "start at random" in transfer.summary()


def test_queries_are_taken_over_if_there_are_as_many(r50):
    transfer = to_univs(r50, num_queries=2)
    assert torch.equal(
        transfer.tensors[f"{HEAD}query_feat.weight"], r50[f"{HEAD}query_feat.weight"]
    )
    assert f"{HEAD}query_feat.weight" not in transfer.untouched


def test_the_teacher_of_stage_3_is_taken_by_default(r50):
    student = univs_tensors(r50)
    teacher = {
        name.replace("backbone.", "backbone_t.").replace("head.", "head_t."): tensor - 5
        for name, tensor in student.items()
    }
    default = to_univs({**student, **teacher}, num_queries=2)
    assert list(default.tensors) == list(student)
    assert all(torch.equal(default.tensors[name], student[name] - 5) for name in student)
    current = to_univs({**student, **teacher}, num_queries=2, take_teacher=False)
    assert all(torch.equal(current.tensors[name], student[name]) for name in student)
    assert set(current.left_out) == set(teacher)


def test_another_kind_of_file_is_refused():
    with pytest.raises(CheckpointFileError, match="MODEL.WEIGHTS"):
        to_univs({"stem.conv1.weight": torch.zeros(1)})


def test_a_teacher_that_a_file_lacks_starts_as_the_student(tmp_path, r50, make_model):
    path = tmp_path / "stage2.pth"
    student = univs_tensors(r50)
    torch.save({"model": student}, path)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in student.items()}
    model = make_model(
        {**zeros, **{name.replace("head.", "head_t."): tensor for name, tensor in zeros.items()}}
    )
    report = load_weights(model, path, strict=True)
    assert "teacher start as copies of those of the student" in report.summary()
    teacher = model.sem_seg_head_t.predictor
    assert torch.equal(teacher.query_feat.weight, student[f"{HEAD}query_feat.weight"])
    assert (
        teacher.query_feat.weight.data_ptr()
        != model.sem_seg_head.predictor.query_feat.weight.data_ptr()
    )


def test_a_model_without_a_teacher_takes_either_copy(tmp_path, r50, make_model):
    path = tmp_path / "stage3.pth"
    student = univs_tensors(r50)
    teacher = {
        name.replace("backbone.", "backbone_t.").replace("head.", "head_t."): tensor - 5
        for name, tensor in student.items()
    }
    torch.save({"model": {**student, **teacher}}, path)
    for prefers_teacher, shift in ((None, -5), (True, -5), (False, 0)):
        model = make_model({name: torch.zeros_like(tensor) for name, tensor in student.items()})
        if prefers_teacher is not None:
            model.prefers_teacher = prefers_teacher
        report = load_weights(model, path, strict=True)
        state = model.state_dict()
        assert all(torch.equal(state[name], tensor + shift) for name, tensor in student.items())
        taken = "student" if prefers_teacher is False else "teacher"
        assert f"the weights of the {taken} are taken" in report.summary()
    backbone = make_model({name: torch.zeros_like(tensor) for name, tensor in student.items()})
    load_weights(backbone, path, prefix="backbone.", strict=True)
    assert torch.equal(
        backbone.state_dict()["backbone.stem.conv1.weight"],
        teacher["backbone_t.stem.conv1.weight"],
    )
