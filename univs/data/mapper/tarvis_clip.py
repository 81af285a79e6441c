"""Clips as TarViS is trained on (Athar et al. 2023): frames, crop, and objects that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectron2.config import CfgNode, configurable
from detectron2.data import transforms as T
from univs.data.augmentation import ClipAugmentation, draw_transforms
from univs.data.color import ColorShift
from univs.data.geometry import transform_maps, transform_masks, transform_masks_smoothly
from univs.data.mapper.clip import (
    MAX_DRAWS,
    ClipMapper,
    DrawnClip,
    flips,
    resize_of,
)
from univs.data.record import ObjectRecord, VideoRecord
from univs.data.tarvis_sampling import consecutive_frames, frames_after, frames_around

_LEAST_KEPT = 0.25  # of the pixels of instances, in a crop
_MOST_TRIES = 10  # for a crop
MOST_GIVEN = 4  # objects of a clip


@dataclass(frozen=True)
class FractionCrop:
    """A window of a fixed share of the frame, in the same place in all frames of a clip.

    Attributes:
        height: share of the height.
        width: share of the width.
    """

    height: float
    width: float

    def around_most(
        self, masks: Sequence[np.ndarray], random: np.random.Generator
    ) -> T.CropTransform | None:
        """A window that keeps a quarter of the pixels of masks.

        Args:
            masks: per frame ``[N, H, W]`` bool.
            random: where random values come from.

        Returns:
            None if ten tries fail.
        """
        covered = sum(frame.sum(axis=0, dtype=np.int64) for frame in masks)  # [H, W]
        sums = np.pad(covered.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        height, width = covered.shape
        kept_height, kept_width = round(height * self.height), round(width * self.width)
        for _ in range(_MOST_TRIES):
            top = int(random.integers(height - kept_height + 1))
            left = int(random.integers(width - kept_width + 1))
            bottom, right = top + kept_height, left + kept_width
            kept = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
            if kept >= _LEAST_KEPT * sums[-1, -1]:
                return T.CropTransform(left, top, kept_width, kept_height)
        return None

    def around_all(self, mask: np.ndarray, random: np.random.Generator) -> T.CropTransform | None:
        """A window with every pixel of a mask ``[H, W]`` bool; None if it does not fit in."""
        height, width = mask.shape
        kept = round(height * self.height), round(width * self.width)
        starts = []
        for axis, (length, window) in enumerate(zip(mask.shape, kept, strict=True)):
            shown = np.flatnonzero(mask.any(axis=1 - axis))
            first, last = (shown[0], shown[-1]) if len(shown) else (length - 1, 0)
            low, high = max(0, last + 1 - window), min(first, length - window)
            if low > high:
                return None
            starts.append(int(random.integers(low, high + 1)))
        return T.CropTransform(starts[1], starts[0], kept[1], kept[0])


class TarVisClipMapper(ClipMapper):
    """Turns a video into a clip for TarViS.

    A random frame that shows a thing is in the clip; the others are drawn without replacement from
    those nearby. If objects are given, that frame is the first one, the others come later, and up
    to :data:`MOST_GIVEN` of the objects that it shows are kept.

    Colours change alike in all frames. Masks are resized bilinearly.

    Args:
        num_frames: frames of a clip.
        frame_range: largest distance of a frame to the reference frame; 0: neighbouring frames.
        flip: mirroring.
        resize: scaling.
        crop: of all clips, or None. Where objects are given it comes after the scaling and keeps
            all of them.
        color_jitter: change of colours, or None.
        gives_objects: objects are given in the first frame, not found by class.
        smallest_object: in pixels; objects that are smaller in a frame are absent from it.
    """

    @configurable
    def __init__(
        self,
        *,
        num_frames: int,
        frame_range: int,
        flip: Sequence[ClipAugmentation],
        resize: ClipAugmentation,
        crop: FractionCrop | None = None,
        color_jitter: ColorShift | None = None,
        gives_objects: bool = False,
        smallest_object: int = 0,
    ) -> None:
        super().__init__(
            num_frames=num_frames,
            frame_range=frame_range,
            augmentations=(*flip, resize),
            color_jitter=color_jitter,
        )
        self.flip = tuple(flip)
        self.resize = resize
        self.crop = crop
        self.gives_objects = gives_objects
        self.smallest_object = smallest_object

    @classmethod
    def from_config(
        cls,
        cfg: CfgNode,
        *,
        crop: Sequence[float] = (),
        is_panoptic: bool = False,
        gives_objects: bool = False,
        smallest_object: int = 0,
    ) -> dict:
        """Arguments by the keys of ``cfg.INPUT`` and what is known of the dataset.

        Args:
            cfg: config.
            crop: share of height and width; empty: no crop.
            is_panoptic: every pixel has a class; colours then change less.
            gives_objects: see the class.
            smallest_object: see the class.
        """
        return {
            "num_frames": cfg.INPUT.SAMPLING_FRAME_NUM,
            "frame_range": cfg.INPUT.SAMPLING_FRAME_RANGE,
            "flip": flips(cfg.INPUT),
            "resize": resize_of(cfg.INPUT, "INPUT"),
            "crop": FractionCrop(*crop) if crop else None,
            "color_jitter": tarvis_colors(is_panoptic=is_panoptic),
            "gives_objects": gives_objects,
            "smallest_object": smallest_object,
        }

    def draw_clip(self, record: VideoRecord, random: np.random.Generator) -> DrawnClip:
        """Choose the frames of a clip."""
        known = list(range(len(record)) if record.annotated is None else record.annotated)
        shown = {f for o in record.objects if o.is_thing and not o.is_crowd for f in o.frames}
        candidates = [position for position, frame in enumerate(known) if frame in shown]
        candidates = candidates or list(range(len(known)))
        if self.gives_objects:  # where there is room for the others
            enough = [p for p in candidates if p + self.num_frames <= len(known)]
            candidates = enough or candidates
        reference = candidates[int(random.integers(len(candidates)))]
        arguments = (len(known), reference, self.num_frames)
        if self.gives_objects:
            chosen = frames_after(*arguments, max(self.frame_range, 1), random)
        elif self.frame_range == 0:
            chosen = consecutive_frames(*arguments, random)
        else:
            chosen = frames_around(*arguments, self.frame_range, random)
        frames = tuple(known[position] for position in chosen)
        return DrawnClip(frames=frames, indices=frames, video_length=len(record))

    def draw(
        self, record: VideoRecord, random: np.random.Generator
    ) -> tuple[DrawnClip, list[ObjectRecord], list[list[T.Transform]], list[np.ndarray]]:
        """Draw a clip: its frames, its N objects, transforms and masks ``[N, H, W]`` per frame."""
        for _ in range(MAX_DRAWS):
            clip = self.draw_clip(record, random)
            objects = record.objects_in(clip.frames)
            sources = [item.masks for item in objects]
            masks = [transform_masks(sources, frame, record.size, ()) for frame in clip.frames]
            if self.smallest_object:
                for frame in masks:
                    frame[frame.sum(axis=(1, 2)) < self.smallest_object] = False
            if self.gives_objects:
                rows = self._given(masks[0], random)
                objects, masks = [objects[row] for row in rows], [frame[rows] for frame in masks]
            transforms, masks = self._augment(record, objects, masks, random)
            if not record.objects or any(frame.any() for frame in masks):
                break
        return clip, objects, transforms, masks

    def _given(self, first: np.ndarray, random: np.random.Generator) -> list[int]:
        """Rows of the objects that are kept, of those that the first frame shows."""
        visible = np.flatnonzero(first.any(axis=(1, 2)))
        return sorted(random.permutation(visible)[:MOST_GIVEN].tolist())

    def _augment(
        self,
        record: VideoRecord,
        objects: Sequence[ObjectRecord],
        masks: Sequence[np.ndarray],
        random: np.random.Generator,
    ) -> tuple[list[list[T.Transform]], list[np.ndarray]]:
        """Transforms and moved masks of each frame."""
        sizes = [record.size] * len(masks)
        if self.gives_objects:
            transforms = draw_transforms([*self.flip, self.resize], sizes, random)
            masks = [
                transform_masks_smoothly(*pair) for pair in zip(transforms, masks, strict=True)
            ]
            crop = self.crop and self.crop.around_all(masks[0].any(axis=0), random)
            if crop is not None:
                transforms = [[*of_frame, crop] for of_frame in transforms]
                masks = [transform_maps([crop], frame) for frame in masks]
            return transforms, [np.ascontiguousarray(frame) for frame in masks]
        transforms = draw_transforms(self.flip, sizes, random)
        masks = [transform_maps(*pair) for pair in zip(transforms, masks, strict=True)]
        things = [row for row, item in enumerate(objects) if item.is_thing]
        crop = self.crop and self.crop.around_most([frame[things] for frame in masks], random)
        if crop is not None:
            transforms = [[*of_frame, crop] for of_frame in transforms]
            masks = [transform_maps([crop], frame) for frame in masks]
            sizes = [(crop.h, crop.w)] * len(masks)
        scalings = draw_transforms([self.resize], sizes, random)
        masks = [transform_masks_smoothly(*pair) for pair in zip(scalings, masks, strict=True)]
        transforms = [[*a, *b] for a, b in zip(transforms, scalings, strict=True)]
        return transforms, [np.ascontiguousarray(frame) for frame in masks]


def tarvis_colors(*, is_panoptic: bool) -> ColorShift:
    """How colours change, as published: less where every pixel has a class."""
    return ColorShift(saturation=10 if is_panoptic else 12, brightness=20 if is_panoptic else 25)
