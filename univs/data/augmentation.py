"""Augmentations of clips: values are drawn once per clip, or once per frame where it says so.

An augmentation draws one transform per frame; nothing is kept from clip to clip. A pipeline is a
sequence of augmentations, each of which sees the frame sizes that the one before leaves behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np

from detectron2.data import transforms as T

Size = tuple[int, int]  # height, width


class ClipAugmentation(ABC):
    """Draws one geometric transform for every frame of a clip."""

    @abstractmethod
    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        """Draw transforms.

        Args:
            sizes: height and width of each frame.
            random: where random values come from.

        Returns:
            one transform per frame.
        """


def draw_transforms(
    augmentations: Sequence[ClipAugmentation],
    sizes: Sequence[Size],
    random: np.random.Generator,
) -> list[list[T.Transform]]:
    """Draw the transforms of a clip.

    Args:
        augmentations: the pipeline.
        sizes: height and width of each frame.
        random: where random values come from.

    Returns:
        per frame, the transforms to apply in order.
    """
    sizes = list(sizes)
    drawn: list[list[T.Transform]] = [[] for _ in sizes]
    for augmentation in augmentations:
        for frame, transform in enumerate(augmentation.draw(sizes, random)):
            parts = transform.transforms if isinstance(transform, T.TransformList) else [transform]
            drawn[frame] += parts
            for part in parts:
                sizes[frame] = size_after(part, sizes[frame])
    return drawn


def size_after(transform: T.Transform, size: Size) -> Size:
    """Height and width of a frame of ``size`` after ``transform``."""
    if isinstance(transform, T.ResizeTransform):
        return transform.new_h, transform.new_w
    if isinstance(transform, T.CropTransform):
        return min(transform.h, size[0] - transform.y0), min(transform.w, size[1] - transform.x0)
    if isinstance(transform, T.PadTransform):
        return size[0] + transform.y0 + transform.y1, size[1] + transform.x0 + transform.x1
    if isinstance(transform, T.RotationTransform):
        return transform.bound_h, transform.bound_w
    return size


def shortest_edge_size(size: Size, shortest: int, longest: int) -> Size:
    """Size with the shorter side ``shortest``, or less so that the longer is at most ``longest``.

    The ratio is kept up to rounding to the nearest integer, as in Detectron2.
    """
    height, width = size
    scale = shortest / min(height, width)
    if height < width:
        new_height, new_width = float(shortest), scale * width
    else:
        new_height, new_width = scale * height, float(shortest)
    if max(new_height, new_width) > longest:
        scale = longest / max(new_height, new_width)
        new_height, new_width = new_height * scale, new_width * scale
    return int(new_height + 0.5), int(new_width + 0.5)


class ResizeShortestEdge(ClipAugmentation):
    """Scales the shorter side to a random length.

    Args:
        shortest: lengths to choose from, or the two ends of a range (inclusive); a length of 0
            keeps the size.
        longest: upper bound of the longer side.
        is_range: take ``shortest`` as a range.
        per_clip: one length for all frames; otherwise one per frame.
    """

    def __init__(
        self,
        *,
        shortest: Sequence[int],
        longest: int,
        is_range: bool = False,
        per_clip: bool = True,
    ) -> None:
        if is_range and len(shortest) != 2:
            raise ValueError(f"A range of shortest edges needs two numbers, got {tuple(shortest)}.")
        self.shortest = tuple(shortest)
        self.longest = longest
        self.is_range = is_range
        self.per_clip = per_clip

    def _draw_length(self, random: np.random.Generator) -> int:
        if self.is_range:
            return int(random.integers(self.shortest[0], self.shortest[1] + 1))
        return self.shortest[int(random.integers(len(self.shortest)))]

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        draws = 1 if self.per_clip else len(sizes)
        lengths = [self._draw_length(random) for _ in range(draws)]
        if self.per_clip:
            lengths *= len(sizes)
        return [
            _resize(size, length, self.longest) for size, length in zip(sizes, lengths, strict=True)
        ]


def _resize(size: Size, shortest: int, longest: int) -> T.Transform:
    if shortest == 0:
        return T.NoOpTransform()
    return T.ResizeTransform(*size, *shortest_edge_size(size, shortest, longest))


class Flip(ClipAugmentation):
    """Mirrors with a probability.

    Args:
        probability: of mirroring.
        is_vertical: upside down instead of left to right.
        per_clip: all frames or none; otherwise decided for every frame.
    """

    def __init__(
        self, *, probability: float = 0.5, is_vertical: bool = False, per_clip: bool = True
    ) -> None:
        self.probability = probability
        self.is_vertical = is_vertical
        self.per_clip = per_clip

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        draws = random.random(1 if self.per_clip else len(sizes)) < self.probability
        return [
            (T.VFlipTransform(height) if self.is_vertical else T.HFlipTransform(width))
            if flipped
            else T.NoOpTransform()
            for (height, width), flipped in zip(
                sizes, np.broadcast_to(draws, len(sizes)), strict=True
            )
        ]


class MovingCrop(ClipAugmentation):
    """Crops a window of constant size that moves through the clip, as a camera would.

    Its height and width are drawn from a range once per clip. The window moves on a straight line
    between two random positions, by random steps, forwards or backwards (as published in VITA).

    Args:
        smallest: lower bound of height and width.
        largest: upper bound; frames that are smaller are cropped less.
    """

    def __init__(self, *, smallest: int, largest: int) -> None:
        if not 0 < smallest <= largest:
            raise ValueError(f"A crop needs 0 < smallest <= largest, got {smallest} and {largest}.")
        self.smallest = smallest
        self.largest = largest

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        height, width = np.min(sizes, axis=0).tolist()
        crop_height, crop_width = (
            int(random.integers(min(side, self.smallest), min(side, self.largest) + 1))
            for side in (height, width)
        )
        start_y = int(random.integers(height - crop_height + 1))
        start_x = int(random.integers(width - crop_width + 1))
        end_y = int(random.integers(start_y, height - crop_height + 1))
        end_x = int(random.integers(start_x, width - crop_width + 1))
        steps = np.sort(random.random(len(sizes)))
        ys = np.round(start_y * steps + end_y * (1 - steps)).astype(int)
        xs = np.round(start_x * steps + end_x * (1 - steps)).astype(int)
        if random.random() < 0.5:
            ys, xs = ys[::-1], xs[::-1]
        return [
            T.CropTransform(int(x), int(y), crop_width, crop_height)
            for x, y in zip(xs, ys, strict=True)
        ]


class Occasionally(ClipAugmentation):
    """Applies a sequence of augmentations to some clips and leaves the others alone.

    Args:
        augmentations: what to apply.
        probability: of applying them to a clip.
    """

    def __init__(self, augmentations: Sequence[ClipAugmentation], *, probability: float) -> None:
        self.augmentations = tuple(augmentations)
        self.probability = probability

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        if random.random() >= self.probability:
            return [T.NoOpTransform()] * len(sizes)
        return [T.TransformList(t) for t in draw_transforms(self.augmentations, sizes, random)]


class Rotation(ClipAugmentation):
    """Rotates about a point near the centre, without enlarging the canvas.

    Args:
        degrees: angles are drawn from [-degrees, degrees].
        is_swing: one centre per clip, and angles that grow or fall through the clip (as published
            in VITA for clips made of one image); otherwise angle and centre are drawn for every
            frame.
    """

    def __init__(self, *, degrees: float = 15.0, is_swing: bool = False) -> None:
        self.degrees = degrees
        self.is_swing = is_swing

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        angles = random.uniform(-self.degrees, self.degrees, len(sizes))
        centres = random.uniform(0.4, 0.6, (1 if self.is_swing else len(sizes), 2))
        if self.is_swing:
            angles = np.sort(angles)
            if random.random() < 0.5:
                angles = angles[::-1]
        centres = np.broadcast_to(centres, (len(sizes), 2))
        return [
            T.RotationTransform(
                height,
                width,
                float(angle),
                expand=False,
                center=(width * float(x), height * float(y)),
            )
            for (height, width), angle, (x, y) in zip(sizes, angles, centres, strict=True)
        ]


class ScaleJitter(ClipAugmentation):
    """Large-scale jittering, first half: scales to fit a square target times a random factor.

    Args:
        target: side of the square in pixels.
        smallest: smallest factor.
        largest: largest factor.
        per_clip: one factor for all frames; otherwise one per frame.
    """

    def __init__(
        self, *, target: int, smallest: float, largest: float, per_clip: bool = True
    ) -> None:
        self.target = target
        self.smallest = smallest
        self.largest = largest
        self.per_clip = per_clip

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        draws = 1 if self.per_clip else len(sizes)
        factors = random.uniform(self.smallest, self.largest, draws)
        transforms = []
        for (height, width), factor in zip(
            sizes, np.broadcast_to(factors, len(sizes)), strict=True
        ):
            side = self.target * float(factor)
            scale = min(side / height, side / width)
            new_height = max(int(round(height * scale)), 1)
            new_width = max(int(round(width * scale)), 1)
            transforms.append(T.ResizeTransform(height, width, new_height, new_width))
        return transforms


class FixedSizeCrop(ClipAugmentation):
    """Large-scale jittering, second half: crops or pads (right and below) to a square.

    Args:
        side: of the square in pixels.
        pad_value: of the added pixels in images; masks get zeros, label maps ``label_pad_value``.
        label_pad_value: of the added pixels in label maps.
    """

    def __init__(self, *, side: int, pad_value: float = 128.0, label_pad_value: int = 0) -> None:
        self.side = side
        self.pad_value = pad_value
        self.label_pad_value = label_pad_value

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        share = random.random()  # the same share of the room on both axes, as in Detectron2
        transforms = []
        for height, width in sizes:
            top, left = (int(round(max(side - self.side, 0) * share)) for side in (height, width))
            kept_height, kept_width = min(height, self.side), min(width, self.side)
            crop = T.CropTransform(left, top, kept_width, kept_height)
            pad = T.PadTransform(
                0,
                0,
                self.side - kept_width,
                self.side - kept_height,
                kept_width,
                kept_height,
                self.pad_value,
                self.label_pad_value,
            )
            transforms.append(T.TransformList([crop, pad]))
        return transforms


class SwayingSquareCrop(ClipAugmentation):
    """Crops or pads (right and below) to a square whose place sways a little through the clip.

    The first frame is cropped at a random place; the others up to a tenth of the side away from it
    on each axis (as published in UniVS). Added pixels are 0.

    Args:
        side: of the square in pixels.
    """

    def __init__(self, *, side: int) -> None:
        self.side = side

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        share = random.random()  # the same share of the room on both axes
        sways = random.uniform(-0.1, 0.1, (len(sizes), 2)) * self.side
        sways[0] = 0
        transforms = []
        for size, sway in zip(sizes, sways, strict=True):
            room = np.maximum(np.array(size) - self.side, 0)
            top, left = np.clip(np.round(room * share + sway), 0, room).astype(int).tolist()
            height, width = (min(length, self.side) for length in size)
            crop = T.CropTransform(left, top, width, height)
            pad = T.PadTransform(0, 0, self.side - width, self.side - height, width, height, 0.0, 0)
            transforms.append(T.TransformList([crop, pad]))
        return transforms


class AffineTransform(T.Transform):
    """A linear map of pixel positions; what comes from outside the picture is 0.

    Args:
        matrix: ``[2, 3]``, from positions in the picture to those in the result.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        self.matrix = matrix

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(img, self.matrix, img.shape[1::-1], flags=cv2.INTER_LINEAR)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        size = segmentation.shape[1::-1]
        return cv2.warpAffine(segmentation, self.matrix, size, flags=cv2.INTER_NEAREST)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords @ self.matrix[:, :2].T + self.matrix[:, 2]


