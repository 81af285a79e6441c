"""Axis-aligned boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum, unique

import numpy as np
import torch
from torch import Tensor

__all__ = ["BoxMode", "Boxes", "pairwise_intersection", "pairwise_iou"]


@unique
class BoxMode(IntEnum):
    """What the four numbers of a box mean; absolute ones are in pixels."""

    XYXY_ABS = 0
    XYWH_ABS = 1
    XYXY_REL = 2
    XYWH_REL = 3

    @staticmethod
    def convert(
        box: Sequence[float] | np.ndarray | Tensor, from_mode: BoxMode, to_mode: BoxMode
    ) -> Sequence[float] | np.ndarray | Tensor:
        """Convert one box (a list or tuple of 4) or N boxes (an array or tensor ``(N, 4)``).

        Returns:
            the same type as ``box``.

        Raises:
            NotImplementedError: the modes are not two of the absolute ones.
        """
        if from_mode == to_mode:
            return box
        known = {BoxMode.XYXY_ABS, BoxMode.XYWH_ABS}
        if from_mode not in known or to_mode not in known:
            raise NotImplementedError(
                f"Conversion from BoxMode {from_mode} to {to_mode} is not supported yet"
            )
        is_single = isinstance(box, (list, tuple))
        if is_single and len(box) != 4:
            raise ValueError(f"A box has 4 numbers, got {len(box)}.")
        converted = torch.as_tensor(box).clone()
        converted = converted[None] if is_single else converted
        sign = 1 if from_mode == BoxMode.XYWH_ABS else -1
        converted[:, 2:] += sign * converted[:, :2]
        if is_single:
            return type(box)(converted[0].tolist())
        return converted.numpy() if isinstance(box, np.ndarray) else converted


class Boxes:
    """N boxes.

    Attributes:
        tensor: float32 ``(N, 4)``, x0, y0, x1, y1 in pixels.
    """

    def __init__(self, tensor: Tensor | Sequence[Sequence[float]]) -> None:
        tensor = torch.as_tensor(tensor)
        tensor = tensor if tensor.is_floating_point() else tensor.float()
        if tensor.numel() == 0:
            tensor = tensor.reshape(-1, 4).float()
        if tensor.dim() != 2 or tensor.shape[-1] != 4:
            raise ValueError(f"Boxes must have shape (N, 4), got {tuple(tensor.shape)}.")
        self.tensor = tensor.float()

    def clone(self) -> Boxes:
        return Boxes(self.tensor.clone())

    def to(self, device: torch.device | str) -> Boxes:
        return Boxes(self.tensor.to(device=device))

    def area(self) -> Tensor:
        """``(N,)`` square pixels."""
        return (self.tensor[:, 2] - self.tensor[:, 0]) * (self.tensor[:, 3] - self.tensor[:, 1])

    def clip(self, box_size: tuple[int, int]) -> None:
        """Cut the boxes, in place, to an image of (height, width)."""
        if not torch.isfinite(self.tensor).all():
            raise ValueError("Boxes hold infinite or NaN values.")
        height, width = box_size
        limit = self.tensor.new_tensor([width, height, width, height])
        self.tensor = self.tensor.clamp(min=0).minimum(limit)

    def nonempty(self, threshold: float = 0.0) -> Tensor:
        """bool ``(N,)``: both sides are longer than ``threshold``."""
        return (self.tensor[:, 2:] - self.tensor[:, :2] > threshold).all(1)

    def get_centers(self) -> Tensor:
        """``(N, 2)`` x, y."""
        return (self.tensor[:, :2] + self.tensor[:, 2:]) / 2

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Scale the coordinates in place."""
        self.tensor[:, 0::2] *= scale_x
        self.tensor[:, 1::2] *= scale_y

    def __getitem__(self, item: int | slice | Tensor) -> Boxes:
        selected = self.tensor[item]
        return Boxes(selected.view(1, -1) if isinstance(item, int) else selected)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        yield from self.tensor

    def __repr__(self) -> str:
        return f"Boxes({self.tensor})"

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    @classmethod
    def cat(cls, boxes_list: list[Boxes]) -> Boxes:
        if not boxes_list:
            return cls(torch.empty(0))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list]))


def pairwise_intersection(boxes1: Boxes, boxes2: Boxes) -> Tensor:
    """Areas ``(N, M)`` of the intersections of all pairs."""
    a, b = boxes1.tensor[:, None], boxes2.tensor[None]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    return sides.clamp(min=0).prod(-1)


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> Tensor:
    """Intersection over union ``(N, M)`` of all pairs, 0 where they do not meet."""
    intersection = pairwise_intersection(boxes1, boxes2)
    union = boxes1.area()[:, None] + boxes2.area() - intersection
    return torch.where(intersection > 0, intersection / union, torch.zeros_like(intersection))
