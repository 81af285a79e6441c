"""Targets of a user in the coordinates of UniVS' input, and as prompt tokens.

The model was trained with three kinds of visual prompts (UniVS, section 3.2): cells of a mask,
cells of a box, and points. A box stands for all cells that it touches, so it says less than a mask.
After its first frame every target is prompted by its predicted masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.prompts.visual_tokens import FrameFeatures, VisualTokenSampler
from univs.structures import BoxTarget, MaskTarget, PointTarget, Target
from univs.tracking.frame_size import FrameSize

VisualTarget = MaskTarget | BoxTarget | PointTarget


def check_kind(target: Target) -> None:
    """Refuse targets that are no visual prompts.

    Raises:
        ValueError: it is of another kind, or has points outside of the object.
    """
    if isinstance(target, PointTarget):
        if not target.is_inside.all():
            raise ValueError(
                f"target {target.id} has points outside of the object: UniVS was trained with "
                "points inside only; leave the others out, or give a box or a mask"
            )
    elif not isinstance(target, VisualTarget):
        raise ValueError(
            f"target {target.id} is a {type(target).__name__}: this task takes a MaskTarget, "
            "BoxTarget or PointTarget"
        )


def check_fits(target: Target, size: tuple[int, int]) -> None:
    """Refuse targets that do not fit frames of the given height and width.

    Raises:
        ValueError: a mask has another size, or a box or point is outside of the frame.
    """
    height, width = size
    if isinstance(target, MaskTarget) and target.size != tuple(size):
        raise ValueError(
            f"the mask of target {target.id} has the size {list(target.size)}, but the frames of "
            f"the video are {list(size)}"
        )
    if isinstance(target, PointTarget):
        x, y = target.points.T
        if ((x < 0) | (x > width) | (y < 0) | (y > height)).any():
            raise ValueError(
                f"a point of target {target.id} is outside of the frame of {width} x {height} "
                f"pixels: {target.points.tolist()}"
            )
    if isinstance(target, BoxTarget):
        x0, y0, x1, y1 = target.box
        if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            raise ValueError(
                f"the box of target {target.id} is outside of the frame of {width} x {height} "
                f"pixels: {target.box.tolist()}"
            )


def is_visible(target: Target) -> bool:
    """Whether a target can be seen in its frame; its mask may be empty."""
    return not isinstance(target, MaskTarget) or bool(target.mask.any())


def padded_masks(
    targets: Sequence[MaskTarget], size: FrameSize, padded_size: tuple[int, int]
) -> Tensor:
    """Masks of P targets as large as the padded input of the network: bool ``(P, H, W)``."""
    masks = torch.zeros(len(targets), *padded_size, dtype=torch.bool)
    height, width = size.resized
    for mask, target in zip(masks, targets, strict=True):
        given = torch.from_numpy(target.mask.astype("uint8"))[None, None]
        resized = F.interpolate(given, size=size.resized, mode="nearest-exact")
        mask[:height, :width] = resized[0, 0].bool()
    return masks


def tokens_of_targets(
    sampler: VisualTokenSampler,
    frame: FrameFeatures,
    targets: Sequence[VisualTarget],
    size: FrameSize,
    padded_size: tuple[int, int],
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Prompt tokens of P targets that are all given in one frame.

    Args:
        sampler: samples the tokens.
        frame: the features of their frame.
        targets: what to prompt with. Several points share the tokens of their target.
        size: of the frame.
        padded_size: of the network's input, height and width.
        generator: draws on the CPU; default: torch's own.

    Returns:
        features and positions, ``(P, R, C)``.
    """
    shape = (len(targets), sampler.num_tokens, frame.features.shape[0])
    features, positions = frame.features.new_zeros(shape), frame.features.new_zeros(shape)
    # From pixels of the frame to the padded input, where 0 and 1 are its borders.
    height, width = size.original
    scale = torch.tensor(
        [
            size.resized[1] / width / padded_size[1],
            size.resized[0] / height / padded_size[0],
        ]
    )
    rows = [i for i, target in enumerate(targets) if isinstance(target, MaskTarget)]
    if rows:
        masks = padded_masks([targets[i] for i in rows], size, padded_size)
        masks = masks.to(frame.features.device)
        features[rows], positions[rows] = sampler.from_masks(frame, masks, generator=generator)
    rows = [i for i, target in enumerate(targets) if isinstance(target, BoxTarget)]
    if rows:
        boxes = torch.stack([torch.from_numpy(targets[i].box) for i in rows])
        boxes = boxes.clamp(min=0).minimum(torch.tensor([width, height, width, height]))
        boxes = (boxes * scale.repeat(2)).to(frame.features.device)
        features[rows], positions[rows] = sampler.from_boxes(frame, boxes, generator=generator)
    for row, target in enumerate(targets):
        if isinstance(target, PointTarget):
            points = (torch.from_numpy(target.points) * scale).to(frame.features.device)
            of_points = sampler.from_points(frame, points)  # (points, R, C) each
            order = torch.arange(sampler.num_tokens, device=points.device) % len(points)
            features[row], positions[row] = (tokens[order, 0] for tokens in of_points)
    return features, positions
