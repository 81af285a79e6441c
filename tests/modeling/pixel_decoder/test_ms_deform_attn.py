from __future__ import annotations

import pytest
import torch

from detectron2.layers import ShapeSpec
from reference.models import fill_part, subsampled
from univs.modeling.pixel_decoder import MSDeformAttnPixelDecoder
from univs.modeling.pixel_decoder.ms_deform_attn import reference_points

STRIDES = {"res2": 4, "res3": 8, "res4": 16, "res5": 32}


def decoder_of(config: dict, channels: dict[str, int]) -> MSDeformAttnPixelDecoder:
    return MSDeformAttnPixelDecoder(
        {name: ShapeSpec(channels=channels[name], stride=STRIDES[name]) for name in channels},
        transformer_in_features=["res3", "res4", "res5"],
        transformer_dropout=0.0,
        transformer_nheads=config["NHEADS"],
        transformer_enc_layers=config["TRANSFORMER_ENC_LAYERS"],
        conv_dim=config["CONVS_DIM"],
        mask_dim=config["MASK_DIM"],
        norm=config["NORM"],
        common_stride=config["COMMON_STRIDE"],
    )


@pytest.mark.golden("mask2former", "pixel_decoder")
@torch.no_grad()
def test_every_layer_equals_the_original(case):
    inputs = {name[3:]: case.tensor(name) for name in case.arrays if name.startswith("in_")}
    decoder = decoder_of(case.meta["config"], {name: x.shape[1] for name, x in inputs.items()})
    fill_part(decoder, "sem_seg_head.pixel_decoder.")
    layers, layer_inputs = [], []
    for layer in decoder.transformer.encoder.layers:
        layer.register_forward_hook(lambda _, inputs, output: layers.append((inputs, output)))
    output = decoder.forward_features(inputs)
    tokens, position, references, _ = layers[0][0]
    layer_inputs = {
        "encoder_input": subsampled(tokens, case.arrays["encoder_input"]),
        "encoder_pos_with_level_embed": subsampled(
            position[None], case.arrays["encoder_pos_with_level_embed"]
        ),
        "reference_points": references,
    }
    for name, tensor in layer_inputs.items():
        case.check(name, tensor)
    for index, (_, tensor) in enumerate(layers):
        name = f"encoder_layer_{index}"
        case.check(name, subsampled(tensor, case.arrays[name]))
    case.check("mask_features", subsampled(output.mask_features, case.arrays["mask_features"]))
    for index, features in enumerate(output.multi_scale):
        case.check(f"multi_scale_{index}", features)


def test_reference_points_are_cell_centres():
    points = reference_points([(1, 2), (2, 1)], like=torch.zeros(()))
    assert points.shape == (1, 4, 2, 2)
    assert points[0, :, 0].tolist() == [[0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]]


def test_runs_in_float32_under_autocast():
    config = {
        "NHEADS": 2,
        "TRANSFORMER_ENC_LAYERS": 1,
        "CONVS_DIM": 32,
        "MASK_DIM": 16,
        "NORM": "GN",
        "COMMON_STRIDE": 4,
    }
    decoder = decoder_of(config, dict.fromkeys(STRIDES, 8))
    features = {
        name: torch.randn(2, 8, 64 // stride, 32 // stride, dtype=torch.bfloat16)
        for name, stride in STRIDES.items()
    }
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = decoder.forward_features(features)
    assert output.mask_features.dtype == torch.float32
    assert output.mask_features.shape == (2, 16, 16, 8)
    assert [tuple(x.shape[-2:]) for x in output.multi_scale] == [(2, 1), (4, 2), (8, 4)]
    assert output.finest.shape == (2, 32, 16, 8)
