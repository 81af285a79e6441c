"""From the samples of a training batch to the targets and prompts of UniVS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from univs.modeling.concepts import ConceptTable
from univs.modeling.targets import mask_tensor, pad_masks
from univs.modeling.univs_targets import (
    PromptTargets,
    UnivsTargets,
    category_prompts,
    object_prompts,
)

# Data sets with so many classes or objects that prompts are always objects of the clip.
_VISUALLY_PROMPTED = frozenset({"lvis", "burst", "entityseg_panoptic"})
_CROWDED = frozenset({"sa_1b", "burst", "lvis", "entityseg_panoptic"})
# Chance of visual prompts where categories are possible, too: that of a standard normal above 0.5.
_SHARE_OF_VISUAL_PROMPTS = 0.3085


class PromptMeans(Enum):
    """How targets are given to the prompt queries of a batch."""

    CATEGORY = "category"
    EXPRESSION = "expression"
    VISUAL = "visual"


@dataclass
class TrainingTargets:
    """Targets of a batch of B clips.

    Attributes:
        clips: the objects of each clip.
        means: how targets are given to prompt queries, for the whole batch.
        num_prompts: prompt queries of each clip; visual prompts may be fewer.
        prompts: what they ask for, of each clip; None for visual prompts, which are drawn later.
    """

    clips: list[UnivsTargets]
    means: PromptMeans
    num_prompts: int
    prompts: list[PromptTargets] | None

    def frames(self, start: int, stop: int) -> TrainingTargets:
        """The same objects and prompts in frames ``start`` to ``stop``."""
        return replace(
            self,
            clips=[clip.frames(start, stop) for clip in self.clips],
            prompts=self.prompts and [prompt.frames(start, stop) for prompt in self.prompts],
        )


class UnivsTargetPreparation:
    """Chooses objects and prompts for a batch."""

    def __init__(self, *, max_objects: int, concepts: ConceptTable) -> None:
        """
        Args:
            max_objects: the most objects and the most prompts of a clip.
            concepts: the classes that there are; data sets that it lacks are trained without.
        """
        self.max_objects = max_objects
        self.concepts = concepts

    def __call__(self, samples: Sequence[dict], size: tuple[int, int]) -> TrainingTargets:
        """Prepare a batch.

        Args:
            samples: per clip ``instances``, a list of T Detectron2 ``Instances`` whose row n is the
                same object in every frame, with ``gt_classes`` (-1 where absent or unknown),
                ``gt_masks``, ``gt_boxes`` in pixels and ``gt_ids`` (-1 where absent);
                ``frame_indices``; ``task`` (``"detection"``, ``"sot"`` or ``"grounding"``, the same
                for all); ``domain``, the class list, or else ``dataset_name``; for grounding
                ``expressions`` and ``exp_obj_ids``, both for every row.
            size: padded height and width of the batch.
        """
        names = [_dataset_of(sample) for sample in samples]
        means = self._draw_means(samples[0]["task"], names[0])
        clips = [
            clip_objects(sample, size, self._class_rows(sample["task"], name))
            for sample, name in zip(samples, names, strict=True)
        ]
        limit = 2 * self.max_objects
        shown = [clip.labels.unique() for clip in clips]
        clips = [
            clip.select(draw_objects(clip.labels, limit)) if name in _CROWDED else clip
            for clip, name in zip(clips, names, strict=True)
        ]
        counts = [len(clip) for clip in clips]
        clips = [clip.select(clip.masks.flatten(1).any(1).nonzero().flatten()) for clip in clips]
        prompts = None
        if means is PromptMeans.CATEGORY:
            counts = [len(clip.labels.unique()) for clip in clips]
        num_prompts = min(max(counts), self.max_objects)
        if means is PromptMeans.CATEGORY:
            prompts = [
                draw_category_prompts(clip, labels, num_prompts)
                for clip, labels in zip(clips, shown, strict=True)
            ]
        clips = [clip.select(torch.arange(len(clip))[: self.max_objects]) for clip in clips]
        if means is PromptMeans.EXPRESSION:
            prompts = [expression_prompts(clip, num_prompts) for clip in clips]
        return TrainingTargets(clips, means, num_prompts, prompts)

    def _class_rows(self, task: str, dataset: str) -> slice | None:
        """Classes are learned where targets are given by them, and only there."""
        if task != "detection" or not self.concepts.has(dataset):
            return None
        return self.concepts.rows(dataset)

    def _draw_means(self, task: str, dataset: str) -> PromptMeans:
        if task == "grounding":
            return PromptMeans.EXPRESSION
        if task == "sot" or dataset in _VISUALLY_PROMPTED or not self.concepts.has(dataset):
            return PromptMeans.VISUAL
        if task != "detection":
            raise ValueError(f"task {task!r} is not known: use 'detection', 'sot' or 'grounding'")
        is_visual = torch.rand(()) < _SHARE_OF_VISUAL_PROMPTS
        return PromptMeans.VISUAL if is_visual else PromptMeans.CATEGORY


def _dataset_of(sample: dict) -> str:
    """The class list of a sample, or else the name of its data set."""
    return sample.get("domain") or sample["dataset_name"]


def clip_objects(sample: dict, size: tuple[int, int], class_rows: slice | None) -> UnivsTargets:
    """All objects of a sample, also those that no frame shows.

    Args:
        sample: see :class:`UnivsTargetPreparation`.
        size: padded height and width of the batch.
        class_rows: see :class:`~univs.modeling.univs_targets.UnivsTargets`.
    """
    frames = sample["instances"]
    classes = torch.stack([frame.gt_classes for frame in frames], dim=1)  # N T
    masks = torch.stack(
        [pad_masks(mask_tensor(frame.gt_masks), size) for frame in frames], dim=1
    )  # N T H W
    ids = torch.stack([frame.gt_ids for frame in frames], dim=1)  # N T
    if sample["task"] == "grounding":
        identities = torch.as_tensor(sample["exp_obj_ids"], dtype=ids.dtype, device=ids.device)
        ids = torch.where(ids >= 0, identities[:, None], -1)
    is_shown = masks.flatten(2).any(2) & (ids >= 0)
    boxes = torch.stack([frame.gt_boxes.tensor for frame in frames], dim=1)  # N T 4
    boxes = boxes / boxes.new_tensor([size[1], size[0], size[1], size[0]])
    return UnivsTargets(
        # Absent frames may carry class -1, so the maximum is the class.
        labels=classes.amax(1),
        masks=masks & is_shown[..., None, None],
        ids=torch.where(is_shown, ids, -1),
        boxes=torch.where(is_shown[..., None], boxes, 0.0),
        frame_indices=torch.as_tensor(sample["frame_indices"], device=ids.device),
        class_rows=class_rows,
        expressions=tuple(sample["expressions"]) if sample["task"] == "grounding" else (),
    )


def draw_objects(labels: Tensor, count: int) -> Tensor:
    """Choose among many objects, all those of a class before any of the next.

    Args:
        labels: int64 ``(N,)``, -1 for objects without a class, which are one class here.
        count: the most objects to choose.

    Returns:
        int64 ``(min(N, count),)``; all objects in their order if there are not more than ``count``.
    """
    if len(labels) <= count:
        return torch.arange(len(labels), device=labels.device)
    classes, class_of = labels.unique(return_inverse=True)
    objects = torch.randperm(len(labels), device=labels.device)
    rank = torch.randperm(len(classes), device=labels.device)
    return objects[rank[class_of[objects]].argsort(stable=True)][:count]


def draw_category_prompts(targets: UnivsTargets, shown: Tensor, num_prompts: int) -> PromptTargets:
    """Ask for the classes of a clip and, if prompts are left, for others of its data set.

    Args:
        targets: the objects of the clip.
        shown: int64, the classes of the clip, also of objects that are not in ``targets``.
        num_prompts: P.
    """
    labels = targets.labels[targets.labels >= 0].unique()  # sorted
    masks = [targets.masks[targets.labels == label].any(0) for label in labels]
    num_classes = targets.class_rows.stop - targets.class_rows.start
    is_shown = torch.zeros(num_classes, dtype=torch.bool, device=labels.device)
    is_shown[shown[shown >= 0]] = True
    if is_shown.all():
        is_shown.zero_()[labels] = True
    others = torch.nonzero(~is_shown).flatten()
    others = others[torch.randperm(len(others), device=others.device)]
    missing = max(0, num_prompts - len(labels))
    others = others[torch.arange(missing, device=others.device) % max(1, len(others))]
    rows = torch.arange(num_prompts, device=labels.device)
    return category_prompts(
        targets,
        rows=torch.where(rows < len(labels), rows, -1),
        labels=torch.cat((labels, others))[:num_prompts],
        masks=torch.stack(masks) if masks else targets.masks,
    )


def expression_prompts(targets: UnivsTargets, num_prompts: int) -> PromptTargets:
    """Ask for the object of every expression, repeating them from the first if prompts are left.

    Args:
        targets: the objects of the clip, one for each expression.
        num_prompts: P.
    """
    rows = torch.arange(num_prompts, device=targets.labels.device)
    rows = rows % len(targets) if len(targets) else torch.full_like(rows, -1)
    identities = targets.ids.amax(1)[rows] if len(targets) else rows
    return object_prompts(targets, rows, identities)
