"""How given objects are carried from clip to clip: the last masks become the next exemplars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.prompts.tarvis_object_encoder import Exemplars

# Mask logits of an object in frames before the one it is given in.
_BEFORE_REFERENCE = -1000.0


@dataclass
class GivenObject:
    """An object as the user gave it, in the coordinates of the network's input.

    Attributes:
        id: names it within the video.
        frame: index of the frame in the video.
        mask: bool ``(h, w)`` at the network's input size without padding, or None.
        point: (x, y) relative to the input without padding, or None.
    """

    id: int
    frame: int
    mask: Tensor | None = None
    point: tuple[float, float] | None = None


@dataclass
class ObjectMemory:
    """What is remembered of the last clip.

    Attributes:
        frames: the frames of the video that the next clip may share, ascending.
        ids: of the N objects that were segmented.
        mask_logits: ``(N, len(frames), h, w)``; None before the first clip.
    """

    frames: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    mask_logits: Tensor | None = None

    def update(self, clip: range, ids: list[int], mask_logits: Tensor, overlap: int) -> None:
        """Remember the last ``overlap`` frames of a clip whose masks are ``(N, T, h, w)``."""
        self.frames = list(clip)[-overlap:]
        self.ids = list(ids)
        self.mask_logits = mask_logits[:, -overlap:].clone()

    def forget(self, object_id: int) -> None:
        """Do not follow an object any more; it need not be known."""
        kept = [index for index, known in enumerate(self.ids) if known != object_id]
        if len(kept) < len(self.ids):
            self.ids = [self.ids[index] for index in kept]
            self.mask_logits = self.mask_logits[kept]


@dataclass
class ClipObjects:
    """The objects to segment in a clip.

    Attributes:
        exemplars: None if there are no objects.
        ids: of the objects, in the order of the exemplars.
        lost: ids of objects that vanished before this clip; they are not looked for any more,
            unless they are given again.
    """

    exemplars: Exemplars | None
    ids: list[int]
    lost: list[int]


def objects_of_clip(
    memory: ObjectMemory,
    given: Sequence[GivenObject],
    clip: range,
    *,
    input_size: tuple[int, int],
    padded_size: tuple[int, int],
    device: torch.device,
) -> ClipObjects:
    """Decide which objects are segmented in a clip, and what says where they are.

    A given mask replaces the prediction in its own frame. A point in a new frame replaces all that
    is known of its object, which corrects it; one in a frame that the clip before has as well is
    used up, and counts again only if its object was lost. (The original passes both point and
    prediction, so that the object is there twice.)

    Args:
        memory: of the clip before.
        given: objects whose frame lies in the clip; of one object the later ones count more.
        clip: frames of the video.
        input_size: height and width of the network's input without padding.
        padded_size: with padding.
        device: where the result lies.
    """
    shared = [frame for frame in memory.frames if frame in clip]
    used = sorted({*shared, *(thing.frame for thing in given)})
    masks = predicted_masks(memory, shared, used, padded_size, device)  # by id
    points: dict[int, GivenObject] = {}
    for thing in sorted(given, key=lambda thing: thing.frame):
        if thing.mask is None:
            points[thing.id] = thing
            continue
        points.pop(thing.id, None)
        blank = torch.zeros(len(used), *padded_size, dtype=torch.bool, device=device)
        mask = masks.setdefault(thing.id, blank)[used.index(thing.frame)]
        mask.fill_(False)
        mask[: input_size[0], : input_size[1]] = thing.mask.to(device)
    visible = {object_id: mask for object_id, mask in masks.items() if mask.any()}
    used_up = {thing.id for thing in points.values() if thing.frame in shared}
    points = {key: thing for key, thing in points.items() if key not in used_up & visible.keys()}
    visible = {object_id: mask for object_id, mask in visible.items() if object_id not in points}
    lost = [object_id for object_id in masks if object_id not in visible | points]
    ids = [*visible, *points]
    if not ids:
        return ClipObjects(None, [], lost)
    scale = [
        size / padded for size, padded in zip(input_size[::-1], padded_size[::-1], strict=True)
    ]
    coordinates = [
        [place * factor for place, factor in zip(thing.point, scale, strict=True)]
        for thing in points.values()
    ]
    exemplars = Exemplars(
        frames=torch.tensor([frame - clip.start for frame in used], device=device),
        masks=torch.stack([*visible.values()])
        if visible
        else torch.zeros(0, len(used), *padded_size, dtype=torch.bool, device=device),
        points=torch.tensor(coordinates, device=device).view(-1, 2),
        point_frames=torch.tensor(
            [thing.frame - clip.start for thing in points.values()],
            dtype=torch.long,
            device=device,
        ),
    )
    return ClipObjects(exemplars, ids, lost)


def predicted_masks(
    memory: ObjectMemory,
    shared: list[int],
    used: list[int],
    padded_size: tuple[int, int],
    device: torch.device,
) -> dict[int, Tensor]:
    """Masks ``(len(used), H, W)`` of the remembered objects, empty in frames not shared, by id."""
    masks: dict[int, Tensor] = {}
    if not shared:
        return masks
    where = [memory.frames.index(frame) for frame in shared]
    logits = memory.mask_logits[:, where].to(device)
    logits = F.interpolate(logits, size=padded_size, mode="bilinear", align_corners=False)
    places = [used.index(frame) for frame in shared]
    for object_id, mask in zip(memory.ids, logits > 0, strict=True):
        masks[object_id] = mask.new_zeros(len(used), *padded_size)
        masks[object_id][places] = mask
    return masks


def hide_before_reference(
    mask_logits: Tensor, ids: Sequence[int], references: dict[int, int], clip: range
) -> Tensor:
    """Remove objects from frames before the one in which they are given.

    Args:
        mask_logits: ``(N, T, h, w)``.
        ids: of the N objects.
        references: the frame of the video in which each object is given, by id.
        clip: the T frames.
    """
    first = torch.tensor([references[object_id] for object_id in ids], device=mask_logits.device)
    frames = torch.arange(clip.start, clip.stop, device=mask_logits.device)
    is_before = frames < first[:, None]  # N T
    return mask_logits.masked_fill(is_before[..., None, None], _BEFORE_REFERENCE)
