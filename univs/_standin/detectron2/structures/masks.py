"""Masks of the objects of one image, as bitmaps or polygons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pycocotools.mask as mask_util
import torch
from torch import Tensor

from detectron2.structures.boxes import Boxes

__all__ = ["BitMasks", "PolygonMasks", "polygons_to_bitmask"]


def polygons_to_bitmask(polygons: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """The union of polygons ``[x0, y0, x1, y1, ...]`` as bool ``(height, width)``."""
    if len(polygons) == 0:
        return np.zeros((height, width), dtype=bool)
    runs = mask_util.frPyObjects([np.asarray(polygon) for polygon in polygons], height, width)
    return mask_util.decode(mask_util.merge(runs)).astype(bool)


class BitMasks:
    """N masks as bitmaps.

    Attributes:
        tensor: bool ``(N, H, W)``.
        image_size: (H, W).
    """

    def __init__(self, tensor: Tensor | np.ndarray) -> None:
        tensor = torch.as_tensor(tensor)
        if tensor.dim() != 3:
            raise AssertionError(f"Masks must have shape (N, H, W), got {tuple(tensor.shape)}.")
        self.tensor = tensor.to(torch.bool)
        self.image_size = tuple(self.tensor.shape[1:])

    def to(self, *args, **kwargs) -> BitMasks:
        return BitMasks(self.tensor.to(*args, **kwargs))

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def __getitem__(self, item: int | slice | Tensor) -> BitMasks:
        selected = self.tensor[item]
        return BitMasks(selected.unsqueeze(0) if isinstance(item, int) else selected)

    def __iter__(self) -> Iterator[Tensor]:
        yield from self.tensor

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __repr__(self) -> str:
        return f"BitMasks(num_instances={len(self)})"

    def nonempty(self) -> Tensor:
        """bool ``(N,)``."""
        return self.tensor.flatten(1).any(dim=1)

    @staticmethod
    def from_polygon_masks(
        polygon_masks: PolygonMasks | list[list[np.ndarray]], height: int, width: int
    ) -> BitMasks:
        """Draw the polygons of each object."""
        objects = getattr(polygon_masks, "polygons", polygon_masks)
        masks = [polygons_to_bitmask(polygons, height, width) for polygons in objects]
        if not masks:
            return BitMasks(torch.zeros(0, height, width, dtype=torch.bool))
        return BitMasks(torch.from_numpy(np.stack(masks)))

    def get_bounding_boxes(self) -> Boxes:
        """Tight boxes; all zeros for an empty mask."""
        boxes = torch.zeros(len(self), 4, dtype=torch.float32)
        if self.tensor.numel():
            for axis, first, last in ((1, 0, 2), (2, 1, 3)):
                occupied = self.tensor.any(dim=axis).to(torch.uint8)  # N (W or H)
                length = occupied.shape[1]
                boxes[:, first] = occupied.argmax(1).float().cpu()
                boxes[:, last] = (length - occupied.flip(1).argmax(1)).float().cpu()
            boxes[~self.nonempty().cpu()] = 0
        return Boxes(boxes)

    @staticmethod
    def cat(bitmasks_list: list[BitMasks]) -> BitMasks:
        return BitMasks(torch.cat([masks.tensor for masks in bitmasks_list]))


class PolygonMasks:
    """N masks, each a list of polygons ``[x0, y0, x1, y1, ...]`` in pixels.

    Attributes:
        polygons: list over objects of lists of float64 arrays.
    """

    def __init__(self, polygons: list[list[Tensor | np.ndarray | Sequence[float]]]) -> None:
        if not isinstance(polygons, list):
            raise ValueError(f"Cannot create PolygonMasks: expected a list, got {type(polygons)}")
        self.polygons = [
            [_checked_polygon(polygon) for polygon in polygons_of_object]
            for polygons_of_object in polygons
        ]

    def to(self, *args, **kwargs) -> PolygonMasks:
        return self

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def get_bounding_boxes(self) -> Boxes:
        """Tight boxes around all polygons of each object."""
        boxes = torch.zeros(len(self), 4)
        for index, polygons in enumerate(self.polygons):
            if polygons:
                points = np.concatenate([polygon.reshape(-1, 2) for polygon in polygons])
                corners = np.concatenate((points.min(0), points.max(0)))
                boxes[index] = torch.from_numpy(corners.astype(np.float32))
        return Boxes(boxes)

    def nonempty(self) -> Tensor:
        """bool ``(N,)``: the object has a polygon."""
        return torch.tensor([len(polygons) > 0 for polygons in self.polygons], dtype=torch.bool)

    def area(self) -> Tensor:
        """``(N,)`` areas by the shoelace formula."""
        return torch.tensor([sum(map(_polygon_area, polygons)) for polygons in self.polygons])

    def __getitem__(self, item: int | slice | list[int] | Tensor) -> PolygonMasks:
        if isinstance(item, int):
            return PolygonMasks([self.polygons[item]])
        if isinstance(item, slice):
            return PolygonMasks(self.polygons[item])
        index = torch.as_tensor(item)
        index = index.nonzero().flatten() if index.dtype == torch.bool else index
        return PolygonMasks([self.polygons[i] for i in index.tolist()])

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        return iter(self.polygons)

    def __len__(self) -> int:
        return len(self.polygons)

    def __repr__(self) -> str:
        return f"PolygonMasks(num_instances={len(self)})"

    @staticmethod
    def cat(polymasks_list: list[PolygonMasks]) -> PolygonMasks:
        return PolygonMasks([polygons for masks in polymasks_list for polygons in masks.polygons])


def _checked_polygon(polygon: Tensor | np.ndarray | Sequence[float]) -> np.ndarray:
    polygon = polygon.cpu().numpy() if isinstance(polygon, Tensor) else np.asarray(polygon)
    if len(polygon) % 2 or len(polygon) < 6:
        raise ValueError(f"Cannot create a polygon from {len(polygon)} coordinates.")
    return polygon.astype("float64")


def _polygon_area(polygon: np.ndarray) -> float:
    x, y = polygon[0::2], polygon[1::2]
    return 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
