from __future__ import annotations

import torch

from univs.modeling.univs_targets import UnivsTargets, category_prompts, object_prompts


def clip_targets(num_objects: int = 3, num_frames: int = 4) -> UnivsTargets:
    ids = torch.arange(num_objects)[:, None].repeat(1, num_frames)
    ids[:1, 1] = -1
    return UnivsTargets(
        labels=10 * torch.arange(num_objects),
        masks=torch.rand(num_objects, num_frames, 4, 6) > 0.5,
        ids=ids,
        boxes=torch.rand(num_objects, num_frames, 4),
        frame_indices=torch.arange(5, 5 + num_frames),
        expressions=tuple(f"object {i}" for i in range(num_objects)),
    )


def test_frames_cuts_everything_that_has_a_time():
    targets = clip_targets()
    part = targets.frames(1, 3)
    assert part.masks.shape[:2] == part.ids.shape == part.boxes.shape[:2] == (3, 2)
    assert part.frame_indices.tolist() == [6, 7] and part.ids[0].tolist() == [-1, 0]
    assert part.labels is targets.labels and len(part) == 3
    prompts = object_prompts(targets, torch.tensor([2, 0])).frames(1, 3)
    assert torch.equal(prompts.masks, part.masks) and prompts.ids.tolist() == [[2, 2], [-1, 0]]


def test_select_keeps_expressions_with_their_objects():
    part = clip_targets().select(torch.tensor([2, 0]))
    assert part.labels.tolist() == [20, 0] and part.expressions == ("object 2", "object 0")
    assert part.ids[:, 1].tolist() == [2, -1]


def test_object_prompts_without_an_object_ask_for_nothing():
    prompts = object_prompts(clip_targets(), torch.tensor([1, -1, 0]))
    assert prompts.labels.tolist() == [10, -1, 0]
    assert prompts.identities.tolist() == [1, -1, 0]
    assert prompts.ids.tolist() == [[1] * 4, [-1] * 4, [0, -1, 0, 0]]
    assert not prompts.are_categories


def test_a_clip_without_objects_can_be_prompted_for_nothing():
    empty = clip_targets(0)
    prompts = object_prompts(empty, torch.full((2,), -1))
    assert prompts.labels.tolist() == [-1, -1] and prompts.masks.shape[0] == 0
    none = object_prompts(empty, torch.zeros(0, dtype=torch.long))
    assert len(none) == 0 and none.ids.shape == (0, 4)


def test_category_prompts_have_labels_also_for_what_is_not_shown():
    targets = clip_targets()
    prompts = category_prompts(
        targets, torch.tensor([0, -1]), torch.tensor([7, 8]), targets.masks[:1]
    )
    assert prompts.are_categories and prompts.labels.tolist() == [7, 8]
    assert prompts.identities.tolist() == [0, -1] and len(prompts) == 2
