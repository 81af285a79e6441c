"""Sets of masks, as bitmaps or as polygons."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pycocotools.mask as mask_util
import torch
from torch import Tensor

from detectron2.structures.boxes import Boxes

__all__ = ["BitMasks", "PolygonMasks", "polygons_to_bitmask"]


def polygons_to_bitmask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Rasterise the union of polygons as COCO does.

    Args:
        polygons: each ``[x0, y0, x1, y1, ...]`` in pixels.
        height: of the bitmap.
        width: of the bitmap.

    Returns:
        ``[height, width]`` bool; all False without polygons.
    """
    if len(polygons) == 0:
        return np.zeros((height, width), dtype=bool)
    run_lengths = mask_util.frPyObjects([np.asarray(p).tolist() for p in polygons], height, width)
    return mask_util.decode(mask_util.merge(run_lengths)).astype(bool)


class BitMasks:
    """Masks of the same size.

    Args:
        tensor: ``[N, H, W]``, converted to bool.

    Attributes:
        tensor: ``[N, H, W]`` bool.
        image_size: (H, W).
    """

    def __init__(self, tensor: Tensor | np.ndarray) -> None:
        if isinstance(tensor, Tensor):
            tensor = tensor.to(torch.bool)
        else:
            tensor = torch.as_tensor(tensor, dtype=torch.bool, device="cpu")
        assert tensor.dim() == 3, f"bitmasks have shape [N, H, W], not {tuple(tensor.shape)}"
        self.image_size = tuple(tensor.shape[1:])
        self.tensor = tensor

    def to(self, *args, **kwargs) -> BitMasks:
        """The masks elsewhere; arguments as of ``torch.Tensor.to``."""
        return BitMasks(self.tensor.to(*args, **kwargs))

    @property
    def device(self) -> torch.device:
        """Where the tensor lies."""
        return self.tensor.device

    def __getitem__(self, item: int | slice | Tensor) -> BitMasks:
        """The masks that ``item`` selects, as a view where torch makes one. An int selects one."""
        if isinstance(item, int):
            return BitMasks(self.tensor[item].unsqueeze(0))
        selected = self.tensor[item]
        assert selected.dim() == 3, f"indexing BitMasks with {item} leaves no [N, H, W] tensor"
        return BitMasks(selected)

    def __iter__(self) -> Iterator[Tensor]:
        """Each mask as a tensor ``[H, W]``."""
        yield from self.tensor

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_instances={len(self.tensor)})"

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def nonempty(self) -> Tensor:
        """``[N]`` bool: the mask has a pixel."""
        return self.tensor.flatten(1).any(dim=1)

    @staticmethod
    def from_polygon_masks(
        polygon_masks: PolygonMasks | list[list[np.ndarray]], height: int, width: int
    ) -> BitMasks:
        """Rasterise each instance's polygons; see :func:`polygons_to_bitmask`."""
        if isinstance(polygon_masks, PolygonMasks):
            polygon_masks = polygon_masks.polygons
        masks = [polygons_to_bitmask(polygons, height, width) for polygons in polygon_masks]
        if not masks:
            return BitMasks(torch.empty(0, height, width, dtype=torch.bool))
        return BitMasks(torch.from_numpy(np.stack(masks)))

    def get_bounding_boxes(self) -> Boxes:
        """The tightest box around each mask; zeros for an empty one.

        The right and lower edges lie behind the last pixel, so a pixel has a box of area 1.
        """
        boxes = torch.zeros(len(self), 4, dtype=torch.float32, device=self.device)
        if self.tensor.numel() == 0:
            return Boxes(boxes)
        for axis, occupied in enumerate((self.tensor.any(dim=1), self.tensor.any(dim=2))):
            occupied = occupied.to(
                torch.uint8
            )  # columns [N, W], then rows [N, H]; bool has no argmax
            boxes[:, axis] = occupied.argmax(dim=1)
            boxes[:, axis + 2] = occupied.shape[1] - occupied.flip(1).argmax(dim=1)
        boxes[~self.nonempty()] = 0
        return Boxes(boxes)

    @staticmethod
    def cat(bitmasks_list: list[BitMasks]) -> BitMasks:
        """All masks of a list that is not empty, in order."""
        assert isinstance(bitmasks_list, (list, tuple))
        assert len(bitmasks_list) > 0
        assert all(isinstance(masks, BitMasks) for masks in bitmasks_list)
        return BitMasks(torch.cat([masks.tensor for masks in bitmasks_list], dim=0))


