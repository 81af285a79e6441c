"""Models by name, and the backbones that Detectron2 extensions build on."""

from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone import (
    BACKBONE_REGISTRY,
    Backbone,
    ResNet,
    ResNetBlockBase,
    build_backbone,
    build_resnet_backbone,
    make_stage,
)
from detectron2.modeling.meta_arch import (
    META_ARCH_REGISTRY,
    SEM_SEG_HEADS_REGISTRY,
    build_model,
    build_sem_seg_head,
)
from detectron2.modeling.postprocessing import detector_postprocess, sem_seg_postprocess

__all__ = [
    "BACKBONE_REGISTRY",
    "META_ARCH_REGISTRY",
    "SEM_SEG_HEADS_REGISTRY",
    "Backbone",
    "ResNet",
    "ResNetBlockBase",
    "ShapeSpec",
    "build_backbone",
    "build_model",
    "build_resnet_backbone",
    "build_sem_seg_head",
    "detector_postprocess",
    "make_stage",
    "sem_seg_postprocess",
]
