"""Model outputs at the size of the original image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from detectron2.structures import Instances

__all__ = ["detector_postprocess", "sem_seg_postprocess"]


def detector_postprocess(
    results: Instances, output_height: int, output_width: int, mask_threshold: float = 0.5
) -> Instances:
    """Scale and clip predicted boxes to the size of the original image; drop the empty ones.

    Args:
        results: predictions at the size of the network's input, with ``pred_boxes`` or
            ``proposal_boxes``.
        output_height: of the original image.
        output_width: of the original image.
        mask_threshold: for box-relative masks, which only an installed Detectron2 can paste.

    Raises:
        ValueError: there are no boxes, or there are masks relative to the boxes.
    """
    if results.has("pred_masks"):
        raise ValueError(
            "detector_postprocess: pasting box-relative pred_masks needs an installed Detectron2"
        )
    scale_x = output_width / results.image_size[1]
    scale_y = output_height / results.image_size[0]
    results = Instances((output_height, output_width), **results.get_fields())
    for name in ("pred_boxes", "proposal_boxes"):
        if results.has(name):
            boxes = results.get(name).clone()
            results.set(name, boxes)
            break
    else:
        raise ValueError("detector_postprocess: the predictions have no boxes")
    boxes.scale(scale_x, scale_y)
    boxes.clip(results.image_size)
    return results[boxes.nonempty()]


def sem_seg_postprocess(
    result: Tensor, img_size: tuple[int, int], output_height: int, output_width: int
) -> Tensor:
    """Cut off the padding and resize to the size of the original image.

    Args:
        result: ``[C, H, W]`` scores, at the padded size of the network's input.
        img_size: (height, width) of the network's input without padding.
        output_height: of the original image.
        output_width: of the original image.

    Returns:
        ``[C, output_height, output_width]`` scores, bilinearly resized.
    """
    height, width = img_size
    return F.interpolate(
        result[None, :, :height, :width],
        size=(output_height, output_width),
        mode="bilinear",
        align_corners=False,
    )[0]
