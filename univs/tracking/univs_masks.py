"""Overlaps and owners of masks of clips, and their run lengths.

Letters: N masks of clips of T frames of h x w pixels.
"""

from __future__ import annotations

from torch import Tensor

from univs.structures import Rle, encode_masks
from univs.structures.mask_rle import rle_is_empty
from univs.tracking.frame_size import FrameSize

_MASKS_AT_ONCE = 16  # resized to the original size; bounds the memory that many masks take


def mask_overlaps(masks: Tensor, others: Tensor) -> Tensor:
    """Intersection over union in each frame, of masks ``(N, T, h, w)`` and ``(M, T, h, w)``, bool.

    Returns:
        ``(N, M, T)``.
    """
    a, b = (x.flatten(2).transpose(0, 1).float() for x in (masks, others))  # T N hw
    intersection = a @ b.transpose(1, 2)  # T N M
    union = a.sum(-1)[:, :, None] + b.sum(-1)[:, None] - intersection
    return (intersection / union.clamp(min=1)).permute(1, 2, 0)


def owners_of_pixels(probabilities: Tensor, strength: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give every pixel of a frame to the strongest of N entities.

    Args:
        probabilities: ``(N, H, W)``.
        strength: ``(N,)``.

    Returns:
        the row of the owner int64 ``(H, W)``; how many pixels each is likely to cover, ``(N,)``;
        where there is anything at all, bool ``(H, W)``.
    """
    is_likely = probabilities >= 0.5
    owner = (probabilities * strength[:, None, None]).argmax(0)
    return owner, is_likely.flatten(1).sum(1), is_likely.any(0)


def visible_masks(mask_logits: Tensor, size: FrameSize) -> dict[int, Rle]:
    """Masks of one frame at its original size, by row; rows without a pixel are left out.

    Args:
        mask_logits: ``(N, h, w)`` at a quarter of the padded input.
        size: from there to the frame.
    """
    rles: list[Rle] = []
    for part in mask_logits.split(_MASKS_AT_ONCE):
        rles += encode_masks((size.restore(part) > 0).cpu().numpy())
    return {row: rle for row, rle in enumerate(rles) if not rle_is_empty(rle)}
