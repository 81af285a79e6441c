"""Meta-architectures: wiring of backbone, pixel decoder, transformer decoder and losses."""

from univs.modeling.meta_arch.mask_former import MaskFormer
from univs.modeling.meta_arch.mask_former_head import MaskFormerHead
from univs.modeling.meta_arch.video_mask_former import ClipPrediction, VideoMaskFormer

__all__ = ["ClipPrediction", "MaskFormer", "MaskFormerHead", "VideoMaskFormer"]
