"""Meta-architectures: wiring of backbone, pixel decoder, transformer decoder and losses."""

from univs.modeling.meta_arch.genvis import Genvis
from univs.modeling.meta_arch.mask_former import MaskFormer
from univs.modeling.meta_arch.mask_former_head import MaskFormerHead
from univs.modeling.meta_arch.tarvis import TarViS
from univs.modeling.meta_arch.univs import (
    PromptedClipPrediction,
    UniVS_Prompt,
    UniVS_Prompt_LongVideo,
)
from univs.modeling.meta_arch.video_mask_former import ClipPrediction, VideoMaskFormer
from univs.modeling.meta_arch.vita import Vita

__all__ = [
    "ClipPrediction",
    "Genvis",
    "MaskFormer",
    "MaskFormerHead",
    "PromptedClipPrediction",
    "TarViS",
    "UniVS_Prompt",
    "UniVS_Prompt_LongVideo",
    "VideoMaskFormer",
    "Vita",
]
