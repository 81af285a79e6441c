"""Which queries of a clip are new entities, and which are known ones found again.

Two styles, as published: that of instances, which may overlap, and that of panoptic segments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.mask_statistics import boxes_of_masks, without_duplicates
from univs.tracking.univs_entities import Detections, Entities
from univs.tracking.univs_masks import mask_overlaps
from univs.tracking.univs_matching import match, mutual_similarity

_SAME_ENTITY_OVERLAP = 0.5
_LEAST_FIRST_SCORE = 0.1  # of instances in the first clip
_MOST_FIRST = 100  # panoptic segments in the first clip, of which at most so many are ...
_MOST_THINGS = 70
_MOST_STUFF = 30
_SAME_STUFF_OVERLAP = 0.6


@dataclass(frozen=True)
class DiscoveryThresholds:
    """What a detection must have to be an entity, or to be like one.

    Attributes:
        score: least score of the best class.
        similarity: least similarity of a detection and a known entity.
        box_overlap: detections whose boxes overlap more are duplicates.
        quality: least mask quality of instances.
        most: instances of a clip that are looked at.
    """

    score: float
    similarity: float
    box_overlap: float
    quality: float
    most: int


class Discovery(ABC):
    """Compares what learnable queries found in a clip to what is known."""

    def __init__(self, thresholds: DiscoveryThresholds) -> None:
        self.thresholds = thresholds

    @abstractmethod
    def first(self, found: Detections) -> Detections:
        """The entities of the first clip."""

    @abstractmethod
    def update(self, entities: Entities, frames: range, found: Detections) -> Detections:
        """Add to known entities what was found of them in a later clip, and return new ones."""

    def _match(self, entities: Entities, found: Detections) -> tuple[Tensor, Tensor, Tensor]:
        """Entities, detections and similarities of all pairs, ``(P,)`` each."""
        similarity = mutual_similarity(entities.recent_queries, found.queries)
        rows, columns = match(similarity, self.thresholds.similarity)
        return rows, columns, similarity[rows, columns]


class InstanceDiscovery(Discovery):
    """For instance segmentation."""

    def first(self, found: Detections) -> Detections:
        found = self._candidates(found)
        return found.select(found.best_scores > max(self.thresholds.score, _LEAST_FIRST_SCORE))

    def update(self, entities: Entities, frames: range, found: Detections) -> Detections:
        found = self._candidates(found)
        is_known = torch.zeros_like(found.quality, dtype=torch.bool)
        if len(entities) and len(is_known):
            rows, columns, similarity = self._match(entities, found)
            entities.update_scores(rows, found.scores[columns])
            entities.update_queries(rows, found.queries[columns])
            is_sure = similarity > 2 * self.thresholds.similarity
            rows, columns = rows[is_sure], columns[is_sure]
            sure = found.select(columns)
            entities.add_masks(frames, rows, sure.mask_logits, sure.quality)
            is_known[columns] = True
        return without_known(
            found.select(~is_known & (found.best_scores > self.thresholds.score)), entities, frames
        )

    def _candidates(self, found: Detections) -> Detections:
        """The best detections without duplicates, best first."""
        if self.thresholds.quality > 0:
            found = found.select(found.quality > self.thresholds.quality)
        return without_duplicate_boxes(
            best_of(found, self.thresholds.most), self.thresholds.box_overlap
        )


class PanopticDiscovery(Discovery):
    """For panoptic segmentation."""

    def __init__(self, thresholds: DiscoveryThresholds, thing_classes: Collection[int]) -> None:
        """
        Args:
            thresholds: see there.
            thing_classes: 0-based classes that are things; all others are stuff.
        """
        super().__init__(thresholds)
        self.thing_classes = torch.tensor(sorted(thing_classes), dtype=torch.int64)

    def first(self, found: Detections) -> Detections:
        found = best_of(found, _MOST_FIRST)
        classes = found.scores.argmax(1)
        is_thing = torch.isin(classes, self.thing_classes.to(classes.device))
        things = without_duplicate_boxes(
            found.select(is_thing.nonzero().flatten()[:_MOST_THINGS]), self.thresholds.box_overlap
        )
        stuff = found.select((~is_thing).nonzero().flatten()[:_MOST_STUFF])
        masks = stuff.mask_logits[:, :1] > 0  # the first frame tells, as published
        overlaps = mask_overlaps(masks, masks)[..., 0].triu(1)
        stuff = stuff.select(~(overlaps >= _SAME_STUFF_OVERLAP).any(0))
        names = ("scores", "quality", "mask_logits", "queries")
        both = Detections(*(torch.cat((getattr(things, x), getattr(stuff, x))) for x in names))
        return both.select(both.best_scores > self.thresholds.score)

    def update(self, entities: Entities, frames: range, found: Detections) -> Detections:
        is_known = torch.zeros_like(found.quality, dtype=torch.bool)
        if len(entities):
            rows, columns, _ = self._match(entities, found)
            known = found.select(columns)
            entities.update_scores(rows, known.scores)
            entities.update_queries(rows, known.queries)
            entities.add_masks(frames, rows, known.mask_logits, known.quality)
            is_known[columns] = True
        is_new = ~is_known & (found.best_scores > 2 * self.thresholds.score)
        return without_known(found.select(is_new), entities, frames)


def best_of(found: Detections, most: int) -> Detections:
    """At most so many detections, best first."""
    order = found.best_scores.argsort(descending=True, stable=True)
    return found.select(order[:most])


def without_duplicate_boxes(found: Detections, threshold: float) -> Detections:
    """Without those that overlap a better one; see `without_duplicates`. They come best first."""
    boxes = boxes_of_masks(found.mask_logits > 0)
    return found.select(without_duplicates(boxes, threshold))


def without_known(found: Detections, entities: Entities, frames: range) -> Detections:
    """Without those whose mask in any frame is that of a known entity."""
    if not len(found.quality) or not len(entities):
        return found
    known = torch.stack([_as_seen(entities.masks.sums[frame]) > 0 for frame in frames], dim=1)
    overlaps = mask_overlaps(found.mask_logits > 0, known)  # M N T
    return found.select(overlaps.flatten(1).amax(1) < _SAME_ENTITY_OVERLAP)


def _as_seen(sums: Tensor) -> Tensor:
    """Sums ``(N, h, w)`` at the network's input size and back, which blurs them a little."""
    options = {"mode": "bilinear", "align_corners": False}
    enlarged = F.interpolate(sums[:, None], scale_factor=4, **options)
    return F.interpolate(enlarged, size=sums.shape[-2:], **options)[:, 0]
