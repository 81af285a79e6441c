"""Mask2Former for clips (Cheng et al. 2021, "Mask2Former for Video Instance Segmentation").

The network sees one clip at a time. How the clips of a long video become tracks is the business of
:mod:`univs.tracking`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from univs.modeling.meta_arch.base import MaskFormerBase, common_number_of_frames
from univs.modeling.meta_arch.construction import base_arguments
from univs.modeling.targets import clip_targets


@dataclass
class ClipPrediction:
    """What the queries predict for one clip.

    Attributes:
        class_logits: ``(Q, K + 1)``; the last class is "no object".
        mask_logits: ``(Q, T, h, w)`` at a quarter of the padded input size.
        queries: ``(Q, C)``, similar for the same object in other clips.
    """

    class_logits: Tensor
    mask_logits: Tensor
    queries: Tensor


@META_ARCH_REGISTRY.register()
class VideoMaskFormer(MaskFormerBase):
    """Video instance segmentation: every query is a class and a mask in each frame of a clip."""

    @configurable
    def __init__(self, **base) -> None:
        """
        Args:
            base: see :class:`~univs.modeling.meta_arch.base.MaskFormerBase`.
        """
        super().__init__(**base)

    @classmethod
    def from_config(cls, cfg) -> dict:
        return base_arguments(cfg)

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[ClipPrediction]:
        """
        Args:
            batched_inputs: per clip ``image``, a list of T RGB frames ``(3, h, w)``, 0..255; for
                training also ``instances``, a list of T ``Instances`` as
                :func:`~univs.modeling.targets.clip_targets` takes them.

        Returns:
            Weighted losses by name in training mode, otherwise the predictions for each clip.
        """
        num_frames = common_number_of_frames(batched_inputs)
        frames = [frame for sample in batched_inputs for frame in sample["image"]]
        images = self.preprocess(frames)
        output = self.sem_seg_head(self.backbone(images.tensor), num_frames)
        if self.training:
            size = images.tensor.shape[-2:]
            targets = [
                clip_targets([frame.to(self.device) for frame in sample["instances"]], size)
                for sample in batched_inputs
            ]
            return self.criterion.weighted(self.criterion(output, targets))
        final = output.final
        return [
            ClipPrediction(*clip)
            for clip in zip(final.class_logits, final.mask_logits, final.queries, strict=True)
        ]

    @torch.no_grad()
    def predict_clip(self, frames: list[Tensor]) -> ClipPrediction:
        """Predict for one clip, a list of T RGB frames ``(3, h, w)``, 0..255."""
        return self([{"image": frames}])[0]
