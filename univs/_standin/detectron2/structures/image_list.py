"""Images of different sizes in one tensor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ImageList"]


class ImageList:
    """Images padded at the right and at the bottom to a common size.

    Args:
        tensor: ``[N, H, W]`` or ``[N, C, H, W]`` (or more dimensions before H).
        image_sizes: (height, width) of each image without padding.
    """

    def __init__(self, tensor: Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensor = tensor
        self.image_sizes = image_sizes

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, idx: int) -> Tensor:
        """Image ``idx`` without padding, ``[H, W]`` or ``[C, H, W]``."""
        height, width = self.image_sizes[idx]
        return self.tensor[idx, ..., :height, :width]

    def to(self, *args, **kwargs) -> ImageList:
        """The images elsewhere; arguments as of ``torch.Tensor.to``."""
        return ImageList(self.tensor.to(*args, **kwargs), self.image_sizes)

    @property
    def device(self) -> torch.device:
        """Where the tensor lies."""
        return self.tensor.device

    @staticmethod
    def from_tensors(
        tensors: list[Tensor],
        size_divisibility: int = 0,
        pad_value: float = 0.0,
        padding_constraints: dict[str, int] | None = None,
    ) -> ImageList:
        """Pad images to the largest height and width among them, and pack them.

        Args:
            tensors: at least one image ``[H, W]`` or ``[C, H, W]``, equal in all but H and W.
            size_divisibility: the padded height and width are multiples of it, if above 1.
            pad_value: value of the padding.
            padding_constraints: ``size_divisibility``, which replaces the argument, and
                ``square_size``: height and width of the padded images, if above 0.
        """
        assert isinstance(tensors, (tuple, list)) and len(tensors) > 0
        for tensor in tensors:
            assert isinstance(tensor, Tensor), f"not a tensor: {type(tensor).__name__}"
            assert tensor.shape[:-2] == tensors[0].shape[:-2], "images differ in their channels"

        image_sizes = [(int(tensor.shape[-2]), int(tensor.shape[-1])) for tensor in tensors]
        height, width = (max(sizes) for sizes in zip(*image_sizes, strict=True))
        if padding_constraints is not None:
            square_size = padding_constraints.get("square_size", 0)
            if square_size > 0:
                height = width = square_size
            size_divisibility = padding_constraints.get("size_divisibility", size_divisibility)
        if size_divisibility > 1:
            height = -(-height // size_divisibility) * size_divisibility
            width = -(-width // size_divisibility) * size_divisibility

        if len(tensors) == 1:
            padding = (0, width - image_sizes[0][1], 0, height - image_sizes[0][0])
            batch = F.pad(tensors[0], padding, value=pad_value).unsqueeze(0)
        else:
            batch = tensors[0].new_full(
                (len(tensors), *tensors[0].shape[:-2], height, width), pad_value
            )
            for slot, tensor, (h, w) in zip(batch, tensors, image_sizes, strict=True):
                slot[..., :h, :w].copy_(tensor)
        return ImageList(batch.contiguous(), image_sizes)
