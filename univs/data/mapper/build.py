"""Chooses the mapper of a config."""

from __future__ import annotations

from collections.abc import Callable

from detectron2.config import CfgNode
from univs.data.mapper.clip import ClipMapper
from univs.data.mapper.image import ImageInstanceMapper, ImageSemanticMapper
from univs.data.mapper.test import ImageTestMapper, TestMapper

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

    The image model trains on images, by ``INPUT.DATASET_MAPPER_NAME``; every other model trains on
    clips. At test time video models
    get frames that are decoded when read, the image model a tensor.

    Args:
        cfg: config.
        is_train: augmented training samples, or test samples.
        dataset_name: the dataset that is tested; no mapper depends on it so far.

    Raises:
        ValueError: the config asks for an unknown mapper, or for colours in another order than RGB.
    """
    if cfg.INPUT.FORMAT != "RGB":
        raise ValueError(
            f"INPUT.FORMAT is {cfg.INPUT.FORMAT!r}, but every model of this project takes RGB "
            "images: set INPUT.FORMAT to RGB."
        )
    is_image_model = cfg.MODEL.META_ARCHITECTURE == "MaskFormer"
    if not is_train:
        return ImageTestMapper(cfg) if is_image_model else TestMapper(cfg)
    if not is_image_model:
        return ClipMapper(cfg)
    name = cfg.INPUT.DATASET_MAPPER_NAME
    if name not in IMAGE_MAPPERS:
        raise ValueError(
            f"INPUT.DATASET_MAPPER_NAME {name!r} is not known; known are "
            f"{', '.join(sorted(IMAGE_MAPPERS))}."
        )
    return IMAGE_MAPPERS[name](cfg)
