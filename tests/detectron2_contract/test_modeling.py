"""Registries, ResNets, outputs at the size of the original image."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detectron2.config import get_cfg
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import (
    BACKBONE_REGISTRY,
    META_ARCH_REGISTRY,
    SEM_SEG_HEADS_REGISTRY,
    Backbone,
    build_backbone,
    build_model,
    build_resnet_backbone,
    build_sem_seg_head,
)
from detectron2.modeling.backbone.resnet import BasicStem, BottleneckBlock, ResNet
from detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY as REGISTRY_BY_PATH
from detectron2.modeling.postprocessing import detector_postprocess, sem_seg_postprocess
from detectron2.structures import Boxes, Instances
from reference import deterministic_weights


def _config(depth: int, norm: str = "FrozenBN", freeze_at: int = 2):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME = "build_resnet_backbone"
    cfg.MODEL.BACKBONE.FREEZE_AT = freeze_at
    cfg.MODEL.RESNETS.DEPTH = depth
    cfg.MODEL.RESNETS.NORM = norm
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    if depth < 50:
        cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    return cfg


@pytest.mark.parametrize("name", ["R50_FrozenBN", "R101_FrozenBN", "R18_BN"])
def test_resnet_as_measured(contract, name):
    fact = contract["resnet"][name]
    depth, norm = name[1:].split("_")
    with torch.device("meta"):
        backbone = build_backbone(_config(int(depth), norm))
    assert isinstance(backbone, Backbone)
    shapes = {key: list(tensor.shape) for key, tensor in backbone.state_dict().items()}
    assert shapes == fact["state_dict"]
    trainable = [key for key, parameter in backbone.named_parameters() if parameter.requires_grad]
    assert trainable == fact["trainable"]
    output = {key: [s.channels, s.stride] for key, s in backbone.output_shape().items()}
    assert output == fact["output_shape"]
    assert backbone.size_divisibility == fact["size_divisibility"]


@pytest.mark.golden("mask2former", "backbone")
def test_features_equal_the_original(case):
    if not case.kind.startswith("backbone_resnet"):
        pytest.skip("not a backbone of Detectron2")
    depth = int(case.kind.removeprefix("backbone_resnet"))
    backbone = build_backbone(_config(depth)).eval()
    deterministic_weights.fill(backbone, lambda name: f"backbone.{name}")
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    sizes = [n.removeprefix("image_") for n in case.arrays if n.startswith("image_")]
    assert sizes
    for size in sizes:
        with torch.no_grad():
            features = backbone((case.tensor(f"image_{size}") - mean) / std)
        assert set(features) == {"res2", "res3", "res4", "res5"}
        for level, feature in features.items():
            stored = case.arrays[f"{level}_{size}"]
            case.check(f"{level}_{size}", feature[:, :: feature.shape[1] // stored.shape[1]])


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_sizes_of_feature_maps_are_rounded_up(depth):
    backbone = build_backbone(_config(depth))
    with torch.no_grad():
        features = backbone(torch.rand(1, 3, 67, 93))
    for name, shape in backbone.output_shape().items():
        expected = (1, shape.channels, -(-67 // shape.stride), -(-93 // shape.stride))
        assert features[name].shape == expected


@pytest.mark.parametrize("freeze_at", range(6))
def test_freezing_stops_training_of_the_first_parts(freeze_at):
    backbone = build_backbone(_config(18, "BN", freeze_at))
    for index, part in enumerate([backbone.stem, *backbone.stages], start=1):
        frozen = index <= freeze_at
        assert any(p.requires_grad for p in part.parameters()) != frozen
        norms = [m for m in part.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]
        assert all(isinstance(norm, FrozenBatchNorm2d) == frozen for norm in norms)


def test_only_needed_stages_are_built():
    cfg = _config(18, "BN")
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res3"]
    backbone = build_backbone(cfg)
    assert {name.split(".")[0] for name in backbone.state_dict()} == {"stem", "res2", "res3"}
    assert set(backbone(torch.rand(1, 3, 32, 32))) == {"res3"}


def test_dilation_keeps_the_stride():
    cfg = _config(50)
    cfg.MODEL.RESNETS.RES5_DILATION = 2
    backbone = build_backbone(cfg)
    assert backbone.output_shape()["res5"].stride == 16
    with torch.no_grad():
        assert backbone(torch.rand(1, 3, 64, 64))["res5"].shape[-2:] == (4, 4)


def test_stride_in_the_first_convolution():
    block = BottleneckBlock(8, 16, bottleneck_channels=4, stride=2, stride_in_1x1=True)
    assert (block.conv1.stride, block.conv2.stride) == ((2, 2), (1, 1))


def test_classifier():
    stages = ResNet.make_default_stages(18, norm="BN")
    network = ResNet(BasicStem(), stages, num_classes=7).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 32, 32))["linear"].shape == (2, 7)


def test_other_channels_of_input():
    backbone = build_backbone(_config(18, "BN"), ShapeSpec(channels=4))
    assert backbone.stem.conv1.weight.shape[1] == 4
    assert type(build_resnet_backbone(_config(18), ShapeSpec(channels=1))) is ResNet


def test_impossible_resnets_are_explained(only_standin):
    for key, value in (("DEPTH", 20), ("RES5_DILATION", 3)):
        cfg = _config(50)
        cfg.MODEL.RESNETS[key] = value
        with pytest.raises(ValueError, match=key):
            build_backbone(cfg)
    cfg = _config(18)
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 256
    with pytest.raises(ValueError, match="RES2_OUT_CHANNELS"):
        build_backbone(cfg)


def test_registries():
    assert META_ARCH_REGISTRY is REGISTRY_BY_PATH
    assert BACKBONE_REGISTRY.get("build_resnet_backbone") is build_resnet_backbone

    @META_ARCH_REGISTRY.register()
    class ContractModel(nn.Linear):
        def __init__(self, cfg):
            super().__init__(2, cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES)

    @SEM_SEG_HEADS_REGISTRY.register()
    def contract_head(cfg, input_shape):
        return input_shape

    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.META_ARCHITECTURE = "ContractModel"
    cfg.MODEL.SEM_SEG_HEAD.NAME = "contract_head"
    assert isinstance(build_model(cfg), ContractModel)
    shapes = {"res2": ShapeSpec(channels=4)}
    assert build_sem_seg_head(cfg, shapes) is shapes


def test_semantic_scores_at_the_original_size():
    scores = torch.rand(3, 8, 12)
    resized = sem_seg_postprocess(scores, (6, 10), 12, 20)
    expected = nn.functional.interpolate(
        scores[None, :, :6, :10], size=(12, 20), mode="bilinear", align_corners=False
    )[0]
    assert torch.equal(resized, expected)


def test_boxes_at_the_original_size():
    boxes = Boxes(torch.tensor([[1.0, 2, 3, 4], [5, 5, 5, 9], [8, 1, 30, 3]]))
    results = Instances((10, 10), pred_boxes=boxes, scores=torch.tensor([0.9, 0.8, 0.7]))
    final = detector_postprocess(results, 20, 40)
    assert final.image_size == (20, 40)
    assert final.pred_boxes.tensor.tolist() == [[4, 4, 12, 8], [32, 2, 40, 6]]
    torch.testing.assert_close(final.scores, torch.tensor([0.9, 0.7]))
