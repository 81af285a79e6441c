from __future__ import annotations

import pytest

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


def test_colours_must_be_rgb(toy_config):
    toy_config.INPUT.FORMAT = "BGR"
    with pytest.raises(ValueError, match="set INPUT.FORMAT to RGB"):
        build_mapper(toy_config, is_train=True)


def test_still_images_become_clips_beside_videos(toy_config):
    toy_config.DATASETS.TRAIN = ("coco2ytvis2019_train", "ytvis_2019_train")
    for name, kind in zip(toy_config.DATASETS.TRAIN, (PseudoClipMapper, ClipMapper), strict=True):
        assert type(build_mapper(toy_config, is_train=True, dataset_name=name)) is kind


def test_video_models_are_pre_trained_on_images_like_image_models(toy_config):
    toy_config.DATASETS.TRAIN = ("coco_2017_train",)
    toy_config.INPUT.DATASET_MAPPER_NAME = "coco_instance_lsj"
    toy_config.INPUT.SAMPLING_FRAME_NUM = 1
    mapper = build_mapper(toy_config, is_train=True, dataset_name="coco_2017_train")
    assert isinstance(mapper, ImageInstanceMapper)
