from __future__ import annotations

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import (
    BACKBONE_REGISTRY,
    META_ARCH_REGISTRY,
    Backbone,
    ShapeSpec,
    build_backbone,
    build_model,
    sem_seg_postprocess,
)
from torch import nn


def resnet_config(depth: int, norm: str):
    config = get_cfg()
    config.MODEL.RESNETS.DEPTH = depth
    config.MODEL.RESNETS.NORM = norm
    config.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    if depth < 50:
        config.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    return config


def test_names_shapes_and_frozen_parts_of_resnets(contract):
    for name, facts in contract["resnet"].items():
        depth, norm = name.split("_")
        backbone = build_backbone(resnet_config(int(depth[1:]), norm))
        shapes = {key: list(tensor.shape) for key, tensor in backbone.state_dict().items()}
        assert list(shapes.items()) == list(facts["state_dict"].items())
        trainable = [key for key, p in backbone.named_parameters() if p.requires_grad]
        assert trainable == facts["trainable"]
        outputs = {key: [s.channels, s.stride] for key, s in backbone.output_shape().items()}
        assert outputs == facts["output_shape"]
        assert backbone.size_divisibility == facts["size_divisibility"]


@torch.no_grad()
def test_features_have_the_promised_shapes():
    backbone = build_backbone(resnet_config(18, "BN"))
    features = backbone(torch.randn(1, 3, 67, 93))
    sizes = {name: tuple(feature.shape[-2:]) for name, feature in features.items()}
    assert sizes == {"res2": (17, 24), "res3": (9, 12), "res4": (5, 6), "res5": (3, 3)}


@pytest.mark.parametrize("freeze_at", [0, 1, 3, 5])
def test_freezing(freeze_at):
    config = resnet_config(18, "BN")
    config.MODEL.BACKBONE.FREEZE_AT = freeze_at
    backbone = build_backbone(config)
    parts = [backbone.stem, backbone.res2, backbone.res3, backbone.res4, backbone.res5]
    frozen = [not any(p.requires_grad for p in part.parameters()) for part in parts]
    assert frozen == [index < freeze_at for index in range(5)]


def test_registered_classes_are_built_by_name():
    @BACKBONE_REGISTRY.register()
    class ContractBackbone(Backbone):
        def __init__(self, cfg, input_shape: ShapeSpec) -> None:
            super().__init__()
            self.channels = input_shape.channels

        def forward(self, x):
            return {"res2": x}

    @META_ARCH_REGISTRY.register()
    class ContractModel(nn.Module):
        def __init__(self, cfg) -> None:
            super().__init__()
            self.backbone = build_backbone(cfg)

    config = get_cfg()
    config.MODEL.DEVICE = "cpu"
    config.MODEL.BACKBONE.NAME = "ContractBackbone"
    config.MODEL.META_ARCHITECTURE = "ContractModel"
    assert build_model(config).backbone.channels == 3


def test_semantic_scores_are_cut_and_resized():
    scores = torch.zeros(2, 8, 8)
    scores[:, :4, :6] = 1.0
    resized = sem_seg_postprocess(scores, (4, 6), 10, 20)
    torch.testing.assert_close(resized, torch.ones(2, 10, 20))
