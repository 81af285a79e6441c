from __future__ import annotations

import pytest

from detectron2.data import DatasetCatalog
from univs.config import load_config
from univs.data.mapper import (
    ClipMapper,
    ImageInstanceMapper,
    ImageTestMapper,
    PseudoClipMapper,
    TestMapper,
    build_mapper,
)


def test_video_models_train_on_clips_and_are_tested_on_frames(toy_config):
    assert isinstance(build_mapper(toy_config, is_train=True), ClipMapper)
    mapper = build_mapper(toy_config, is_train=False, dataset_name="toy_ytvis_val")
    assert isinstance(mapper, TestMapper)
    assert mapper.resize.shortest == toy_config.INPUT.MIN_SIZE_TEST


def test_image_models_train_and_are_tested_on_images(toy_config):
    toy_config.MODEL.META_ARCHITECTURE = "MaskFormer"
    toy_config.INPUT.DATASET_MAPPER_NAME = "coco_instance_lsj"
    assert isinstance(build_mapper(toy_config, is_train=True), ImageInstanceMapper)
    assert isinstance(build_mapper(toy_config, is_train=False), ImageTestMapper)
    toy_config.INPUT.DATASET_MAPPER_NAME = "coco"
    with pytest.raises(ValueError, match="'coco' is not known; known are coco_instance_lsj"):
        build_mapper(toy_config, is_train=True)


def test_univs_is_tested_on_videos_and_on_images(toy_datasets, toy_config):
    toy_config.MODEL.META_ARCHITECTURE = "UniVS_Prompt"
    for name, kind in (("toy_coco_panoptic_val", ImageTestMapper), ("toy_ytvis_val", TestMapper)):
        assert type(build_mapper(toy_config, is_train=False, dataset_name=name)) is kind


def test_colours_must_be_rgb(toy_config):
    toy_config.INPUT.FORMAT = "BGR"
    with pytest.raises(ValueError, match="set INPUT.FORMAT to RGB"):
        build_mapper(toy_config, is_train=True)


def test_still_images_become_clips_beside_videos(toy_config):
    toy_config.DATASETS.TRAIN = ("coco2ytvis2019_train", "ytvis_2019_train")
    for name, kind in zip(toy_config.DATASETS.TRAIN, (PseudoClipMapper, ClipMapper), strict=True):
        assert type(build_mapper(toy_config, is_train=True, dataset_name=name)) is kind


def test_video_models_are_pre_trained_on_clips_made_of_images(toy_datasets, toy_config):
    """As VITA is on COCO: clips of one frame, with large-scale jittering."""
    name = "toy_coco_instance_train"
    toy_config.merge_from_list(
        [
            *("DATASETS.TRAIN", [name], "INPUT.SAMPLING_FRAME_NUM", 1),
            *("INPUT.LSJ_AUG.ENABLED", True, "INPUT.LSJ_AUG.IMAGE_SIZE", 64),
        ]
    )
    mapper = build_mapper(toy_config, is_train=True, dataset_name=name)
    assert type(mapper) is PseudoClipMapper
    sample = mapper(DatasetCatalog.get(name)[0])
    (image,), (instances,) = sample["image"], sample["instances"]
    assert image.shape == (3, 64, 64)
    assert instances.gt_masks.tensor.shape[1:] == (64, 64)


@pytest.mark.parametrize(
    ("architecture", "expected"), [("UniVS_Prompt", (True, 0.25)), ("Vita", (False, 0.1))]
)
def test_systems_have_their_own_jittering(tmp_path, architecture, expected):
    """Files of the original projects leave it out."""
    path = tmp_path / "config.yaml"
    path.write_text(f"MODEL:\n  META_ARCHITECTURE: {architecture}\n")
    jitter = load_config(path).INPUT.LSJ_AUG
    assert expected == (jitter.ENABLED, jitter.MIN_SCALE)
    assert load_config(path, ["INPUT.LSJ_AUG.MIN_SCALE", 0.5]).INPUT.LSJ_AUG.MIN_SCALE == 0.5
