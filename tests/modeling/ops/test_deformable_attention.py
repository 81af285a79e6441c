from __future__ import annotations

import numpy as np
import pytest
import torch

from reference.models import fill_part
from univs.modeling.ops import MSDeformAttn, multi_scale_deformable_attention

INPUTS = ("value", "sampling_locations", "attention_weights")


@pytest.mark.golden("mask2former", "msdeform_core")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_operator_and_gradients_equal_the_original(case, dtype):
    tolerance = case.meta["tolerance"][str(dtype).removeprefix("torch.")]
    tolerance = {key: float(tolerance[key]) for key in ("rtol", "atol")}
    suffix = "_f32" if dtype == torch.float32 else ""
    problems = sorted({name.split("_")[0] for name in case.arrays})
    for problem in problems:
        shapes = [tuple(shape) for shape in case.arrays[f"{problem}_spatial_shapes"].tolist()]
        inputs = [case.tensor(f"{problem}_{name}").to(dtype).requires_grad_() for name in INPUTS]
        output = multi_scale_deformable_attention(inputs[0], shapes, *inputs[1:])
        output.backward(case.tensor(f"{problem}_grad_output").to(dtype))
        actual = {"output": output.detach()}
        actual |= {f"grad_{name}": x.grad for name, x in zip(INPUTS, inputs, strict=True)}
        for name, tensor in actual.items():
            expected = case.arrays[f"{problem}_{name}{suffix}"]
            np.testing.assert_allclose(tensor, expected, **tolerance, err_msg=f"{problem} {name}")


@pytest.mark.golden("mask2former", "msdeform_attn_module")
def test_module_equals_the_original(case):
    config = case.meta["config"]
    module = MSDeformAttn(
        embed_dim=config["d_model"],
        num_levels=config["n_levels"],
        num_heads=config["n_heads"],
        num_points=config["n_points"],
    )
    case.check("init_sampling_offsets_bias", module.sampling_offsets.bias)
    fill_part(module, "sem_seg_head.pixel_decoder.transformer.encoder.layers.0.self_attn.")
    shapes = [tuple(shape) for shape in case.arrays["spatial_shapes"].tolist()]
    query, value, points = (
        case.tensor(name).requires_grad_()
        for name in ("query", "input_flatten", "reference_points")
    )
    output = module(query, points, value, shapes)
    output.backward(case.tensor("grad_output"))
    case.check("output", output)
    case.check("grad_query", query.grad)
    case.check("grad_input_flatten", value.grad)
    case.check("grad_reference_points", points.grad)
    for name, parameter in (
        ("grad_sampling_offsets_weight", module.sampling_offsets.weight),
        ("grad_value_proj_weight", module.value_proj.weight),
    ):
        step = len(parameter) // len(case.arrays[name])
        case.check(name, parameter.grad[::step])
    padding = case.tensor("padding_mask")
    case.check("output_padding_mask", module(query, points, value, shapes, padding))
    boxes = case.tensor("reference_boxes")
    case.check("output_reference_boxes", module(query, boxes, value, shapes))


def test_points_outside_contribute_nothing():
    value = torch.ones(1, 6, 2, 3)
    locations = torch.full((1, 4, 2, 1, 5, 2), 3.0)
    weights = torch.ones(1, 4, 2, 1, 5)
    output = multi_scale_deformable_attention(value, [(2, 3)], locations, weights)
    assert output.shape == (1, 4, 6) and not output.any()


def test_references_must_be_points_or_boxes():
    module = MSDeformAttn(embed_dim=8, num_levels=1, num_heads=2, num_points=1)
    with pytest.raises(ValueError, match="reference_points must end in 2"):
        module(torch.zeros(1, 2, 8), torch.zeros(1, 2, 1, 3), torch.zeros(1, 4, 8), [(2, 2)])
