"""Ground truth of UniVS: objects with identities, and what every prompt query has to segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from univs.modeling.targets import ClipTargets


@dataclass(kw_only=True)
class UnivsTargets(ClipTargets):
    """The N objects of one clip of T frames.

    Where targets are given by expressions there is one entry for each expression, so that an object
    with several of them is there several times, under one identity.

    Attributes:
        labels: int64 ``(N,)``, contiguous class of each object in its data set; -1 if unknown.
        masks: bool ``(N, T, H, W)`` at the padded input size; empty where an object is absent.
        ids: int64 ``(N, T)``, identity of each object in each frame; -1 where it is absent.
        boxes: float ``(N, T, 4)`` around the masks, xyxy relative to the padded size, 0 to 1; zero
            where an object is absent.
        frame_indices: int64 ``(T,)``, position of each frame in its video.
        class_rows: rows of the concept table that are the classes of the data set; ``labels`` count
            from the first. None if the data set has no classes.
        expressions: the N expressions; empty if objects are not given by text.
    """

    ids: Tensor
    boxes: Tensor
    frame_indices: Tensor
    class_rows: slice | None = None
    expressions: tuple[str, ...] = ()

    def frames(self, start: int, stop: int) -> UnivsTargets:
        """All objects in frames ``start`` to ``stop``, also those that are absent there."""
        return replace(
            self,
            masks=self.masks[:, start:stop],
            ids=self.ids[:, start:stop],
            boxes=self.boxes[:, start:stop],
            frame_indices=self.frame_indices[start:stop],
        )

    def select(self, objects: Tensor) -> UnivsTargets:
        """The objects of the given int64 indices, in their order."""
        chosen = objects.tolist()
        if chosen == list(range(len(self))):
            return self  # masks are large
        return replace(
            self,
            labels=self.labels[objects],
            masks=self.masks[objects],
            ids=self.ids[objects],
            boxes=self.boxes[objects],
            expressions=tuple(self.expressions[i] for i in chosen) if self.expressions else (),
        )


@dataclass
class PromptTargets:
    """What the P prompt queries of one clip are supervised with.

    Attributes:
        rows: int64 ``(P,)``, the mask in ``masks`` that each prompt asks for; -1 if there is
            nothing to segment (a category that the clip does not show, or padding).
        masks: bool ``(R, T, H, W)`` at the padded input size: of objects, or of categories.
        labels: int64 ``(P,)``, class of what each prompt asks for, shown or not; -1 if unknown.
        identities: int64 ``(P,)``, equal for prompts that ask for the same thing; -1 where
            ``rows`` is.
        ids: int64 ``(P, T)``, identity of the prompted object in each frame as in
            :attr:`UnivsTargets.ids`; -1 where it is absent, and for categories.
        are_categories: whether prompts ask for everything of a class rather than for an object.
    """

    rows: Tensor
    masks: Tensor
    labels: Tensor
    identities: Tensor
    ids: Tensor
    are_categories: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def label_maps(self) -> Tensor:
        """The first prompt that every pixel belongs to, int64 ``(T, H, W)``; -1 where none is."""
        prompts = torch.nonzero(self.rows >= 0).flatten()
        labels = torch.full(self.masks.shape[1:], -1, device=self.masks.device)
        for prompt, row in reversed(list(zip(prompts.tolist(), self.rows[prompts], strict=True))):
            labels[self.masks[row]] = prompt
        return labels

    def frames(self, start: int, stop: int) -> PromptTargets:
        """All prompts in frames ``start`` to ``stop``."""
        return replace(self, masks=self.masks[:, start:stop], ids=self.ids[:, start:stop])


def object_prompts(
    targets: UnivsTargets, rows: Tensor, identities: Tensor | None = None
) -> PromptTargets:
    """Prompts that ask for single objects, shown or described.

    Args:
        targets: the objects of the clip.
        rows: int64 ``(P,)``, the object that each prompt asks for; -1 for none.
        identities: int64 ``(P,)``, equal for prompts of the same object; default: ``rows``.
    """
    asked = rows >= 0
    labels = torch.full_like(rows, -1)
    labels[asked] = targets.labels[rows[asked]]
    ids = rows.new_full((len(rows), targets.ids.shape[1]), -1)
    ids[asked] = targets.ids[rows[asked]]
    identities = rows if identities is None else identities
    return PromptTargets(rows, targets.masks, labels, identities, ids)


def category_prompts(
    targets: UnivsTargets, rows: Tensor, labels: Tensor, masks: Tensor
) -> PromptTargets:
    """Prompts that ask for everything of a class.

    Args:
        targets: the objects of the clip.
        rows: int64 ``(P,)``, the row of ``masks`` that each prompt asks for; -1 for categories that
            the clip does not show.
        labels: int64 ``(P,)``, the class that each prompt asks for.
        masks: bool ``(R, T, H, W)``, union of the objects of each class that the clip shows.
    """
    ids = rows.new_full((len(rows), targets.ids.shape[1]), -1)
    return PromptTargets(rows, masks, labels, rows, ids, are_categories=True)
