from __future__ import annotations

import pytest
import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d, ShapeSpec, get_norm
from torch import nn

import univs


def test_a_convolution_applies_norm_and_activation():
    conv = Conv2d(2, 32, kernel_size=1, norm=get_norm("GN", 32), activation=torch.relu)
    names = set(conv.state_dict())
    assert names == {"weight", "bias", "norm.weight", "norm.bias"}
    output = conv(torch.randn(2, 2, 4, 4))
    assert output.shape == (2, 32, 4, 4) and (output >= 0).all()


def test_names_of_norms():
    assert get_norm("", 8) is None
    kinds = {"BN": nn.BatchNorm2d, "GN": nn.GroupNorm, "FrozenBN": FrozenBatchNorm2d}
    for name, kind in kinds.items():
        assert isinstance(get_norm(name, 32), kind)


def test_a_fresh_frozen_norm_is_the_identity_and_holds_buffers_only():
    norm = FrozenBatchNorm2d(4)
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(norm(x), x)
    assert list(norm.parameters()) == []
    assert set(norm.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_frozen_norm_equals_the_norm_it_came_from(requires_grad):
    trained = nn.BatchNorm2d(4)
    trained(torch.randn(8, 4, 5, 5) * 3 + 1)
    nn.init.normal_(trained.weight)
    trained.eval()
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(trained)
    x = torch.randn(2, 4, 3, 3, requires_grad=requires_grad)
    torch.testing.assert_close(frozen(x), trained(x))


@pytest.mark.skipif(univs.DETECTRON2 == "installed", reason="Detectron2 resets the statistics")
def test_a_partial_state_dict_leaves_statistics_alone():
    norm = FrozenBatchNorm2d(2)
    norm.running_mean.fill_(3.0)
    norm.load_state_dict({}, strict=False)
    norm.load_state_dict({"weight": torch.ones(2), "bias": torch.zeros(2)}, strict=False)
    assert norm.running_mean.tolist() == [3.0, 3.0]


def test_a_shape_spec_has_optional_fields():
    spec = ShapeSpec(channels=3, stride=4)
    assert (spec.channels, spec.height, spec.width, spec.stride) == (3, None, None, 4)
