"""Objects that are given by masks or points, followed through a video by TarViS."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import (
    FrameResult,
    MaskTarget,
    PointTarget,
    Rle,
    Segment,
    Track,
    VideoResult,
    encode_masks,
)
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_exemplars import (
    GivenObject,
    ObjectMemory,
    hide_before_reference,
    objects_of_clip,
)
from univs.tracking.tarvis_stitching import FrameMasks, ObjectStitcher
from univs.tracking.tarvis_tasks import EncodedClip, Task, without_better


class ObjectTask(Task):
    """Segmentation of objects that are given by masks or points, in any frame."""

    def __init__(self, *, overlap: int, published: bool) -> None:
        """
        Args:
            overlap: frames that successive clips share.
            published: join clips as the original does.
        """
        self.overlap = overlap
        self.stitcher = ObjectStitcher(overwrite=published)
        self.memory = ObjectMemory()
        self.targets: dict[int, MaskTarget | PointTarget] = {}
        self.lost: list[list[int]] = []  # ids of the objects that vanished, by clip
        self.frame_size: FrameSize | None = None
        self.masks: dict[int, dict[int, Rle]] = {}  # by frame, then by object
        self._num_final = 0

    def add_target(self, target: MaskTarget | PointTarget) -> None:
        """Give an object. Its frame must not have been segmented yet.

        Raises:
            ValueError: the id is taken, or the target is none that TarViS understands.
        """
        if target.id in self.targets:
            raise ValueError(f"target {target.id} is given twice: every object needs its own id")
        if isinstance(target, PointTarget):
            if len(target.points) != 1 or not target.is_inside[0]:
                raise ValueError(
                    f"target {target.id} has {len(target.points)} points: TarViS takes exactly one "
                    "point inside of the object"
                )
        elif not isinstance(target, MaskTarget):
            raise ValueError(
                f"target {target.id} is a {type(target).__name__}: TarViS takes objects as "
                "MaskTarget or PointTarget"
            )
        self.targets[target.id] = target

    @property
    def num_final(self) -> int:
        return self._num_final

    def begins_at(self) -> int | None:
        return min((target.frame_index for target in self.targets.values()), default=None)

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        given = [
            given_object(target, clip.size)
            for target in self.targets.values()
            if target.frame_index in clip.frames
        ]
        objects = objects_of_clip(
            self.memory,
            given,
            clip.frames,
            input_size=clip.size.resized,
            padded_size=clip.padded_size,
            device=clip.features.mask_features.device,
        )
        self.lost.append(objects.lost)
        if objects.exemplars is None:
            self.keep(self.stitcher.finish())
            self.memory = ObjectMemory()
            return
        num_frames = len(clip.frames)
        logits = model.predict_objects(clip.features, num_frames, objects.exemplars).mask_logits
        references = {target.id: target.frame_index for target in self.targets.values()}
        logits = hide_before_reference(logits.float(), objects.ids, references, clip.frames)
        self.memory.update(clip.frames, objects.ids, logits, self.overlap)
        self.keep(self.stitcher.add(clip.frames, objects.ids, logits))

    def keep(self, frames: list[list[FrameMasks]]) -> None:
        """Restore the masks of final frames to the size of the video, as run lengths."""
        for layers in frames:
            self._num_final = layers[0].frame + 1
            masks = layered_masks(layers, self.frame_size)
            ids, disjoint = list(masks), without_later(np.array([*masks.values()]))
            if ids:
                self.masks[layers[0].frame] = dict(zip(ids, encode_masks(disjoint), strict=True))

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        segments = [
            Segment(track_id=object_id, rle=rle)
            for object_id, rle in self.masks.get(frame, {}).items()
        ]
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """One track for each object, under the id of its target; masks do not overlap."""
        self.keep(self.stitcher.finish())
        self._num_final = num_frames
        tracks = [
            Track(
                id=target_id,
                target_id=target_id,
                size=size,
                segmentations=[
                    self.masks.get(frame, {}).get(target_id) for frame in range(num_frames)
                ],
            )
            for target_id in sorted(self.targets)
        ]
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)


def given_object(target: MaskTarget | PointTarget, size: FrameSize) -> GivenObject:
    """A target in the coordinates of the network's input.

    Raises:
        ValueError: it does not fit the frame.
    """
    height, width = size.original
    if isinstance(target, PointTarget):
        x, y = target.points[0].tolist()
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(
                f"the point ({x}, {y}) of target {target.id} is outside of the frame of {width} x "
                f"{height} pixels"
            )
        return GivenObject(target.id, target.frame_index, point=(x / width, y / height))
    if target.size != size.original:
        raise ValueError(
            f"the mask of target {target.id} has the size {list(target.size)}, but the frames of "
            f"the video are {list(size.original)}"
        )
    mask = torch.from_numpy(np.ascontiguousarray(target.mask))[None, None].float()
    if size.resized != size.original:
        mask = F.interpolate(mask, size=size.resized, mode="bilinear", align_corners=False)
    return GivenObject(target.id, target.frame_index, mask=mask[0, 0] > 0.5)


def layered_masks(layers: list[FrameMasks], size: FrameSize) -> dict[int, np.ndarray]:
    """Masks of one frame by id; those of later layers replace earlier ones of the same id.

    Within a layer every pixel belongs to the object with the largest logit, if that is positive.
    Objects without a pixel leave no mask, so an earlier one may stay.

    Args:
        layers: predictions of successive clips.
        size: from the network's input to the frame.

    Returns:
        bool ``(H, W)`` by id, in the order in which the ids appeared.
    """
    masks: dict[int, np.ndarray] = {}
    for layer in layers:
        if not layer.ids:
            continue
        best, owner = size.restore(layer.mask_logits).max(0)
        owner = owner.masked_fill(best <= 0, -1).cpu().numpy()
        for index, object_id in enumerate(layer.ids):
            mask = owner == index
            if mask.any():
                masks[object_id] = mask
    return masks


def without_later(masks: np.ndarray) -> np.ndarray:
    """Take from each mask of ``[N, H, W]`` bool the pixels of masks that follow."""
    return without_better(masks[::-1])[::-1] if len(masks) else masks
