"""What to segment: a list of categories, or one object given by a mask, a box, points or a text.

Coordinates are pixels of the frame as the user gave it, before any resizing: x to the right, y
down, (0, 0) is the outer corner of the top left pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False, kw_only=True)
class Target:
    """What every kind of target has; make one of its subclasses.

    Attributes:
        id: names the target within its video; 1 or more, because 0 is the background of id maps.
        frame_index: the frame of the video that it is given in; segmentation starts there.
    """

    id: int
    frame_index: int = 0

    def __post_init__(self) -> None:
        if type(self) is Target:
            raise TypeError(
                "Make a CategoryTarget, MaskTarget, BoxTarget, PointTarget or TextTarget."
            )
        if self.id < 1:
            raise ValueError(
                f"A target's id must be 1 or more (0 is background), but is {self.id}."
            )
        if self.frame_index < 0:
            raise ValueError(f"A target's frame index must not be negative: {self.frame_index}.")


@dataclass(frozen=True, eq=False, kw_only=True)
class CategoryTarget(Target):
    """Everything that belongs to one of the given categories.

    Attributes:
        categories: 0-based contiguous category indices of the model's class list, without repeats.
    """

    categories: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        categories = tuple(int(category) for category in self.categories)
        if any(category < 0 for category in categories):
            raise ValueError(f"Category indices must not be negative: {list(categories)}.")
        if len(set(categories)) != len(categories):
            raise ValueError(f"A category is listed twice: {list(categories)}.")
        object.__setattr__(self, "categories", categories)


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskTarget(Target):
    """One object, or one stuff region, given by its mask.

    Attributes:
        mask: [H, W] bool at the size of the frame. May be empty: such an object is not visible.
        category: 0-based contiguous category of the model's class list, or None if it is not known.
            Only panoptic video object segmentation looks at it.
    """

    mask: np.ndarray = field(repr=False)
    category: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.category is not None and self.category < 0:
            raise ValueError(f"The category of target {self.id} is negative: {self.category}.")
        mask = np.asarray(self.mask)
        if mask.ndim != 2 or 0 in mask.shape:
            raise ValueError(f"The mask of target {self.id} must be [H, W]: {list(mask.shape)}.")
        if mask.dtype != bool:
            raise ValueError(f"The mask of target {self.id} must be bool, but is {mask.dtype}.")
        object.__setattr__(self, "mask", mask)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frame."""
        return self.mask.shape


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxTarget(Target):
    """One object, given by the box around it.

    Attributes:
        box: [4] float32: x0, y0, x1, y1 of the top left and bottom right corner, in pixels.
    """

    box: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        box = np.asarray(self.box, dtype=np.float32)
        if box.shape != (4,) or not np.isfinite(box).all():
            raise ValueError(
                f"The box of target {self.id} must be four finite numbers: {self.box}."
            )
        if box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError(
                f"The box of target {self.id} must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, "
                f"but is {box.tolist()}."
            )
        object.__setattr__(self, "box", box)


@dataclass(frozen=True, eq=False, kw_only=True)
class PointTarget(Target):
    """One object, given by points inside it and, if wanted, points outside it.

    Attributes:
        points: [N, 2] float32: x, y in pixels, N >= 1.
        is_inside: [N] bool: False marks a point that does not belong to the object. All True if
            left out; at least one must be.
    """

    points: np.ndarray
    is_inside: np.ndarray | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        points = np.asarray(self.points, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
            raise ValueError(
                f"The points of target {self.id} must be [N, 2] with N >= 1: {list(points.shape)}."
            )
        if not np.isfinite(points).all():
            raise ValueError(f"The points of target {self.id} must be finite: {points.tolist()}.")
        inside = (
            np.ones(len(points), bool) if self.is_inside is None else np.asarray(self.is_inside)
        )
        if inside.shape != (len(points),) or inside.dtype != bool:
            raise ValueError(f"Target {self.id} needs one True or False for each of its points.")
        if not inside.any():
            raise ValueError(f"Target {self.id} needs at least one point inside the object.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "is_inside", inside)


@dataclass(frozen=True, eq=False, kw_only=True)
class TextTarget(Target):
    """What an expression refers to.

    Attributes:
        text: the expression, not blank.
    """

    text: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.text.strip():
            raise ValueError(f"The text of target {self.id} is blank.")