class RandomAffine(ClipAugmentation):
    """Scales, turns and shears every frame by itself about its centre (of TarViS).

    With it, copies of a still image become the frames of a sequence.

    Args:
        scales: smallest and largest factor.
        degrees: largest rotation.
        shear: largest angle of shear in degrees.
    """

    def __init__(
        self, *, scales: tuple[float, float] = (0.9, 1.1), degrees: float = 20, shear: float = 10
    ) -> None:
        self.scales = scales
        self.degrees = degrees
        self.shear = shear

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        return [AffineTransform(self._matrix(size, random)) for size in sizes]

    def _matrix(self, size: Size, random: np.random.Generator) -> np.ndarray:
        scale = random.uniform(*self.scales)
        angle = np.deg2rad(random.uniform(-self.degrees, self.degrees))
        slope = np.tan(np.deg2rad(random.uniform(-self.shear, self.shear)))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = scale * turn @ np.array([[1, slope], [0, 1]])
        centre = (np.array(size[::-1]) - 1) / 2
        return np.column_stack([linear, centre - linear @ centre])


class RandomCrop(ClipAugmentation):
    """Crops a window of fixed size at a random place; frames that are smaller are cropped less.

    Args:
        size: height and width.
        per_clip: the same place in all frames; otherwise one per frame.
    """

    def __init__(self, *, size: Size, per_clip: bool) -> None:
        self.size = size
        self.per_clip = per_clip

    def draw(self, sizes: Sequence[Size], random: np.random.Generator) -> list[T.Transform]:
        shares = random.random((1 if self.per_clip else len(sizes), 2))
        transforms = []
        for (height, width), share in zip(
            sizes, np.broadcast_to(shares, (len(sizes), 2)), strict=True
        ):
            kept = min(height, self.size[0]), min(width, self.size[1])
            top, left = (np.array([height - kept[0], width - kept[1]]) * share).round().astype(int)
            transforms.append(T.CropTransform(int(left), int(top), kept[1], kept[0]))
        return transforms
