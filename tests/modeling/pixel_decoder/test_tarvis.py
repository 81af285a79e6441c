from __future__ import annotations

import re

import pytest
import torch

from detectron2.modeling import build_model
from reference.models import subsampled
from reference.tarvis import check, filled, frames, recorded, tarvis_config
from univs.modeling.pixel_decoder.tarvis import TemporalWindowLayer, window_tokens


@pytest.mark.golden("tarvis", "temporal_windows")
def test_windows_equal_the_original(case):
    for name in case.arrays:
        height, width = map(int, re.search(r"(\d+)x(\d+)", name).groups())
        shapes = [(height * scale, width * scale) for scale in (1, 2, 4)]
        case.check(name, window_tokens(shapes))


@pytest.mark.slow
@pytest.mark.golden("tarvis", "backbone_neck")
@torch.no_grad()
def test_backbone_and_neck_equal_the_original(case):
    model = filled(build_model(tarvis_config(case.meta["model"]["MODEL.BACKBONE"])))
    decoder = model.sem_seg_head.pixel_decoder
    encoder = decoder.transformer.encoder
    others = {
        **{f"input_proj_{index}": layer for index, layer in enumerate(decoder.input_proj)},
        "lateral_res2": decoder.adapter_1,
        "fpn_res2": decoder.layer_1,
    }
    images = model.preprocess(frames(case)).tensor
    features = model.backbone(images)
    with (
        recorded(encoder.layers) as spatial,
        recorded(encoder.temporal_layers) as temporal,
        recorded(others.values()) as seen,
    ):
        pixels = model.encode(features, case.arrays["images"].shape[1])

    results = {
        "normalised_images": images[None],
        **features,
        **dict(zip(others, seen, strict=True)),
        **{f"deform_layer_{index}": layer for index, layer in enumerate(spatial)},
        **{f"temporal_layer_{index}": layer[0] for index, layer in enumerate(temporal)},
        "map32": pixels.multi_scale[0],
        "map16": pixels.multi_scale[1],
        "map8": pixels.multi_scale[2],
        "map4_mask": pixels.mask_features,
    }
    assert set(results) == {name for name in case.arrays if "stats" not in name} - {"images"}
    for name, tensor in results.items():
        check(case, name, subsampled(tensor, case.arrays[name]))
        if f"stats/{name}" in case.arrays:
            check(case, f"stats/{name}", tensor)


def test_odd_maps_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match="multiples of 64"):
        window_tokens([(3, 4), (6, 8), (12, 16)])


def test_windows_do_not_see_each_other_but_all_frames():
    torch.manual_seed(0)
    shapes = [(2, 4), (4, 8), (8, 16)]
    windows = window_tokens(shapes)
    layer = TemporalWindowLayer(embed_dim=16, num_heads=2, feedforward_dim=8).eval()
    torch.nn.init.xavier_uniform_(layer.self_attn.in_proj_weight)
    tokens, position = torch.randn(2, 7, 168, 16), torch.randn(7, 168, 16)
    changed = tokens.clone()
    changed[0, 3, windows[0, 5]] += 1  # one token of one frame
    difference = (layer(changed, position, windows) - layer(tokens, position, windows)).abs()
    assert (difference[0][:, windows[0]].amax(-1) > 0).all()
    assert (difference[0][:, windows[1]] == 0).all() and (difference[1] == 0).all()


@pytest.mark.parametrize("num_windows", range(1, 12))
def test_any_number_of_windows_and_frames_works(num_windows):
    shapes = [(2, 2 * num_windows), (4, 4 * num_windows), (8, 8 * num_windows)]
    windows = window_tokens(shapes)
    layer = TemporalWindowLayer(embed_dim=8, num_heads=1, feedforward_dim=8)
    torch.nn.init.xavier_uniform_(layer.self_attn.in_proj_weight)
    tokens = torch.randn(1, 6, 84 * num_windows, 8)
    assert layer(tokens, tokens[0], windows).shape == tokens.shape
