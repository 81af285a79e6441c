from __future__ import annotations

import pytest
import torch

from reference.univs_entity_procedure import Settings, State, choose_instances, choose_panoptic
from univs.modeling.mask_statistics import mask_quality
from univs.tracking.univs_discovery import (
    DiscoveryThresholds,
    InstanceDiscovery,
    PanopticDiscovery,
)
from univs.tracking.univs_entities import Detections, Entities

FRAMES = range(4, 6)
THINGS = (0, 2)


def some_detections(seed: int, count: int = 9) -> Detections:
    """Rectangles of all sizes, more or less certain, in two frames."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.full((count, 2, 8, 12), -4.0)
    corners = torch.randint(0, 6, (count, 2), generator=generator)
    for mask, (top, left) in zip(logits, corners, strict=True):
        mask[0, top : top + 4, left : left + 5] = 4
        mask[1, top : top + 3, left : left + 6] = 0.5
        mask += torch.randn(mask.shape, generator=generator)
    class_logits = 2 * torch.randn(count, 3, generator=generator)
    queries = 2 * torch.randn(count, 2, 4, generator=generator)
    return Detections.of(class_logits, logits, queries)


def settings_of(thresholds: DiscoveryThresholds) -> Settings:
    return Settings(
        2, 2, 10, slice(None), thresholds.score, thresholds.similarity, 0.0,
        thresholds.box_overlap, thresholds.quality, 0.5, 0.5, thresholds.most, THINGS,
    )  # fmt: skip


def discovery_of(style: str, thresholds: DiscoveryThresholds):
    if style == "instances":
        return InstanceDiscovery(thresholds), choose_instances
    return PanopticDiscovery(thresholds, THINGS), choose_panoptic


def rows_of(chosen: Detections, found: Detections) -> list[int]:
    return [int((found.scores == scores).all(1).nonzero()) for scores in chosen.scores]


def known_entities(seed: int) -> tuple[Entities, State]:
    """Entities of a clip, as the project and as the original keep them."""
    found = some_detections(seed, 4)
    entities = Entities(num_remembered=3)
    entities.num_clips = 1
    entities.masks.begin(FRAMES, 0, found.mask_logits)
    entities.append(FRAMES, found)
    sums = torch.zeros(4, 6, 32, 48)
    sums[:, 4:] = torch.nn.functional.interpolate(
        found.mask_logits, size=(32, 48), mode="bilinear", align_corners=False
    )
    mean = found.queries.mean(1, keepdim=True)
    return entities, State(found.scores[:, None], mean, sums, found.quality.clone())


@pytest.mark.parametrize("style", ["instances", "panoptic"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("quality", [0.0, 0.4])
def test_the_first_clip_yields_what_the_published_steps_yield(style, seed, quality):
    thresholds = DiscoveryThresholds(0.3, 0.1, 0.3, quality, 5)
    discovery, choose = discovery_of(style, thresholds)
    found = some_detections(seed)
    expected = choose(
        None, slice(0, 2), found.scores, found.mask_logits, found.queries, found.quality,
        settings_of(thresholds), (32, 48),
    )  # fmt: skip
    assert rows_of(discovery.first(found), found) == expected
    assert expected


@pytest.mark.parametrize("style", ["instances", "panoptic"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("similarity", [0.02, 0.3])
def test_later_clips_yield_what_the_published_steps_yield(style, seed, similarity):
    thresholds = DiscoveryThresholds(0.05, similarity, 0.9, 0.0, 6)
    discovery, choose = discovery_of(style, thresholds)
    entities, state = known_entities(100 + seed)
    found = some_detections(seed)
    expected = choose(
        state, slice(4, 6), found.scores, found.mask_logits, found.queries, found.quality,
        settings_of(thresholds), (32, 48),
    )  # fmt: skip
    assert rows_of(discovery.update(entities, FRAMES, found), found) == expected
    torch.testing.assert_close(entities.scores, state.logits.mean(1))
    torch.testing.assert_close(entities.queries[:, -1], state.embds[:, -1])
    torch.testing.assert_close(entities.quality, state.quality)
    sums = torch.nn.functional.interpolate(
        entities.masks.of(FRAMES), size=(32, 48), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(sums, state.masks[:, 4:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("style", ["instances", "panoptic"])
def test_entities_are_found_later_if_there_were_none_at_first(style):
    discovery, _ = discovery_of(style, DiscoveryThresholds(0.05, 0.1, 0.9, 0.0, 6))
    entities = Entities(num_remembered=3)
    assert len(discovery.update(entities, FRAMES, some_detections(0)).quality)


@pytest.mark.parametrize("style", ["instances", "panoptic"])
def test_nothing_found_is_no_trouble(style):
    discovery, _ = discovery_of(style, DiscoveryThresholds(1.0, 0.1, 0.9, 0.9, 6))
    entities, _ = known_entities(0)
    blank = some_detections(0)
    blank.mask_logits -= 100
    blank = Detections(
        0 * blank.scores, mask_quality(blank.mask_logits), blank.mask_logits, blank.queries
    )
    assert len(discovery.first(blank).quality) == 0
    assert len(discovery.update(entities, FRAMES, blank).quality) == 0
