"""Tokens of visual prompts: features at the cells that a mask, a box or a point covers.

The tokens of a prompt come from one frame. Nothing here is differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.position_encoding import sine_encoding_points
from univs.modeling.prompts.cell_choice import (
    cells_of_boxes,
    cells_of_masks,
    choose_cells,
    random_pixels,
)


@dataclass
class FrameFeatures:
    """The features that prompts of one frame are sampled from.

    Attributes:
        features: ``(C, h, w)`` at stride 8.
        positions: ``(C, h, w)``, position encodings.
        frame_position: ``()``, position of the frame in radians.
    """

    features: Tensor
    positions: Tensor
    frame_position: Tensor

    @classmethod
    def of(cls, memory: ClipMemory, clip: int, frame: int) -> FrameFeatures:
        """Those of one frame of a clip, without gradient."""
        features, positions = memory.finest
        return cls(
            features[clip, frame].detach(),
            positions[clip, frame].detach(),
            memory.frame_positions[clip, frame],
        )

    def encode_points(self, points: Tensor) -> Tensor:
        """Position encodings of points: ``(..., 2)`` as (x, y), relative -> ``(..., C)``."""
        channels = self.features.shape[0]
        encoding = sine_encoding_points(points.float(), self.frame_position, channels)
        return encoding.to(self.features)

    def sample(self, points: Tensor) -> Tensor:
        """Features at points, bilinear: ``(P, 2)`` as (x, y), relative -> ``(P, C)``."""
        grid = (2 * points - 1).to(self.features)[None, :, None]
        return F.grid_sample(self.features[None], grid, align_corners=False)[0, :, :, 0].T

    def gather(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Features and positions of cells: int64 ``(P, R)`` -> ``(P, R, C)`` twice."""
        return self.features.flatten(1).T[cells], self.positions.flatten(1).T[cells]


@dataclass(frozen=True)
class VisualTokenSampler:
    """Samples R tokens for each prompt.

    Attributes:
        num_tokens: R.
        published: as the original does, see ``MODEL.UniVS.PUBLISHED_BEHAVIOUR``.
    """

    num_tokens: int
    published: bool = True

    @torch.no_grad()
    def from_masks(
        self,
        frame: FrameFeatures,
        masks: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens of objects given by masks.

        Args:
            frame: where to sample.
            masks: bool ``(P, H, W)`` of the padded frame; tokens of empty masks are 0.
            training: draw tokens at random, and include the outermost cells.
            generator: draws on the CPU; default: torch's own.

        Returns:
            features and positions, ``(P, R, C)``. The features of an object that covers no cell are
            0, and its position that of one of its pixels (as published).
        """
        _check_size(masks, frame)
        cells = cells_of_masks(masks, published=self.published)
        features, positions = self._choose(frame, cells, training, generator)
        has_cells = cells.flatten(1).any(1)[:, None, None]
        is_visible = masks.flatten(1).any(1)[:, None, None]
        if self.published and bool((is_visible & ~has_cells).any()):
            pixels = random_pixels(masks, generator, prefer_centre=True)
            points = frame.encode_points(pixels)[:, None]
            positions = torch.where(has_cells, positions, points)
        return features * (has_cells & is_visible), positions * is_visible

    @torch.no_grad()
    def from_points(self, frame: FrameFeatures, points: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of objects given by a point each.

        Args:
            frame: where to sample.
            points: ``(P, 2)`` as (x, y), relative to the padded frame; tokens of points outside
                are 0.

        Returns:
            features and positions, ``(P, R, C)``, R times the same.
        """
        is_inside = ((points >= 0) & (points <= 1)).all(1)[:, None]
        features = frame.sample(points) * is_inside
        positions = frame.encode_points(points) * is_inside
        return tuple(x[:, None].expand(-1, self.num_tokens, -1) for x in (features, positions))

    @torch.no_grad()
    def from_boxes(
        self,
        frame: FrameFeatures,
        boxes: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens of objects given by boxes.

        Args:
            frame: where to sample.
            boxes: ``(P, 4)``, xyxy relative to the padded frame; tokens of boxes without area, or
                outside of the frame, are 0.
            training: move large boxes a little, draw tokens at random, and include the outermost
                cells.
            generator: draws on the CPU; default: torch's own.

        Returns:
            features and positions, ``(P, R, C)``.
        """
        boxes = boxes.clamp(0, 1)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(1)[:, None, None]
        if training:
            boxes = jitter_boxes(boxes, generator)
        cells = cells_of_boxes(boxes, frame.features.shape[-2:], published=self.published)
        features, positions = self._choose(frame, cells, training, generator)
        has_cells = cells.flatten(1).any(1)[:, None, None]
        if not bool(has_cells.all()):
            points = points_in_boxes(boxes, generator)
            features = torch.where(has_cells, features, frame.sample(points)[:, None])
            positions = torch.where(has_cells, positions, frame.encode_points(points)[:, None])
        return features * has_area, positions * has_area

    def _choose(
        self,
        frame: FrameFeatures,
        cells: Tensor,
        training: bool,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        chosen = choose_cells(
            cells,
            self.num_tokens,
            at_random=training or self.published,
            with_extremes=training,
            generator=generator,
        )
        return frame.gather(chosen)


def jitter_boxes(
    boxes: Tensor, generator: torch.Generator | None = None, *, noise: float = 0.1
) -> Tensor:
    """Resize and move boxes of more than 9 % of the frame by up to a tenth of their size.

    Args:
        boxes: ``(P, 4)``, xyxy in [0, 1]; the result may reach beyond the frame.
        generator: draws on the CPU; default: torch's own.
        noise: the largest change relative to the size.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    scale, shift = (
        noise * (2 * torch.rand(len(boxes), 2, generator=generator) - 1).to(boxes) for _ in "ab"
    )
    moved = (centre + size * shift).clamp(0, 1)
    resized = (size * (1 + scale)).clamp(0, 1)
    jittered = torch.cat((moved - resized / 2, moved + resized / 2), dim=1)
    return torch.where((size.prod(1) > 0.09)[:, None], jittered, boxes)


def points_in_boxes(boxes: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A random point in the central half of each box: ``(P, 4)`` -> ``(P, 2)``."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    offset = torch.rand(len(boxes), 2, generator=generator).to(boxes) - 0.5
    return centre + size * offset / 2


def _check_size(masks: Tensor, frame: FrameFeatures) -> None:
    expected = tuple(8 * size for size in frame.features.shape[-2:])
    if tuple(masks.shape[-2:]) != expected:
        raise ValueError(
            f"Prompt masks are {masks.shape[-2]} x {masks.shape[-1]}, but the padded frames are "
            f"{expected[0]} x {expected[1]}; pad the masks like the frames."
        )
