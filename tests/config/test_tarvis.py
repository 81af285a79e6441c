"""The configs of TarViS hold together, and say what was published."""

from __future__ import annotations

import pytest

from reference.models import CONFIGS
from univs.config import ConfigError, load_config
from univs.config.tarvis import thing_classes_of, vocabulary_named
from univs.data.catalog import find_entry
from univs.tracking.tarvis_stitching import check_overlap

FILES = sorted(path for path in (CONFIGS / "tarvis").rglob("*.yaml") if path.stem != "base")


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(CONFIGS)) for path in FILES])
def test_lists_belong_together(path):
    config = load_config(path)
    tarvis, datasets = config.MODEL.TARVIS, config.DATASETS
    sizes = dict(zip(tarvis.VOCABULARIES, tarvis.VOCABULARY_SIZES, strict=True))
    assert len(datasets.TRAIN) == len(datasets.TRAIN_VOCABULARIES) == len(datasets.DATASET_RATIO)
    assert not datasets.TRAIN or sum(datasets.DATASET_RATIO) == pytest.approx(1)
    assert set(datasets.TRAIN_VOCABULARIES) - {""} <= set(sizes)
    assert len(config.INPUT.FRAME_RANGE_FACTORS) in (0, len(datasets.TRAIN))
    for name, size in sizes.items():
        classes = thing_classes_of(config, name)
        assert len(set(classes)) == len(classes) and max(classes, default=0) < size
    check_overlap(config.TEST.CLIP_LENGTH, tarvis.TEST.FRAME_OVERLAP)
    vocabulary = tarvis.TEST.VOCABULARY
    assert vocabulary == "" or vocabulary in sizes
    assert config.MODEL.MASK_FORMER.SIZE_DIVISIBILITY == 64


@pytest.mark.parametrize(
    ("file", "weight", "ignores_null_classes", "regularizes"),
    [
        ("pretrain/r50", 2.0, False, False),
        ("pretrain/swin_tiny", 2.0, False, False),
        ("pretrain/swin_large", 0.75, True, False),
        ("video/r50", 2.0, False, False),
        ("video/swin_tiny", 2.0, False, False),
        ("video/swin_large", 1.0, False, True),
    ],
)
def test_semantic_losses_are_those_of_the_backbone(file, weight, ignores_null_classes, regularizes):
    loss = load_config(CONFIGS / "tarvis" / f"{file}.yaml").MODEL.TARVIS.LOSS
    assert loss.INSTANCE_SEMANTIC_WEIGHT == loss.PANOPTIC_SEMANTIC_WEIGHT == weight
    assert (
        ignores_null_classes,
        regularizes,
    ) == (loss.IGNORE_NULL_CLASSES, loss.SEMANTIC_REGULARIZATION)
    points = {"pretrain": 25088, "video": 50176}[file.split("/")[0]]
    assert points == loss.PANOPTIC_SEMANTIC_NUM_POINTS


def test_every_stage_and_benchmark_has_three_backbones():
    folders = {path.parent for path in FILES}
    assert len(folders) == 10
    for folder in folders:
        assert {"r50.yaml", "swin_tiny.yaml", "swin_large.yaml"} <= {
            p.name for p in folder.iterdir()
        }


def test_vipseg_has_58_things():
    config = load_config(CONFIGS / "tarvis" / "video" / "r50.yaml")
    assert len(thing_classes_of(config, "VIPSEG")) == 58
    assert thing_classes_of(config, "KITTI_STEP") == (11, 13)
    assert thing_classes_of(config, "") == ()


def test_thing_classes_must_fit_the_vocabularies():
    config = load_config(
        CONFIGS / "tarvis" / "video" / "r50.yaml", ["MODEL.TARVIS.THING_CLASSES", [[1]]]
    )
    with pytest.raises(ConfigError, match="one list for each"):
        thing_classes_of(config, "OVIS")


@pytest.mark.parametrize(
    ("stage", "name", "vocabulary"),
    [
        ("video", "ytvis21", "YOUTUBE_VIS"),
        ("video", "YOUTUBE_VIS", "YOUTUBE_VIS"),
        ("video", "cityscapes", "CITYSCAPES_VPS"),
        ("video", "vipseg", "VIPSEG"),
        ("pretrain", "cityscapes_panoptic", "CITYSCAPES"),
        ("pretrain", "coco_panoptic", "COCO"),
    ],
)
def test_class_lists_of_data_sets_stand_for_vocabularies(stage, name, vocabulary):
    config = load_config(CONFIGS / "tarvis" / stage / "r50.yaml")
    assert vocabulary_named(config, name) == vocabulary


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if "evaluation" in p.parts and p.stem == "r50"],
    ids=lambda p: p.parent.name,
)
def test_benchmarks_are_in_the_vocabulary_of_their_config(path):
    config = load_config(path)
    (name,) = config.DATASETS.TEST
    domain = find_entry(name).domain
    vocabulary = config.MODEL.TARVIS.TEST.VOCABULARY
    assert vocabulary == ("" if domain is None else vocabulary_named(config, domain))


def test_class_lists_of_other_models_are_refused():
    config = load_config(CONFIGS / "tarvis" / "video" / "r50.yaml")
    with pytest.raises(ConfigError, match="CITYSCAPES_VPS, KITTI_STEP, OVIS, VIPSEG, YOUTUBE_VIS"):
        vocabulary_named(config, "ytvis19")
