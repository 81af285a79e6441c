"""What all meta-architectures share: parts, preprocessing, device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.structures import ImageList
from univs.modeling.losses import SetCriterion


class MaskFormerBase(nn.Module):
    """Backbone, head and criterion, and the normalisation of frames."""

    def __init__(
        self,
        *,
        backbone: nn.Module,
        sem_seg_head: nn.Module,
        criterion: SetCriterion,
        size_divisibility: int,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        """
        Args:
            backbone: Detectron2 backbone.
            sem_seg_head: see :class:`~univs.modeling.meta_arch.MaskFormerHead`.
            criterion: training losses.
            size_divisibility: inputs are padded to multiples of it.
            pixel_mean, pixel_std: of RGB values in 0..255.
        """
        super().__init__()
        self.backbone = backbone
        self.sem_seg_head = sem_seg_head
        self.criterion = criterion
        self.size_divisibility = size_divisibility
        mean, std = torch.tensor(pixel_mean), torch.tensor(pixel_std)
        self.register_buffer("pixel_mean", mean.float().view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", std.float().view(-1, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def preprocess(self, frames: list[Tensor]) -> ImageList:
        """Normalise frames and pad them at the bottom and right to a common size.

        Args:
            frames: RGB ``(3, h, w)`` each, values 0..255.

        Returns:
            ``ImageList`` whose tensor is ``(N, 3, H, W)``; padding has the mean colour.
        """
        normalised = [(x.to(self.device) - self.pixel_mean) / self.pixel_std for x in frames]
        return ImageList.from_tensors(normalised, self.size_divisibility)


def resize_masks(mask_logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize mask logits ``(N, M, h, w)`` bilinearly to ``size`` = (H, W)."""
    return F.interpolate(mask_logits, size=tuple(size), mode="bilinear", align_corners=False)


def common_number_of_frames(samples: list[dict]) -> int:
    """Number of frames, of the list ``image``, that all clips of a batch have.

    Raises:
        ValueError: they differ.
    """
    num_frames = len(samples[0]["image"])
    for sample in samples:
        if len(sample["image"]) != num_frames:
            raise ValueError(
                f"all clips of a batch must have the same number of frames, got {num_frames} "
                f"and {len(sample['image'])} (video {sample.get('video_id', 'unknown')})"
            )
    return num_frames
