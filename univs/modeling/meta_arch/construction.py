"""The parts that every meta-architecture on the Mask2Former base builds from its config."""

from __future__ import annotations

from detectron2.modeling import build_backbone, build_sem_seg_head
from univs.modeling.losses import HungarianMatcher, SetCriterion


def base_arguments(cfg) -> dict:
    """Backbone, head, criterion and preprocessing constants of a Mask2Former model."""
    backbone = build_backbone(cfg)
    divisibility = cfg.MODEL.MASK_FORMER.SIZE_DIVISIBILITY
    if divisibility < 0:
        divisibility = backbone.size_divisibility
    return {
        "backbone": backbone,
        "sem_seg_head": build_sem_seg_head(cfg, backbone.output_shape()),
        "criterion": build_criterion(cfg),
        "size_divisibility": divisibility,
        "pixel_mean": cfg.MODEL.PIXEL_MEAN,
        "pixel_std": cfg.MODEL.PIXEL_STD,
    }


def build_criterion(cfg) -> SetCriterion:
    """The set criterion with the weights and sampling of ``MODEL.MASK_FORMER``."""
    return SetCriterion(**_criterion_arguments(cfg))


def vita_criterion_arguments(cfg) -> dict:
    """Arguments of the criterion of video queries: as for frames, and the similarity loss."""
    arguments = _criterion_arguments(cfg)
    arguments["weights"] = arguments["weights"] | {"loss_sim": cfg.MODEL.VITA.SIM_WEIGHT}
    arguments["no_object_weight"] = cfg.MODEL.VITA.NO_OBJECT_WEIGHT
    return arguments


def _criterion_arguments(cfg) -> dict:
    options = cfg.MODEL.MASK_FORMER
    matcher = HungarianMatcher(
        class_weight=options.CLASS_WEIGHT,
        mask_weight=options.MASK_WEIGHT,
        dice_weight=options.DICE_WEIGHT,
        num_points=options.TRAIN_NUM_POINTS,
    )
    return {
        "num_classes": cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES,
        "matcher": matcher,
        "weights": {
            "loss_ce": options.CLASS_WEIGHT,
            "loss_mask": options.MASK_WEIGHT,
            "loss_dice": options.DICE_WEIGHT,
        },
        "no_object_weight": options.NO_OBJECT_WEIGHT,
        "num_points": options.TRAIN_NUM_POINTS,
        "oversample_ratio": options.OVERSAMPLE_RATIO,
        "importance_sample_ratio": options.IMPORTANCE_SAMPLE_RATIO,
    }
