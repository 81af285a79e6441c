"""A few consecutive frames of a video, on their way into a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from univs.structures.shape_check import check_shape

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Clip:
    """T consecutive frames and where they lie in their video.

    "Consecutive" is meant in the frames the model is given: indices ascend, but may skip some when
    a video is read at a lower frame rate.

    Attributes:
        frames: [T, 3, H, W], RGB, 0 to 255, uint8 or float; T may be 0.
        frame_indices: T ascending indices in the video, 0-based.
    """

    frames: torch.Tensor = field(repr=False)
    frame_indices: tuple[int, ...]

    def __post_init__(self) -> None:
        check_shape(self.frames, "T 3 H W", "frames")
        indices = tuple(int(index) for index in self.frame_indices)
        if len(indices) != len(self.frames):
            raise ValueError(f"{len(self.frames)} frames need as many indices, not {len(indices)}.")
        if any(index < 0 for index in indices[:1]) or any(
            after <= before for before, after in zip(indices, indices[1:], strict=False)
        ):
            raise ValueError(f"Frame indices must ascend from 0 or more: {list(indices)}.")
        object.__setattr__(self, "frame_indices", indices)

    def __len__(self) -> int:
        """The number of frames T."""
        return len(self.frame_indices)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames in pixels."""
        return tuple(self.frames.shape[-2:])
