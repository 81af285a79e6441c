"""Results as ``supervision.Detections``, for that library's drawing, counting and zones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from univs.structures.mask_rle import decode_masks, rle_boxes
from univs.structures.video_result import FrameResult

if TYPE_CHECKING:
    import supervision


def to_supervision(
    result: FrameResult, class_names: Sequence[str] | None = None
) -> supervision.Detections:
    """The segments of one frame.

    Args:
        result: the frame; it may be empty.
        class_names: name of each category, to go into ``data["class_name"]``.

    Returns:
        N detections: ``mask`` bool ``[N, H, W]``, ``xyxy`` the boxes around the masks in pixels,
        ``confidence``, ``class_id`` (-1 for segments without category) and ``tracker_id``.

    Raises:
        ImportError: the package ``supervision`` is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise ImportError(
            "to_supervision needs the package supervision: pip install 'univs[supervision]'"
        ) from error
    segments = result.segments
    if not segments:
        return supervision.Detections.empty()
    rles = [segment.rle for segment in segments]
    boxes = rle_boxes(rles)  # x, y, width, height
    categories = [-1 if segment.category is None else segment.category for segment in segments]
    data = {}
    if class_names is not None:
        data["class_name"] = np.array(
            ["" if category < 0 else class_names[category] for category in categories]
        )
    return supervision.Detections(
        xyxy=np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1),
        mask=decode_masks(rles, result.size),
        confidence=np.array([segment.score for segment in segments]),
        class_id=np.array(categories),
        tracker_id=np.array([segment.track_id for segment in segments]),
        data=data,
    )
