"""Objects that are given by masks or points, followed through a video by TarViS."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import (
    FrameResult,
    MaskTarget,
    PointTarget,
    Segment,
    Target,
    Track,
    VideoResult,
    encode_masks,
)
from univs.structures.mask_log import MaskLog
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
        self.stitcher = ObjectStitcher(overlap=overlap, overwrite=published)
        self.memory = ObjectMemory()
        # What says where the objects are that are followed, by id, and where each was given first;
        # the latter also of objects that are not followed any more.
        self.targets: dict[int, list[MaskTarget | PointTarget]] = {}
        self.first_frames: dict[int, int] = {}
        self.lost: list[list[int]] = []  # ids of the objects that vanished, by clip
        self.frame_size: FrameSize | None = None
        self.masks = MaskLog()  # of final frames, by object

    def add_target(self, target: MaskTarget | PointTarget) -> None:
        """Give an object. Its frame must not have been segmented yet.

        Raises:
            ValueError: the id is taken, or the target is none that TarViS understands.
        """
        if target.id in self.first_frames:
            raise ValueError(f"target {target.id} is given twice: every object needs its own id")
        check_kind(target)
        self.targets[target.id] = [target]
        self.first_frames[target.id] = target.frame_index

    def refine_target(self, target_id: int, target: MaskTarget | PointTarget) -> None:
        """Correct an object, also one that was lost. The frame must not have been segmented yet.

        Raises:
            ValueError: the object is not followed, ``target`` has another id, or is none that
                TarViS understands.
        """
        self._check_followed(target_id)
        if target.id != target_id:
            raise ValueError(f"the correction of target {target_id} has the id {target.id}")
        check_kind(target)
        self.targets[target_id].append(target)
        first = min(self.first_frames[target_id], target.frame_index)
        self.first_frames[target_id] = first

    def remove_target(self, target_id: int) -> None:
        """Follow an object no longer; its masks so far stay.

        Raises:
            ValueError: the object is not followed.
        """
        self._check_followed(target_id)
        del self.targets[target_id]
        self.memory.forget(target_id)

    def _check_followed(self, target_id: int) -> None:
        if target_id not in self.targets:
            known = ", ".join(map(str, sorted(self.targets))) or "there are none"
            raise ValueError(f"there is no target {target_id} to change; known: {known}")

    @property
    def num_final(self) -> int:
        return len(self.masks)

    @property
    def latency(self) -> int:
        # As published, the last clip is joined differently, so it must be known.
        return int(self.stitcher.overwrite)

    def check_size(self, size: tuple[int, int]) -> None:
        for targets in self.targets.values():
            for target in targets:
                check_fits(target, size)

    def begins_at(self) -> int | None:
        return min((self.first_frames[target_id] for target_id in self.targets), default=None)

    def pass_over(self, stop: int) -> None:
        self._pause()
        self._skip_to(stop)

    def proceed(self) -> None:
        self.keep(self.stitcher.proceed())

    def _pause(self) -> None:
        self.keep(self.stitcher.finish())
        self.memory = ObjectMemory()

    def add(self, model: TarViS, clip: EncodedClip) -> None:
        self.frame_size = clip.size
        given = [
            given_object(target, clip.size)
            for targets in self.targets.values()
            for target in targets
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
            self.pass_over(clip.frames.stop)
            return
        num_frames = len(clip.frames)
        logits = model.predict_objects(clip.features, num_frames, objects.exemplars).mask_logits
        logits = hide_before_reference(logits.float(), objects.ids, self.first_frames, clip.frames)
        self.memory.update(clip.frames, objects.ids, logits, self.overlap)
        self.keep(self.stitcher.add(clip.frames, objects.ids, logits))

    def keep(self, frames: list[list[FrameMasks]]) -> None:
        """Restore the masks of final frames to the size of the video, as run lengths."""
        for layers in frames:
            if layers[0].frame < len(self.masks):
                continue  # a new sequence of clips begins with frames of the one before
            self._skip_to(layers[0].frame)
            masks = layered_masks(layers, self.frame_size)
            rles = encode_masks(without_later(np.array([*masks.values()]))) if masks else []
            self.masks.append(dict(zip(masks, rles, strict=True)))

    def _skip_to(self, frame: int) -> None:
        """Nothing is visible in the frames before this one of which there are no masks."""
        while len(self.masks) < frame:
            self.masks.append({})

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        segments = [
            Segment(track_id=object_id, rle=rle) for object_id, rle in self.masks[frame].items()
        ]
        return FrameResult(frame_index=frame, size=size, segments=segments)

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """One track for each object, under the id of its target; masks do not overlap."""
        self.keep(self.stitcher.finish())
        self._skip_to(num_frames)
        tracks = [
            Track(
                id=target_id,
                target_id=target_id,
                size=size,
                segmentations=self.masks.track(target_id),
            )
            for target_id in sorted(self.first_frames)
        ]
        return VideoResult(num_frames=num_frames, size=size, tracks=tracks)


def check_kind(target: Target) -> None:
    """Refuse targets that TarViS does not understand.

    Raises:
        ValueError: it is neither a mask nor one point inside of an object.
    """
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


def check_fits(target: MaskTarget | PointTarget, size: tuple[int, int]) -> None:
    """Refuse targets that do not fit frames of height and width ``size``.

    Raises:
        ValueError: the point lies outside, or the mask has another size.
    """
    if isinstance(target, MaskTarget):
        if target.size != tuple(size):
            raise ValueError(
                f"the mask of target {target.id} has the size {list(target.size)}, but the frames "
                f"of the video are {list(size)}"
            )
        return
    x, y = target.points[0].tolist()
    if not (0 <= x <= size[1] and 0 <= y <= size[0]):
        raise ValueError(
            f"the point ({x}, {y}) of target {target.id} is outside of the frame of {size[1]} x "
            f"{size[0]} pixels"
        )


def given_object(target: MaskTarget | PointTarget, size: FrameSize) -> GivenObject:
    """A target in the coordinates of the network's input; see :func:`check_fits`."""
    check_fits(target, size.original)
    height, width = size.original
    if isinstance(target, PointTarget):
        x, y = target.points[0].tolist()
        return GivenObject(target.id, target.frame_index, point=(x / width, y / height))
    mask = torch.from_numpy(np.ascontiguousarray(target.mask))
    return GivenObject(target.id, target.frame_index, mask=resized_mask(mask, size.resized))


def resized_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a mask ``(H, W)`` bool; one that would vanish keeps the pixel at its centre."""
    if tuple(mask.shape) == tuple(size):
        return mask
    resized = F.interpolate(
        mask[None, None].float(), size=size, mode="bilinear", align_corners=False
    )
    resized = resized[0, 0] > 0.5
    if mask.any() and not resized.any():
        scale = torch.tensor(size) / torch.tensor(mask.shape)
        row, column = ((mask.nonzero().float().mean(0) + 0.5) * scale).long().tolist()
        resized[row, column] = True
    return resized


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
        visible = np.unique(owner[owner >= 0])
        shown = zip(visible.tolist(), owner == visible[:, None, None], strict=True)
        masks.update((layer.ids[index], mask) for index, mask in shown)
    return masks


def without_later(masks: np.ndarray) -> np.ndarray:
    """Take from each mask of ``[N, H, W]`` bool the pixels of masks that follow."""
    return without_better(masks[::-1])[::-1] if len(masks) else masks
