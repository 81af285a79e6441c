"""The few nouns every room shares: target, clip, track, and the results of a video."""

from univs.structures.clip import Clip
from univs.structures.detections import to_supervision
from univs.structures.id_map import compose_id_map, id_map_dtype
from univs.structures.mask_rle import (
    Rle,
    decode_mask,
    decode_masks,
    empty_rle,
    encode_mask,
    encode_masks,
    rle_areas,
    rle_boxes,
)
from univs.structures.shape_check import check_shape, check_shapes
from univs.structures.target import (
    BoxTarget,
    CategoryTarget,
    MaskTarget,
    PointTarget,
    Target,
    TextTarget,
)
from univs.structures.track import Track
from univs.structures.video_result import (
    VOID_LABEL,
    FrameResult,
    LostTrack,
    Segment,
    VideoResult,
    label_png,
)

__all__ = [
    "VOID_LABEL",
    "BoxTarget",
    "CategoryTarget",
    "Clip",
    "FrameResult",
    "LostTrack",
    "MaskTarget",
    "PointTarget",
    "Rle",
    "Segment",
    "Target",
    "TextTarget",
    "Track",
    "VideoResult",
    "check_shape",
    "check_shapes",
    "compose_id_map",
    "decode_mask",
    "decode_masks",
    "empty_rle",
    "encode_mask",
    "encode_masks",
    "id_map_dtype",
    "label_png",
    "rle_areas",
    "rle_boxes",
    "to_supervision",
]
