"""Weights of published files reach the model, and what does not fit is left alone and reported."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from univs.checkpoint import CheckpointMismatchError, Misshaped, load_weights


@pytest.fixture
def save(tmp_path):
    def save_tensors(tensors, name="a.pth"):
        torch.save({"model": tensors}, tmp_path / name)
        return tmp_path / name

    return save_tensors


def zeros_like(tensors):
    return {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}


def assert_same(model, tensors):
    state = model.state_dict()
    for name, tensor in tensors.items():
        assert torch.equal(state[name], tensor), name


def test_published_pickle_loads_completely(tmp_path, r50, make_model):
    # NumPy arrays, an old name, and no version metadata, on which the original loader stumbles.
    arrays = {
        name.replace("query_feat", "static_query"): tensor.numpy() for name, tensor in r50.items()
    }
    path = tmp_path / "model_final_94dc52.pkl"
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "somebody"}))
    model = make_model(zeros_like(r50))
    report = load_weights(model, path, strict=True)
    assert sorted(report.loaded) == sorted(r50)
    assert report.is_complete
    assert_same(model, r50)


def test_imagenet_backbone(save, swin, make_model):
    backbone = {name: tensor for name, tensor in swin.items() if name.startswith("backbone.")}
    file = {name.removeprefix("backbone."): tensor for name, tensor in backbone.items()}
    file |= {"norm.weight": torch.ones(2), "head.bias": torch.ones(3)}
    file["layers.0.blocks.1.attn_mask"] = torch.ones(2)
    model = make_model(zeros_like(swin))
    report = load_weights(model, save(file))
    computed = [name for name in backbone if name.endswith("relative_position_index")]
    assert computed
    assert sorted(report.loaded) == sorted(set(backbone) - set(computed))
    assert sorted(report.ignored) == sorted(
        [*computed, "norm.weight", "head.bias", "layers.0.blocks.1.attn_mask"]
    )
    assert all(not name.startswith("backbone.") for name in report.missing)
    assert not report.unexpected


def test_relative_position_index_is_never_loaded_and_never_missed(save, make_model):
    index = "backbone.attn.relative_position_index"
    own = {index: torch.arange(4), "backbone.attn.weight": torch.zeros(1)}
    model = make_model(own)
    for extra in ({index: torch.zeros(4, dtype=torch.int64)}, {index: torch.zeros(9)}, {}):
        report = load_weights(model, save({"backbone.attn.weight": torch.ones(1), **extra}))
        assert report.is_complete
        assert_same(model, {index: torch.arange(4), "backbone.attn.weight": torch.ones(1)})


def test_other_shape_keeps_the_values_of_the_model(save, make_model):
    model = make_model({"class_embed.weight": torch.zeros(3, 2), "a": torch.zeros(1)})
    report = load_weights(model, save({"class_embed.weight": torch.ones(5, 2), "a": torch.ones(1)}))
    assert report.misshaped == [Misshaped("class_embed.weight", (3, 2), (5, 2))]
    assert not report.missing
    assert_same(model, {"class_embed.weight": torch.zeros(3, 2), "a": torch.ones(1)})


def test_old_query_of_another_size_is_skipped_not_fatal(save, make_model):
    model = make_model({"sem_seg_head.predictor.query_feat.weight": torch.zeros(4, 2)})
    model.register_buffer("other", torch.zeros(1))
    file = {"sem_seg_head.predictor.static_query.weight": torch.ones(2, 2), "other": torch.ones(1)}
    report = load_weights(model, save(file))
    assert [entry.name for entry in report.misshaped] == [
        "sem_seg_head.predictor.query_feat.weight"
    ]


def test_partial_files_leave_statistics_of_norms_alone(save):
    from detectron2.layers import FrozenBatchNorm2d

    model = nn.ModuleDict({"frozen": FrozenBatchNorm2d(2), "norm": nn.BatchNorm2d(2)})
    statistics = {
        f"{norm}.{name}": torch.rand(2)
        for norm in ("frozen", "norm")
        for name in ("running_mean", "running_var")
    }
    load_weights(model, save(statistics))
    report = load_weights(model, save({"frozen.weight": torch.tensor([3.0, 4.0])}))
    assert report.loaded == ["frozen.weight"]
    assert_same(model, {**statistics, "frozen.weight": torch.tensor([3.0, 4.0])})


def test_counter_of_batches_is_loaded_where_it_exists_and_else_ignored(save, make_model):
    name = "norm.num_batches_tracked"
    path = save({name: torch.tensor(5), "norm.weight": torch.ones(2)})
    model = make_model({name: torch.tensor(0), "norm.weight": torch.zeros(2)})
    load_weights(model, path)
    assert_same(model, {name: torch.tensor(5)})
    report = load_weights(make_model({"norm.weight": torch.zeros(2)}), path)
    assert report.ignored == [name]
    assert report.is_complete


def test_parameters_keep_their_type_and_gradients(save):
    model = nn.Linear(2, 2).half()
    before = model.weight
    load_weights(model, save({"weight": torch.ones(2, 2), "bias": torch.ones(2)}))
    assert model.weight is before
    assert model.weight.requires_grad
    assert model.weight.dtype == torch.float16
    assert model.weight.tolist() == [[1, 1], [1, 1]]


def test_tensor_with_two_names_is_not_missing(save):
    model = nn.ModuleDict({"a": nn.Linear(1, 1, bias=False), "b": nn.Linear(1, 1, bias=False)})
    model["b"].weight = model["a"].weight
    assert load_weights(model, save({"a.weight": torch.ones(1, 1)}), strict=True).is_complete


def test_wrapped_model(save):
    model = nn.DataParallel(nn.Linear(1, 1))
    path = save({"weight": torch.full((1, 1), 7.0), "bias": torch.ones(1)})
    assert load_weights(model, path, strict=True).is_complete
    assert model.module.weight.item() == 7


def test_prefix_loads_only_a_part(save, make_model):
    tensors = {"backbone.a": torch.ones(1), "head.a": torch.ones(1)}
    model = make_model(zeros_like(tensors))
    report = load_weights(model, save(tensors), strict=True, prefix="backbone.")
    assert report.loaded == ["backbone.a"]
    assert_same(model, {"backbone.a": torch.ones(1), "head.a": torch.zeros(1)})
    with pytest.raises(ValueError, match="no tensors whose names begin with 'bakbone.'"):
        load_weights(model, save(tensors), prefix="bakbone.")


@pytest.mark.parametrize(
    "file",
    [
        {"a": torch.ones(1)},  # b is missing
        {"a": torch.ones(1), "b": torch.ones(1), "c": torch.ones(1)},
        {"a": torch.ones(1), "b": torch.ones(2)},
    ],
)
def test_strict_refuses_and_changes_nothing(save, make_model, file):
    model = make_model({"a": torch.zeros(1), "b": torch.zeros(1)})
    with pytest.raises(CheckpointMismatchError, match=r"a\.pth does not fit the model") as caught:
        load_weights(model, save(file), strict=True)
    assert caught.value.report.loaded
    assert caught.value.report.summary() in str(caught.value)
    assert_same(model, {"a": torch.zeros(1), "b": torch.zeros(1)})


def test_file_of_something_else_is_refused(save, make_model):
    model = make_model({"a": torch.zeros(1)})
    with pytest.raises(CheckpointMismatchError, match="none of its tensors belongs to the model"):
        load_weights(model, save({"encoder.weight": torch.ones(1)}))
