"""Names of published files of every age become today's names, however often they are translated."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.cases import manifest
from univs.checkpoint import CheckpointFileError
from univs.checkpoint.names import current_names

CONFIGURATIONS = [
    (system, configuration)
    for system in ("mask2former", "univs", "vita", "genvis")
    for configuration in manifest(system)
    if not configuration.startswith("clip_")
]


def names_of(system: str, configuration: str) -> list[str]:
    return list(manifest(system)[configuration]["state_dict"])


@pytest.fixture(scope="module")
def r50():
    return names_of("mask2former", "coco_panoptic_R50")


@pytest.fixture(scope="module")
def swin():
    return names_of("mask2former", "coco_panoptic_swin_tiny")


def to_torchvision(name: str) -> str:
    """The torchvision name of a backbone tensor of Detectron2."""
    name = name.removeprefix("backbone.").removeprefix("stem.")
    name = re.sub(r"^res([2-5])", lambda match: f"layer{int(match[1]) - 1}", name)
    name = name.replace("shortcut.norm", "downsample.1").replace("shortcut.", "downsample.0.")
    return re.sub(r"conv([123])\.norm", r"bn\1", name)


@pytest.mark.parametrize(("system", "configuration"), CONFIGURATIONS)
def test_names_of_today_stay(system, configuration):
    names = names_of(system, configuration)
    name_map = current_names(names)
    assert name_map.names == {name: name for name in names}
    assert not name_map.dropped
    assert not name_map.recognised


def test_wrapped_model(r50):
    name_map = current_names(f"module.{name}" for name in r50)
    assert list(name_map.names.values()) == r50
    partly = ["module.a", "b"]
    assert list(current_names(partly).names.values()) == partly


def test_published_file_with_static_query(r50):
    old = [name.replace("query_feat", "static_query") for name in r50]
    assert "sem_seg_head.predictor.static_query.weight" in old
    assert list(current_names(old).names.values()) == r50


def test_old_and_new_query_together(r50):
    name_map = current_names([*r50, "sem_seg_head.predictor.static_query.weight"])
    assert list(name_map.names.values()) == r50
    assert name_map.dropped == ("sem_seg_head.predictor.static_query.weight",)


def test_file_without_pixel_decoder(r50):
    old = [name.replace("sem_seg_head.pixel_decoder.", "sem_seg_head.") for name in r50]
    name_map = current_names(old)
    assert list(name_map.names.values()) == r50
    assert name_map.recognised == ("MaskFormer without pixel_decoder",)


def test_all_old_habits_at_once(r50):
    old = [
        "module." + name.replace("pixel_decoder.", "").replace("query_feat", "static_query")
        for name in r50
    ]
    assert list(current_names(old).names.values()) == r50


def test_imagenet_resnet_of_detectron2(r50):
    backbone = [name for name in r50 if name.startswith("backbone.")]
    file = [name.removeprefix("backbone.") for name in backbone]
    extra = ["stem.fc.weight", "stem.fc.bias"]
    name_map = current_names([*file, *extra])
    assert list(name_map.names.values()) == backbone
    assert list(name_map.dropped) == extra


def test_imagenet_resnet_of_torchvision(r50):
    backbone = [name for name in r50 if name.startswith("backbone.")]
    file = [to_torchvision(name) for name in backbone]
    assert {"conv1.weight", "bn1.running_var", "layer4.2.bn3.bias"} <= set(file)
    assert {"layer1.0.downsample.0.weight", "layer1.0.downsample.1.weight"} <= set(file)
    name_map = current_names([*file, "fc.weight", "fc.bias"])
    assert list(name_map.names.values()) == backbone
    assert name_map.dropped == ("fc.weight", "fc.bias")


def test_imagenet_swin(swin):
    output_norm = re.compile(r"backbone\.norm\d\.")
    backbone = [n for n in swin if n.startswith("backbone.") and not output_norm.match(n)]
    extra = ["norm.weight", "norm.bias", "head.weight", "layers.0.blocks.1.attn_mask"]
    name_map = current_names([*(name.removeprefix("backbone.") for name in backbone), *extra])
    assert list(name_map.names.values()) == backbone
    assert list(name_map.dropped) == extra


def test_two_old_names_for_one_tensor():
    names = ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "stem.bn1.weight"]
    with pytest.raises(CheckpointFileError, match="would both become stem"):
        current_names([*names, "stem.conv1.norm.bias", "stem.bn1.bias", "bn1.bias"])


WORDS = """module backbone sem_seg_head pixel_decoder predictor static_query query_feat stem
conv1 bn1 layer1 res2 0 downsample shortcut norm fc head patch_embed proj attn_mask weight bias"""
PARTS = st.sampled_from(WORDS.split())
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=4).map(".".join), max_size=12, unique=True)
ROOTS = st.sampled_from(
    [
        [],
        ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight"],
        ["stem.conv1.weight"],
        ["patch_embed.proj.weight"],
        ["sem_seg_head.mask_features.weight"],
        ["sem_seg_head.predictor.static_query.weight"],
    ]
)


@given(NAMES, ROOTS, st.sampled_from(["", "module.", "module.module."]))
def test_translating_twice_is_translating_once(names, roots, wrapper):
    names = [wrapper + name for name in dict.fromkeys([*names, *roots])]
    try:
        once = current_names(names)
    except CheckpointFileError:
        return  # two tensors for one place
    again = current_names(once.names.values())
    assert again.names == {name: name for name in once.names.values()}
    assert not again.dropped
    assert sorted([*once.names, *once.dropped]) == sorted(names)


ALL_NAMES = sorted({name for entry in CONFIGURATIONS for name in names_of(*entry)})


@given(st.sets(st.sampled_from(ALL_NAMES), max_size=8))
def test_any_part_of_a_published_file_keeps_its_names(names):
    assert current_names(names).names == {name: name for name in names}
