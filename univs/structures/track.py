"""One object through a video: what it is, how sure the model is, and where it is in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from univs.structures.mask_log import LoggedMasks
from univs.structures.mask_rle import Rle, decode_masks, rle_areas, rle_boxes, rle_is_empty


@dataclass(eq=False, kw_only=True)
class Track:
    """A track; it grows frame by frame by `append`.

    Masks are kept as run lengths, so that a long video costs little memory. A frame in which the
    object is not visible holds None; an empty mask becomes None.

    Attributes:
        id: names the track within its video; 1 or more, because 0 is the background of id maps.
        size: height and width of the frames in pixels.
        category: 0-based contiguous index into the model's class list; None if it has no category,
            as when only a mask, box, point or text says what it is.
        target_id: the target it belongs to; None if the model found it by itself.
        score: confidence, usually in [0, 1].
        segmentations: one entry per frame of the video up to now, beginning with frame 0; a list,
            or masks of a :class:`~univs.structures.mask_log.MaskLog`, which are read when needed.
    """

    id: int
    size: tuple[int, int]
    category: int | None = None
    target_id: int | None = None
    score: float = 1.0
    segmentations: Sequence[Rle | None] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if self.id < 1:
            raise ValueError(f"A track's id must be 1 or more (0 is background), but is {self.id}.")
        if self.category is not None and self.category < 0:
            raise ValueError(f"The category of track {self.id} is negative: {self.category}.")
        if self.target_id is not None and self.target_id < 1:
            raise ValueError(f"The target id of track {self.id} is below 1: {self.target_id}.")
        if not np.isfinite(self.score):
            raise ValueError(f"The score of track {self.id} is not finite: {self.score}.")
        self.size = (int(self.size[0]), int(self.size[1]))
        self.score = float(self.score)
        if isinstance(self.segmentations, LoggedMasks):
            if self.segmentations.size is not None:
                self._check_size(self.segmentations.size)
        else:
            self.segmentations = [self._checked(rle) for rle in self.segmentations]

    def __len__(self) -> int:
        """The number of frames up to now."""
        return len(self.segmentations)

    def append(self, rle: Rle | None) -> None:
        """Add the mask of the next frame; None if the object is not visible in it.

        Raises:
            ValueError: the mask has not the size of the frames.
        """
        self._list().append(self._checked(rle))

    def pad_to(self, num_frames: int) -> None:
        """Add frames without the object until there are ``num_frames``; a longer track stays."""
        self._list().extend([None] * (num_frames - len(self)))

    @property
    def visible_frames(self) -> list[int]:
        """Indices of the frames in which the object is visible."""
        return [index for index, rle in enumerate(self.segmentations) if rle is not None]

    def areas(self) -> np.ndarray:
        """Foreground pixels per frame: [T] int64."""
        return rle_areas(self.segmentations)

    def boxes(self) -> np.ndarray:
        """Boxes per frame: [T, 4] x, y, width, height in pixels, zero where not visible."""
        return rle_boxes(self.segmentations)

    def masks(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Decode the frames ``start`` to ``stop`` (all by default): [T, H, W] bool."""
        return decode_masks(self.segmentations[start:stop], self.size)

    def _list(self) -> list[Rle | None]:
        if not isinstance(self.segmentations, list):
            self.segmentations = list(self.segmentations)
        return self.segmentations

    def _checked(self, rle: Rle | None) -> Rle | None:
        if rle is None:
            return None
        self._check_size(tuple(rle["size"]))
        return None if rle_is_empty(rle) else rle

    def _check_size(self, size: tuple[int, int]) -> None:
        if size != self.size:
            raise ValueError(
                f"A mask of track {self.id} has the size {list(size)}, but its frames are "
                f"{list(self.size)}."
            )
