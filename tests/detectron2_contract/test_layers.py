"""Convolutions with norms, frozen norms, and norms by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detectron2.layers import (
    CNNBlockBase,
    Conv2d,
    FrozenBatchNorm2d,
    ShapeSpec,
    cat,
    get_norm,
    nonzero_tuple,
)

STATISTICS = ("weight", "bias", "running_mean", "running_var")


def _trained_norm(norm: nn.Module) -> nn.Module:
    for name, tensor in norm.state_dict().items():
        if name in STATISTICS:
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return norm


def test_convolution_then_norm_then_activation():
    norm = _trained_norm(nn.BatchNorm2d(4)).eval()
    conv = Conv2d(3, 4, kernel_size=3, padding=1, bias=False, norm=norm, activation=torch.relu)
    x = torch.rand(2, 3, 5, 6)
    plain = nn.functional.conv2d(x, conv.weight, padding=1)
    assert torch.equal(conv(x), torch.relu(norm(plain)))
    assert {name.split(".")[0] for name in conv.state_dict()} == {"weight", "norm"}


def test_convolution_without_images():
    conv = Conv2d(3, 4, kernel_size=3, stride=2, padding=1, norm=FrozenBatchNorm2d(4))
    assert conv(torch.zeros(0, 3, 9, 8)).shape == (0, 4, 5, 4)


def test_frozen_norm_is_a_constant():
    norm = FrozenBatchNorm2d(3)
    assert set(norm.state_dict()) == set(STATISTICS)
    assert not list(norm.parameters())
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(norm(x), x)
    _trained_norm(norm)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    norm.train()(x)
    assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())


@pytest.mark.parametrize("needs_gradient", [True, False])
def test_frozen_norm_equals_a_norm_in_eval_mode(needs_gradient):
    norm = _trained_norm(nn.BatchNorm2d(3)).eval()
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(norm)
    x = torch.randn(2, 3, 4, 5, requires_grad=needs_gradient)
    torch.testing.assert_close(frozen(x), norm(x))
    if needs_gradient:
        (expected,) = torch.autograd.grad(norm(x).square().sum(), x)
        (actual,) = torch.autograd.grad(frozen(x).square().sum(), x)
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_frozen_norm_keeps_the_type_where_gradients_flow(dtype):
    x = torch.randn(1, 3, 4, 4, dtype=dtype, requires_grad=True)
    assert FrozenBatchNorm2d(3)(x).dtype == dtype


def test_conversion_reaches_all_norms_and_keeps_everything_else():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.SyncBatchNorm(4), nn.GroupNorm(2, 4)),
    )
    for module in model.modules():
        _trained_norm(module)
    expected = model.state_dict()
    converted = FrozenBatchNorm2d.convert_frozen_batchnorm(model)
    kinds = [type(module).__name__ for module in converted.modules()]
    assert kinds.count("FrozenBatchNorm2d") == 2
    assert "BatchNorm2d" not in kinds and "SyncBatchNorm" not in kinds and "GroupNorm" in kinds
    for name, tensor in converted.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("present", [(), ("weight",), ("weight", "bias")])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_partial_state_leaves_statistics_alone(only_standin, present, with_metadata):
    norm = _trained_norm(FrozenBatchNorm2d(3))
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    state = norm.state_dict()
    for name in STATISTICS:
        if name in present:
            state[name] = torch.full((3,), 7.0)
        else:
            del state[name]
    missing = norm.load_state_dict(state if with_metadata else dict(state), strict=False)[0]
    assert set(missing) == set(STATISTICS) - set(present)
    for name, tensor in norm.state_dict().items():
        assert torch.equal(tensor, state[name] if name in present else before[name])


def test_file_without_statistics_means_none_in_a_fresh_norm():
    norm = FrozenBatchNorm2d(2)
    folded = {"weight": torch.tensor([2.0, 3.0]), "bias": torch.tensor([1.0, -1.0])}
    norm.load_state_dict(folded, strict=False)
    x = torch.randn(1, 2, 3, 3)
    expected = x * folded["weight"][:, None, None] + folded["bias"][:, None, None]
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BN", nn.BatchNorm2d),
        ("SyncBN", nn.SyncBatchNorm),
        ("nnSyncBN", nn.SyncBatchNorm),
        ("FrozenBN", FrozenBatchNorm2d),
        ("GN", nn.GroupNorm),
    ],
)
def test_norms_by_name(name, kind):
    norm = get_norm(name, 64)
    assert type(norm) is kind
    assert norm.eval()(torch.randn(2, 64, 3, 4)).shape == (2, 64, 3, 4)


def test_other_norms():
    assert get_norm("", 8) is None
    assert get_norm(None, 8) is None
    assert get_norm("GN", 64).num_groups == 32
    assert get_norm(lambda channels: nn.GroupNorm(2, channels), 8).num_groups == 2
    x = torch.randn(2, 8, 3, 4)
    expected = nn.functional.layer_norm(x.movedim(1, -1), (8,), eps=1e-6).movedim(-1, 1)
    torch.testing.assert_close(get_norm("LN", 8)(x), expected)


def test_unknown_norm_is_explained(only_standin):
    with pytest.raises(ValueError, match="FrozenBN"):
        get_norm("BatchNorm", 8)


def test_freezing_a_block():
    class Block(CNNBlockBase):
        def __init__(self):
            super().__init__(2, 4, stride=2)
            self.conv = Conv2d(2, 4, 1, stride=2, norm=get_norm("BN", 4))

    block = Block()
    assert block.freeze() is block
    assert (block.in_channels, block.out_channels, block.stride) == (2, 4, 2)
    assert not any(parameter.requires_grad for parameter in block.parameters())
    assert isinstance(block.conv.norm, FrozenBatchNorm2d)


def test_small_functions():
    x = torch.rand(2, 3)
    assert cat([x]) is x
    assert cat([x, x], dim=1).shape == (2, 6)
    assert [index.tolist() for index in nonzero_tuple(torch.tensor([0, 3, 0, 1]))] == [[1, 3]]
    assert [index.tolist() for index in nonzero_tuple(torch.tensor(2))] == [[0]]
    assert ShapeSpec(channels=3) == ShapeSpec(3, None, None, None)
