"""Which category every pixel of a clip has, as far as the learnable queries tell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from univs.modeling.mask_statistics import quality_counts, quality_of
from univs.modeling.meta_arch.base import resize_masks
from univs.modeling.meta_arch.univs import PromptedClipPrediction
from univs.tracking.frame_size import FrameSize


@dataclass(frozen=True)
class StuffClasses:
    """The stuff among the categories of a class list.

    Attributes:
        rows: rows of the class list in the model's concept table.
        categories: 0-based categories of the class list that are stuff.
    """

    rows: slice
    categories: frozenset[int]


def category_map(
    prediction: PromptedClipPrediction,
    rows: slice,
    size: FrameSize,
    padded_size: tuple[int, int],
) -> Tensor:
    """The category of every pixel: int64 ``(T, H, W)`` of the padded input.

    Every pixel has the category with the largest sum over queries of class score, mask quality and
    mask probability.

    Args:
        prediction: of the clip; prompts do not count.
        rows: those of the class list in the model's concept table.
        size: of the frames; the quality of masks is that inside of them.
        padded_size: height H and width W of the network's input with padding.
    """
    count = prediction.num_learnable
    scores = prediction.class_logits[:count, rows].float().sigmoid()  # Q K
    height, width = size.resized
    mask_logits = prediction.mask_logits[:count].float()
    # Frame by frame: there are many queries, and many categories.
    counts = [
        quality_counts(resize_masks(of_frame[None], padded_size)[0, :, :height, :width])
        for of_frame in mask_logits.unbind(1)
    ]
    scores = scores * quality_of(torch.stack(counts).sum(0))[:, None]
    labels = [
        torch.einsum(
            "qk,qhw->khw", scores, resize_masks(of_frame[None], padded_size)[0].sigmoid()
        ).argmax(0)
        for of_frame in mask_logits.unbind(1)
    ]
    return torch.stack(labels)
