"""Ground truth as the losses want it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class ClipTargets:
    """The N objects of one clip of T frames (an image is a clip of one frame).

    Attributes:
        labels: int64 ``(N,)``, contiguous class of each object.
        masks: bool ``(N, T, H, W)`` at the padded input size; empty where an object is absent.
        ids: int64 ``(N, T)``, the identity of each object, -1 in frames in which it is absent; None
            where identities play no role.
    """

    labels: Tensor
    masks: Tensor
    ids: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def frame(self, index: int) -> ClipTargets:
        """The objects that are visible in frame ``index``, as a clip of that frame."""
        visible = self.ids[:, index] >= 0
        frame = slice(index, index + 1)
        return ClipTargets(
            labels=self.labels[visible],
            masks=self.masks[visible, frame],
            ids=self.ids[visible, frame],
        )

    def frames(self, start: int, stop: int) -> ClipTargets:
        """All objects in frames ``start`` to ``stop``, also those that are absent there."""
        return ClipTargets(
            labels=self.labels, masks=self.masks[:, start:stop], ids=self.ids[:, start:stop]
        )


def mask_tensor(masks: object) -> Tensor:
    """The tensor ``(N, H, W)`` in a Detectron2 ``BitMasks``, or the tensor itself."""
    return getattr(masks, "tensor", masks)


def image_targets(instances: object, size: tuple[int, int]) -> ClipTargets:
    """Targets of one image, zero padded to ``size`` = (H, W).

    Args:
        instances: Detectron2 ``Instances`` with ``gt_classes`` and ``gt_masks``.
        size: padded height and width of the batch.
    """
    masks = pad_masks(mask_tensor(instances.gt_masks), size)
    return ClipTargets(labels=instances.gt_classes, masks=masks[:, None])


def clip_targets(frames: list, size: tuple[int, int]) -> ClipTargets:
    """Targets of one clip; objects that no frame shows are dropped.

    Args:
        frames: ``Instances`` of each frame with ``gt_classes``, ``gt_masks`` and ``gt_ids``; row n
            is the same object in every frame, with ``gt_ids`` -1 where it is absent.
        size: padded height and width of the batch.
    """
    ids = torch.stack([frame.gt_ids for frame in frames], dim=1)  # N T
    classes = torch.stack([frame.gt_classes for frame in frames], dim=1)  # N T
    masks = [pad_masks(mask_tensor(frame.gt_masks), size) for frame in frames]
    masks = torch.stack(masks, dim=1) & (ids != -1)[..., None, None]  # N T H W
    ids = torch.where(masks.flatten(2).any(2), ids, -1)
    visible = (ids != -1).any(1)
    # Absent frames may carry class -1, so the maximum is the class.
    labels = classes[visible].amax(1)
    return ClipTargets(labels=labels, masks=masks[visible], ids=ids[visible])


def pad_masks(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Zero pad ``(N, h, w)`` at the bottom and right to bool ``(N, H, W)``."""
    height, width = masks.shape[-2:]
    return F.pad(masks.bool(), (0, size[1] - width, 0, size[0] - height))
