"""From a frame as the user has it to the network's input, and from mask logits back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from detectron2.data import transforms as T


class FrameSize:
    """The sizes a frame goes through: original, resized, padded.

    Attributes:
        original: height and width of the frame as given, and of all results.
        resized: height and width of the network's input, without padding.
    """

    def __init__(self, original: tuple[int, int], *, min_size: int, max_size: int) -> None:
        """
        Args:
            original: height and width of the frame in pixels.
            min_size: shorter side of the network's input, 0 to keep the original size.
            max_size: upper limit of the longer side.
        """
        self.original = original
        resize = T.ResizeShortestEdge(min_size, max_size, "choice")
        self._transform = resize.get_transform(np.zeros((*original, 3), dtype=np.uint8))
        height = getattr(self._transform, "new_h", original[0])
        width = getattr(self._transform, "new_w", original[1])
        self.resized = (height, width)

    def resize(self, frame: np.ndarray) -> Tensor:
        """RGB uint8 ``(H, W, 3)`` -> uint8 ``(3, h, w)``."""
        resized = self._transform.apply_image(frame)
        return torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))

    def upsample(self, mask_logits: Tensor, stride: int = 4) -> Tensor:
        """Mask logits ``(M, h', w')`` of the padded input -> ``(M, h, w)`` of the network's input.

        The padded size is ``stride`` times the size of the logits.
        """
        padded = [stride * size for size in mask_logits.shape[-2:]]
        height, width = self.resized
        return _bilinear(mask_logits, padded)[:, :height, :width]

    def restore(self, mask_logits: Tensor, stride: int = 4) -> Tensor:
        """Mask logits ``(M, h', w')`` of the padded input -> ``(M, H, W)`` of the frame."""
        return self.to_original(self.upsample(mask_logits, stride))

    def to_original(self, maps: Tensor) -> Tensor:
        """``(M, h, w)`` of the network's input -> ``(M, H, W)`` of the original frame."""
        return _bilinear(maps, self.original)


def _bilinear(maps: Tensor, size: list[int] | tuple[int, int]) -> Tensor:
    # Masks are the batch, which may be empty.
    resized = F.interpolate(maps[:, None], size=tuple(size), mode="bilinear", align_corners=False)
    return resized[:, 0]
