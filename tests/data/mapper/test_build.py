from __future__ import annotations

import pytest

from univs.data.mapper import (
    ClipMapper,
    ImageInstanceMapper,
    ImageTestMapper,
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


def test_colours_must_be_rgb(toy_config):
    toy_config.INPUT.FORMAT = "BGR"
    with pytest.raises(ValueError, match="set INPUT.FORMAT to RGB"):
        build_mapper(toy_config, is_train=True)
