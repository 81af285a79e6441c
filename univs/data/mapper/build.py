"""Chooses the mapper of a config."""

from __future__ import annotations

from collections.abc import Callable

from detectron2.config import CfgNode
from univs.data.catalog import find_entry
from univs.data.catalog.entry import STILL_IMAGE_LAYOUTS
from univs.data.mapper.clip import ClipMapper
from univs.data.mapper.image import ImageInstanceMapper, ImageSemanticMapper
from univs.data.mapper.pseudo_clip import PseudoClipMapper
from univs.data.mapper.tarvis import TarVisMapper
from univs.data.mapper.test import ImageTestMapper, TestMapper
from univs.data.mapper.univs import UnivsClipMapper, UnivsPseudoClipMapper

#: Mappers of still images, by INPUT.DATASET_MAPPER_NAME.
IMAGE_MAPPERS: dict[str, Callable] = {
    "coco_instance_lsj": ImageInstanceMapper,
    "coco_panoptic_lsj": ImageInstanceMapper,
    "mask_former_semantic": ImageSemanticMapper,
}


def build_mapper(
    cfg: CfgNode, *, is_train: bool, dataset_name: str | None = None
) -> Callable[[dict], dict]:
    """The mapper that turns entries of the DatasetCatalog into samples.

    The image model trains on images, by ``INPUT.DATASET_MAPPER_NAME``. The other models train on
    clips of ``INPUT.SAMPLING_FRAME_NUM`` frames, which are made of copies where the dataset has
    still images; ``INPUT.LSJ_AUG`` tells how (on in VITA's pre-training on COCO). UniVS and TarViS
    have mappers of their own.

    At test time video models get frames that are decoded when read; the image model gets tensors,
    and UniVS does where the dataset has still images.

    Args:
        cfg: config.
        is_train: augmented training samples, or test samples.
        dataset_name: the dataset whose entries are mapped; None stands for videos.

    Raises:
        ValueError: the config asks for an unknown mapper, or for colours in another order than RGB.
    """
    if cfg.INPUT.FORMAT != "RGB":
        raise ValueError(
            f"INPUT.FORMAT is {cfg.INPUT.FORMAT!r}, but every model of this project takes RGB "
            "images: set INPUT.FORMAT to RGB."
        )
    is_image_model = cfg.MODEL.META_ARCHITECTURE == "MaskFormer"
    is_univs = cfg.MODEL.META_ARCHITECTURE.startswith("UniVS")  # which takes images as they are
    if not is_train:
        is_image = is_univs and dataset_name is not None and has_still_images(dataset_name)
        return ImageTestMapper(cfg) if is_image or is_image_model else TestMapper(cfg)
    if is_image_model:
        return _image_mapper(cfg)
    if cfg.MODEL.META_ARCHITECTURE == "TarViS" and dataset_name is not None:
        return TarVisMapper.of_dataset(
            cfg, dataset_name, is_video=not has_still_images(dataset_name)
        )
    if is_univs:
        is_one_file_per_image = dataset_name is not None and _layout_of(dataset_name) == "sa_1b"
        return UnivsPseudoClipMapper(cfg) if is_one_file_per_image else UnivsClipMapper(cfg)
    is_still = dataset_name is not None and has_still_images(dataset_name)
    return PseudoClipMapper(cfg) if is_still else ClipMapper(cfg)


def has_still_images(dataset_name: str) -> bool:
    """Tell whether a dataset of the catalogue consists of still images; False for others."""
    return _layout_of(dataset_name) in STILL_IMAGE_LAYOUTS


def _layout_of(dataset_name: str) -> str | None:
    try:
        return find_entry(dataset_name).layout
    except KeyError:  # registered by the user's own code
        return None


def _image_mapper(cfg: CfgNode) -> Callable[[dict], dict]:
    name = cfg.INPUT.DATASET_MAPPER_NAME
    if name not in IMAGE_MAPPERS:
        raise ValueError(
            f"INPUT.DATASET_MAPPER_NAME {name!r} is not known; known are "
            f"{', '.join(sorted(IMAGE_MAPPERS))}."
        )
    return IMAGE_MAPPERS[name](cfg)