class PolygonMasks:
    """Masks given by polygons.

    Args:
        polygons: for each instance a list of polygons ``[x0, y0, x1, y1, ...]`` in pixels.

    Attributes:
        polygons: the same as float64 arrays.
    """

    def __init__(self, polygons: list[list[Tensor | np.ndarray | list[float]]]) -> None:
        if not isinstance(polygons, list):
            raise ValueError(
                f"PolygonMasks needs a list of polygons per instance, not {type(polygons).__name__}"
            )
        self.polygons = [self._checked(instance) for instance in polygons]

    @staticmethod
    def _checked(instance: list) -> list[np.ndarray]:
        if not isinstance(instance, list):
            raise ValueError(
                "PolygonMasks needs a list of polygons per instance, got "
                f"{type(instance).__name__} for one of them"
            )
        arrays = []
        for polygon in instance:
            polygon = polygon.cpu().numpy() if isinstance(polygon, Tensor) else polygon
            array = np.asarray(polygon, dtype=np.float64)
            if array.ndim != 1 or len(array) % 2 != 0 or len(array) < 6:
                raise ValueError(
                    f"A polygon needs at least 3 points as [x0, y0, x1, y1, ...], got an array of "
                    f"shape {array.shape}"
                )
            arrays.append(array)
        return arrays

    def to(self, *args, **kwargs) -> PolygonMasks:
        """The masks themselves: polygons stay on the CPU."""
        return self

    @property
    def device(self) -> torch.device:
        """Always the CPU."""
        return torch.device("cpu")

    def get_bounding_boxes(self) -> Boxes:
        """The tightest box around the polygons of each instance; zeros without a polygon."""
        boxes = torch.zeros(len(self), 4, dtype=torch.float32)
        for box, polygons in zip(boxes, self.polygons, strict=True):
            if polygons:
                points = torch.from_numpy(np.concatenate(polygons).reshape(-1, 2)).float()
                box[:2], box[2:] = points.amin(dim=0), points.amax(dim=0)
        return Boxes(boxes)

    def nonempty(self) -> Tensor:
        """``[N]`` bool: the instance has a polygon."""
        return torch.tensor([len(polygons) > 0 for polygons in self.polygons], dtype=torch.bool)

    def __getitem__(self, item: int | slice | list[int] | Tensor | np.ndarray) -> PolygonMasks:
        """The instances that ``item`` selects; polygons are shared. An int selects one."""
        if isinstance(item, int):
            selected = [self.polygons[item]]
        elif isinstance(item, slice):
            selected = self.polygons[item]
        else:
            indices = np.arange(len(self))[torch.as_tensor(item).cpu().numpy()] if len(item) else []
            selected = [self.polygons[index] for index in indices]
        return PolygonMasks(selected)

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """The list of polygons of each instance."""
        return iter(self.polygons)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_instances={len(self.polygons)})"

    def __len__(self) -> int:
        return len(self.polygons)

    def area(self) -> Tensor:
        """``[N]`` areas: of each instance, the sum over its polygons (shoelace formula)."""
        areas = [sum(map(_polygon_area, polygons)) for polygons in self.polygons]
        return torch.tensor(areas, dtype=torch.float64)

    @staticmethod
    def cat(polymasks_list: list[PolygonMasks]) -> PolygonMasks:
        """All instances of a list that is not empty, in order."""
        assert isinstance(polymasks_list, (list, tuple))
        assert len(polymasks_list) > 0
        assert all(isinstance(masks, PolygonMasks) for masks in polymasks_list)
        return PolygonMasks([polygons for masks in polymasks_list for polygons in masks.polygons])


def _polygon_area(polygon: np.ndarray) -> float:
    x, y = polygon[0::2], polygon[1::2]
    return 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
