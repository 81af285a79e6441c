"""Axis-aligned boxes.

Coordinates are continuous: the pixel in column x and row y covers [x, x + 1) x [y, y + 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, unique
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = ["BoxMode", "Boxes", "pairwise_intersection", "pairwise_ioa", "pairwise_iou"]

_Box = TypeVar("_Box", list, tuple, np.ndarray, Tensor)


@unique
class BoxMode(IntEnum):
    """How the numbers of a box are to be read. The values are stored in data sets."""

    XYXY_ABS = 0
    """(x0, y0, x1, y1) in pixels."""
    XYWH_ABS = 1
    """(x0, y0, width, height) in pixels."""
    XYXY_REL = 2
    """As XYXY_ABS, in fractions of the image. Cannot be converted."""
    XYWH_REL = 3
    """As XYWH_ABS, in fractions of the image. Cannot be converted."""
    XYWHA_ABS = 4
    """(centre x, centre y, width, height, angle) in pixels and degrees, counter-clockwise."""

    @staticmethod
    def convert(box: _Box, from_mode: BoxMode, to_mode: BoxMode) -> _Box:
        """Convert one box or many.

        Args:
            box: a list or tuple of 4 numbers (5 for XYWHA_ABS), or an array or tensor ``[N, 4]``.
            from_mode: of ``box``.
            to_mode: of the result. A rotated box becomes the box around it.

        Returns:
            The converted boxes, of the same type and shape.

        Raises:
            NotImplementedError: there is no such conversion.
        """
        if from_mode == to_mode:
            return box
        size = 5 if from_mode == BoxMode.XYWHA_ABS else 4
        if isinstance(box, (list, tuple)):
            assert len(box) == size, f"{BoxMode(from_mode).name} has {size} numbers: {box}"
            converted = torch.tensor(box, dtype=torch.float64)[None, :]
        else:
            converted = torch.as_tensor(box).clone()
            assert converted.shape[-1] == size, (
                f"{BoxMode(from_mode).name} needs shape [N, {size}], not {tuple(box.shape)}"
            )

        pair = (from_mode, to_mode)
        if pair == (BoxMode.XYWH_ABS, BoxMode.XYXY_ABS):
            converted[..., 2:] += converted[..., :2]
        elif pair == (BoxMode.XYXY_ABS, BoxMode.XYWH_ABS):
            converted[..., 2:] -= converted[..., :2]
        elif pair == (BoxMode.XYWHA_ABS, BoxMode.XYXY_ABS):
            converted = _around_rotated(converted)
        else:
            raise NotImplementedError(
                f"Boxes cannot be converted from {BoxMode(from_mode).name} to "
                f"{BoxMode(to_mode).name}"
            )

        if isinstance(box, (list, tuple)):
            return type(box)(converted.flatten().tolist())
        return converted.numpy() if isinstance(box, np.ndarray) else converted


def _around_rotated(boxes: Tensor) -> Tensor:
    """Boxes ``[..., 5]`` in XYWHA_ABS -> ``[..., 4]`` in XYXY_ABS, of the same dtype."""
    centre, size, angle = boxes.double().split([2, 2, 1], dim=-1)
    cosine, sine = torch.deg2rad(angle).cos().abs(), torch.deg2rad(angle).sin().abs()
    half = (cosine * size + sine * size.flip(-1)) / 2
    return torch.cat([centre - half, centre + half], dim=-1).to(boxes.dtype)


class Boxes:
    """A set of boxes (x0, y0, x1, y1).

    Args:
        tensor: ``[N, 4]``, or anything that ``torch.as_tensor`` makes one of float32 from.

    Attributes:
        tensor: ``[N, 4]``.
    """

    def __init__(self, tensor: Tensor) -> None:
        if not isinstance(tensor, Tensor):
            tensor = torch.as_tensor(tensor, dtype=torch.float32, device="cpu")
        else:
            tensor = tensor.to(torch.float32)
        if tensor.numel() == 0:
            tensor = tensor.reshape((-1, 4))
        assert tensor.dim() == 2 and tensor.size(-1) == 4, (
            f"boxes have shape [N, 4], not {tuple(tensor.shape)}"
        )
        self.tensor = tensor

    def clone(self) -> Boxes:
        """A copy with its own memory."""
        return Boxes(self.tensor.clone())

    def to(self, device: torch.device) -> Boxes:
        """The boxes on another device."""
        return Boxes(self.tensor.to(device=device))

    def area(self) -> Tensor:
        """``[N]`` areas."""
        size = self.tensor[:, 2:] - self.tensor[:, :2]
        return size[:, 0] * size[:, 1]

    def clip(self, box_size: tuple[int, int]) -> None:
        """Clip in place to an image of (height, width) ``box_size``."""
        assert torch.isfinite(self.tensor).all(), "boxes have infinite or NaN coordinates"
        height, width = box_size
        x = self.tensor[:, 0::2].clamp(min=0, max=width)
        y = self.tensor[:, 1::2].clamp(min=0, max=height)
        self.tensor = torch.stack([x, y], dim=-1).flatten(1)  # [N, 2, 2] -> [N, 4]

    def nonempty(self, threshold: float = 0.0) -> Tensor:
        """``[N]`` bool: both sides are longer than ``threshold``."""
        return ((self.tensor[:, 2:] - self.tensor[:, :2]) > threshold).all(dim=1)

    def __getitem__(self, item: int | slice | Tensor) -> Boxes:
        """The boxes that ``item`` selects, as a view where torch makes one. An int selects one."""
        if isinstance(item, int):
            return Boxes(self.tensor[item].view(1, -1))
        selected = self.tensor[item]
        assert selected.dim() == 2, f"indexing Boxes with {item} leaves no [N, 4] tensor"
        return Boxes(selected)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __repr__(self) -> str:
        return f"Boxes({self.tensor})"

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> Tensor:
        """``[N]`` bool: within an image of (height, width) ``box_size``, or beyond it by less than
        ``boundary_threshold`` pixels."""
        height, width = box_size
        limit = self.tensor.new_tensor([width, height]) + boundary_threshold
        return (self.tensor[:, :2] >= -boundary_threshold).all(1) & (
            self.tensor[:, 2:] < limit
        ).all(1)

    def get_centers(self) -> Tensor:
        """``[N, 2]`` centres (x, y)."""
        return (self.tensor[:, :2] + self.tensor[:, 2:]) / 2

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Multiply the coordinates in place."""
        self.tensor[:, 0::2] *= scale_x
        self.tensor[:, 1::2] *= scale_y

    @classmethod
    def cat(cls, boxes_list: list[Boxes]) -> Boxes:
        """All boxes of a list, in order."""
        assert isinstance(boxes_list, (list, tuple))
        assert all(isinstance(boxes, Boxes) for boxes in boxes_list)
        if len(boxes_list) == 0:
            return cls(torch.empty(0))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list], dim=0))

    @property
    def device(self) -> torch.device:
        """Where the tensor lies."""
        return self.tensor.device

    def __iter__(self) -> Iterator[Tensor]:
        """Each box as a tensor ``[4]``."""
        yield from self.tensor


def pairwise_intersection(boxes1: Boxes, boxes2: Boxes) -> Tensor:
    """``[N, M]`` areas that each of N boxes shares with each of M boxes."""
    a, b = boxes1.tensor[:, None], boxes2.tensor
    size = torch.min(a[..., 2:], b[:, 2:]) - torch.max(a[..., :2], b[:, :2])  # [N, M, 2]
    return size.clamp_(min=0).prod(dim=2)


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> Tensor:
    """``[N, M]`` intersections over unions; 0 where two boxes do not meet."""
    intersection = pairwise_intersection(boxes1, boxes2)
    union = boxes1.area()[:, None] + boxes2.area() - intersection
    return torch.where(intersection > 0, intersection / union, intersection.new_zeros(()))


def pairwise_ioa(boxes1: Boxes, boxes2: Boxes) -> Tensor:
    """``[N, M]`` intersections over the areas of the M boxes; 0 where two boxes do not meet."""
    intersection = pairwise_intersection(boxes1, boxes2)
    return torch.where(intersection > 0, intersection / boxes2.area(), intersection.new_zeros(()))
