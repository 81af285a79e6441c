"""Training samples of TarViS as its losses want them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.losses.semantic_points import IGNORE_LABEL
from univs.modeling.losses.tarvis_criterion import CategoryTargets, painted_class_map
from univs.modeling.prompts.exemplar_masks import central_points
from univs.modeling.prompts.tarvis_object_encoder import Exemplars
from univs.modeling.targets import ClipTargets, clip_targets


@dataclass
class ObjectTargets:
    """B clips with N given objects each.

    Attributes:
        exemplars: how the objects of each clip are given: some by masks, the last ones by points.
        masks: bool ``(B, N, T, H, W)``, truth.
    """

    exemplars: list[Exemplars]
    masks: Tensor


def category_targets(sample: dict, size: tuple[int, int], device: torch.device) -> CategoryTargets:
    """Truth of one clip of a data set with categories.

    Args:
        sample: ``instances`` as :func:`~univs.modeling.targets.clip_targets` takes them; for
            panoptic data sets also ``sem_seg``, int64 ``(T, h, w)``, 0-based classes or
            :data:`~univs.modeling.losses.semantic_points.IGNORE_LABEL`.
        size: padded height and width of the batch.
        device: where the result lies.
    """
    visible = clip_targets([frame.to(device) for frame in sample["instances"]], size)
    instances = ClipTargets(labels=visible.labels + 1, masks=visible.masks)  # 0 is background
    if "sem_seg" not in sample:
        return CategoryTargets(instances, painted_class_map(instances))
    class_map = sample["sem_seg"].to(device)
    height, width = class_map.shape[-2:]
    padding = (0, size[1] - width, 0, size[0] - height)
    return CategoryTargets(instances, F.pad(class_map, padding, value=IGNORE_LABEL))


def object_targets(
    samples: list[dict],
    size: tuple[int, int],
    device: torch.device,
    *,
    max_objects: int,
    point_likelihood: float,
) -> ObjectTargets | None:
    """Truth of clips whose objects are given in one frame.

    All clips of a batch get the same number of objects, a random choice where there are more. How
    many of them are given by points is drawn once; those are the last ones.

    Args:
        samples: per clip ``instances``, see :func:`~univs.modeling.targets.clip_targets`, and
            optionally ``reference_frame``, the frame in which they are given (by default the
            first), and ``num_objects``, how many to follow (that of the first clip counts; by
            default all).
        size: padded height and width of the batch.
        device: where the result lies.
        max_objects: most objects of a clip.
        point_likelihood: probability of a point instead of a mask.

    Returns:
        None if a clip has no object in its reference frame.
    """
    references = [sample.get("reference_frame", 0) for sample in samples]
    masks = []
    for sample, reference in zip(samples, references, strict=True):
        clip = clip_targets([frame.to(device) for frame in sample["instances"]], size).masks
        masks.append(clip[clip[:, reference].flatten(1).any(1)])
    wanted = samples[0].get("num_objects", max_objects)
    num_objects = min(wanted, max_objects, *(len(clip) for clip in masks))
    if num_objects == 0:
        return None
    masks = torch.stack([_random_choice(clip, num_objects) for clip in masks])
    num_points = int((torch.rand(num_objects) < point_likelihood).sum())
    num_masks = num_objects - num_points
    exemplars = []
    for clip, reference in zip(masks, references, strict=True):
        given = clip[:, reference]  # N H W
        points = central_points(given[num_masks:])
        exemplars.append(
            Exemplars(
                frames=torch.tensor([reference], device=device),
                masks=given[:num_masks, None],
                points=points,
                point_frames=torch.full((num_points,), reference, device=device),
            )
        )
    return ObjectTargets(exemplars, masks)


def _random_choice(masks: Tensor, size: int) -> Tensor:
    if len(masks) == size:
        return masks
    return masks[torch.randperm(len(masks))[:size].to(masks.device)]
