from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reference.univs_scenes import scene, scene_config, scene_model
from univs.tracking.univs_entities import Detections, Entities
from univs.tracking.univs_session import open_session


def detections(count: int, seed: int = 0) -> Detections:
    generator = torch.Generator().manual_seed(seed)
    return Detections.of(
        torch.randn(count, 3, generator=generator),
        5 * torch.randn(count, 2, 4, 6, generator=generator),
        torch.randn(count, 2, 5, generator=generator),
    )


def begin(entities: Entities, start: int) -> range:
    """Go on to a clip of two frames, of which one is new."""
    frames = range(start, start + 2)
    new = frames if start == 0 else frames[1:]
    entities.begin_clip(SimpleNamespace(new_frames=new, mask_features=torch.zeros(1, 4, 6)))
    return frames


def test_scores_average_over_all_clips_and_count_from_the_first_one():
    entities, history = Entities(num_remembered=3), []
    for start, count in enumerate([2, 0, 1, 0]):
        frames = begin(entities, start)
        history = [[*past, past[-1].clone()] for past in history]
        if len(entities):
            new = detections(len(entities), seed=start).scores
            entities.update_scores(torch.arange(len(entities)), new)
            for past, scores in zip(history, new, strict=True):
                past[-1] = (past[-1] + scores) / 2
        if count:
            found = detections(count, seed=50 + start)
            entities.append(frames, found)
            history += [[torch.zeros(3)] * start + [scores] for scores in found.scores]
    expected = torch.stack([torch.stack(past).mean(0) for past in history])
    torch.testing.assert_close(entities.scores, expected)


def test_queries_average_with_those_before_and_old_ones_are_forgotten():
    entities = Entities(num_remembered=3)
    found = detections(1)
    entities.append(begin(entities, 0), found)
    means = [found.queries.mean(1)[0]]
    for start in range(1, 6):
        begin(entities, start)
        guess = torch.stack(means[-3:]).mean(0)
        torch.testing.assert_close(entities.queries[0, -1], guess)
        new = detections(1, seed=start).queries
        entities.update_queries(torch.tensor([0]), new)
        means.append((guess + new.mean(1)[0]) / 2)
        torch.testing.assert_close(entities.queries[0], torch.stack(means[-3:]))


def test_masks_add_up_and_frames_without_any_are_known():
    entities = Entities(num_remembered=3)
    first, second = detections(2), detections(1, seed=1)
    entities.append(begin(entities, 0), first)
    frames = begin(entities, 1)
    entities.add_masks(frames, torch.tensor([1]), second.mask_logits, second.quality)
    masks = entities.masks
    torch.testing.assert_close(masks.sums[0], first.mask_logits[:, 0])
    torch.testing.assert_close(masks.sums[1][1], first.mask_logits[1, 1] + second.mask_logits[0, 0])
    assert masks.has_mask[2].tolist() == [False, True]
    assert masks.sums[2][0].abs().max() == 0
    masks.forget(2)
    assert list(masks.sums) == [2]
    assert entities.last_frames.tolist() == [1, 2]


def test_retired_entities_keep_the_scores_that_lost_ones_have():
    followed, retired = Entities(num_remembered=3), Entities(num_remembered=3)
    for entities in (followed, retired):
        entities.append(begin(entities, 0), detections(3))
        begin(entities, 1)
        entities.update_scores(torch.tensor([1]), detections(1, seed=1).scores)
    assert retired.retire(torch.tensor([True, True, False])).tolist() == [2]
    assert (len(retired), retired.num_ever, retired.ids) == (1, 3, [2])
    for start in (2, 3):
        for entities in (followed, retired):
            begin(entities, start)
            new = detections(1, seed=start).scores
            entities.update_scores(torch.tensor([entities.ids.index(2)]), new)
    retired.retire(torch.tensor([True]))
    for entities in (followed, retired):
        frames = begin(entities, 4)
        entities.append(frames, detections(2, seed=4))
    assert retired.ids == [3, 4]
    assert retired.masks.sums[5].shape == (2, 4, 6)
    for actual, expected in zip(retired.of_all(), followed.of_all(), strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(("task", "published"), [("vis", True), ("vps", False)])
def test_absent_entities_do_not_add_up(task, published):
    """Everything is always lost at once, and found anew in every clip."""
    model, numbers = scene_model(), {}
    for max_absent in (0, 3):
        cfg = scene_config(
            "MODEL.UniVS.TEST.MAX_ABSENT_FRAMES", max_absent,
            "MODEL.UniVS.TEST.TEMPORAL_CONSISTENCY_THRESHOLD", 1.1,
            "MODEL.UniVS.TEST.DETECT_NEWLY_OBJECT_THRESHOLD", 1.1,
            "MODEL.UniVS.PUBLISHED_BEHAVIOUR", published,
        )  # fmt: skip
        with open_session(model, cfg, task=task) as session:
            most = 0
            for frame in np.roll(scene(14), 7, axis=2):
                session.push(frame)
                most = max(most, len(session._category_task.entities))
            result = session.finish()
            numbers[max_absent] = (most, session._category_task.entities.num_ever)
        assert result.num_frames == 14
        assert result.tracks
    # All entities of the video, and the most that were followed at a time.
    assert numbers[0] == (numbers[3][1], numbers[3][1])
    assert numbers[3][0] < 0.75 * numbers[3][1]
