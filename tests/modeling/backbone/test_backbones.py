from __future__ import annotations

import re

import pytest
import torch

from detectron2.modeling import build_backbone
from reference.models import fill_part, mask2former_config, subsampled
from univs.modeling.backbone import SwinTransformer


@pytest.mark.golden("mask2former", "backbone")
def test_features_equal_the_original(case):
    config = mask2former_config(case)
    backbone = fill_part(build_backbone(config), "backbone.")
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in (config.MODEL.PIXEL_MEAN, config.MODEL.PIXEL_STD)
    )
    images = [name for name in case.arrays if name.startswith("image_")]
    assert images
    for image in images:
        size = re.search(r"\d+x\d+", image).group()
        with torch.no_grad():
            features = backbone((case.tensor(image).float() - mean) / std)
        for level, feature in features.items():
            name = f"{level}_{size}"
            case.check(name, subsampled(feature, case.arrays[name]))


def tiny_swin(**options) -> SwinTransformer:
    return SwinTransformer(
        embed_dim=8,
        depths=[2, 2, 2],
        num_heads=[2, 2, 4],
        window_size=3,
        out_features=["res2", "res4"],
        **options,
    )


def test_only_requested_stages_are_returned_at_their_strides():
    backbone = tiny_swin().eval()
    features = backbone(torch.randn(2, 3, 33, 50))
    assert {name: tuple(f.shape) for name, f in features.items()} == {
        "res2": (2, 8, 9, 13),
        "res4": (2, 32, 3, 4),
    }
    shapes = backbone.output_shape()
    assert (shapes["res4"].channels, shapes["res4"].stride) == (32, 16)


def test_frozen_stages_stay_frozen_and_in_evaluation_mode():
    backbone = tiny_swin(freeze_at=3)
    assert backbone.train() is backbone
    assert not any(p.requires_grad for p in backbone.layers[1].parameters())
    assert all(p.requires_grad for p in backbone.layers[2].parameters())
    assert all(p.requires_grad for p in backbone.norm0.parameters())
    assert not backbone.layers[1].training and backbone.layers[2].training


def test_absolute_positions_adapt_to_the_image_size():
    backbone = tiny_swin(pretrain_img_size=32).eval()
    assert backbone.absolute_pos_embed.shape == (1, 8, 8, 8)
    assert backbone(torch.randn(1, 3, 40, 48))["res2"].shape[-2:] == (10, 12)


def test_recomputed_activations_give_the_same_gradients():
    image = torch.rand(1, 3, 24, 36, generator=torch.Generator().manual_seed(0))
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        backbone = tiny_swin(recompute=recompute, drop_path_rate=0.0).train()
        sum(feature.square().sum() for feature in backbone(image).values()).backward()
        gradients.append([p.grad for p in backbone.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 10
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(again, kept)
