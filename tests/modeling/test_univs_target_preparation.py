from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectron2.structures import BitMasks, Boxes, Instances
from univs.modeling.concepts import ConceptTable
from univs.modeling.univs_target_preparation import (
    PromptMeans,
    UnivsTargetPreparation,
    draw_objects,
)

SIZE = (16, 24)
CONCEPTS = ConceptTable(torch.zeros(50, 1), {"fish": (10, 6), "lvis": (20, 30)})


def sample(classes: list, *, visible: list | None = None, frames: int = 2, **other) -> dict:
    """A clip with one 4 x 6 object per class; ``visible`` tells in which frames each is seen."""
    visible = visible or [[True] * frames for _ in classes]
    instances = []
    for frame in range(frames):
        masks = torch.zeros(len(classes), *SIZE, dtype=torch.bool)
        for index, seen in enumerate(visible):
            masks[index, 2:6, index % 16 : index % 16 + 6] = seen[frame]
        seen = torch.tensor([seen[frame] for seen in visible], dtype=torch.bool)
        instance = Instances(SIZE)
        instance.gt_classes = torch.where(seen, torch.tensor(classes, dtype=torch.long), -1)
        instance.gt_ids = torch.where(seen, torch.arange(len(classes)) + 7, -1)
        instance.gt_boxes = Boxes(BitMasks(masks).get_bounding_boxes().tensor)
        instance.gt_masks = BitMasks(masks)
        instances.append(instance)
    return {
        "instances": instances,
        "frame_indices": list(range(3, 3 + frames)),
        "task": "detection",
        "dataset_name": "fish_train",
        "domain": "fish",
        **other,
    }


def prepare(samples: list[dict], max_objects: int = 5):
    return UnivsTargetPreparation(max_objects=max_objects, concepts=CONCEPTS)(samples, (32, 32))


def prepare_until(means: PromptMeans, samples: list[dict], **options):
    for seed in range(50):
        torch.manual_seed(seed)
        prepared = prepare(samples, **options)
        if prepared.means is means:
            return prepared
    raise AssertionError(f"never {means}")


def test_targets_are_padded_and_objects_that_are_never_seen_dropped():
    seen = [[True, False], [False, False], [True, True]]
    clip = prepare([sample([3, 4, 1], visible=seen, task="sot")]).clips[0]
    assert clip.labels.tolist() == [3, 1] and clip.ids.tolist() == [[7, -1], [9, 9]]
    assert clip.masks.shape == (2, 2, 32, 32) and clip.masks.flatten(2).sum(2).tolist() == [
        [24, 0],
        [24, 24],
    ]
    expected = torch.tensor([2, 2, 8, 6]) / 32
    torch.testing.assert_close(clip.boxes[1, 0], expected)
    assert clip.boxes[0, 1].tolist() == [0, 0, 0, 0]
    assert clip.frame_indices.tolist() == [3, 4]


def test_classes_are_learned_where_targets_are_given_by_them():
    texts = {"expressions": ["a"], "exp_obj_ids": [0]}
    for task, rows in (("detection", slice(10, 16)), ("sot", None), ("grounding", None)):
        assert prepare([sample([3], task=task, **texts)]).clips[0].class_rows == rows


def test_category_prompts_ask_for_shown_classes_first_and_then_for_others():
    batch = [sample([3, 3, 0]), sample([5])]
    prepared = prepare_until(PromptMeans.CATEGORY, batch)
    first, second = prepared.prompts
    assert prepared.num_prompts == len(first) == len(second) == 2
    assert first.labels.tolist() == [0, 3] and first.rows.tolist() == [0, 1]
    assert torch.equal(first.masks[1], prepared.clips[0].masks[:2].any(0))
    assert second.labels[0] == 5 and second.rows.tolist() == [0, -1]
    assert 0 <= second.labels[1] < 5 and second.are_categories


@settings(deadline=None, max_examples=25)
@given(
    shown=st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=3),
    limit=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_category_prompts_hold_for_any_batch(shown, limit, seed):
    torch.manual_seed(seed)
    prepared = prepare([sample(classes) for classes in shown], max_objects=limit)
    assert all(len(clip) <= limit for clip in prepared.clips)
    if prepared.means is not PromptMeans.CATEGORY:
        return
    assert prepared.num_prompts == min(limit, max(len(set(classes)) for classes in shown))
    for classes, prompts in zip(shown, prepared.prompts, strict=True):
        asked = prompts.labels[prompts.rows >= 0].tolist()
        assert len(prompts) == prepared.num_prompts
        assert asked == sorted(set(classes))[: prepared.num_prompts]
        assert set(prompts.labels[prompts.rows < 0].tolist()).isdisjoint(classes)


def test_expressions_ask_for_their_own_row_and_share_the_identity_of_their_object():
    options = {"task": "grounding", "dataset_name": "texts", "domain": None}
    long = sample([0, 0, 1], expressions=["a", "b", "c"], exp_obj_ids=[4, 4, 9], **options)
    short = sample([0], expressions=["d"], exp_obj_ids=[2], **options)
    prepared = prepare([long, short])
    first, second = prepared.prompts
    assert prepared.means is PromptMeans.EXPRESSION and prepared.num_prompts == 3
    assert first.rows.tolist() == [0, 1, 2] and first.identities.tolist() == [4, 4, 9]
    assert torch.equal(first.masks[2], prepared.clips[0].masks[2])
    assert second.rows.tolist() == [0, 0, 0] and second.identities.tolist() == [2, 2, 2]
    assert prepared.clips[0].expressions == ("a", "b", "c")
    assert prepared.clips[0].class_rows is None


def test_an_expression_whose_object_is_never_seen_is_dropped_with_it():
    seen = [[False, False], [True, False]]
    options = {"task": "grounding", "expressions": ["a", "b"], "exp_obj_ids": [0, 1]}
    prepared = prepare([sample([0, 0], visible=seen, **options)])
    assert prepared.clips[0].expressions == ("b",)
    # As many prompts as there were expressions (as published).
    assert prepared.prompts[0].rows.tolist() == [0, 0]
    assert prepared.prompts[0].ids.tolist() == [[1, -1], [1, -1]]


def test_an_empty_batch_has_nothing_to_ask_for():
    for task, means in (("sot", PromptMeans.VISUAL), ("grounding", PromptMeans.EXPRESSION)):
        empty = sample([], task=task, expressions=[], exp_obj_ids=[])
        prepared = prepare([empty])
        assert prepared.means is means and prepared.num_prompts == 0
        assert prepared.clips[0].masks.shape == (0, 2, 32, 32)
    assert prepare_until(PromptMeans.CATEGORY, [sample([])]).num_prompts == 0


def test_large_vocabularies_and_unknown_classes_are_prompted_visually():
    for seed in range(10):
        torch.manual_seed(seed)
        assert prepare([sample([2], domain="lvis")]).means is PromptMeans.VISUAL
        unknown = sample([2], domain=None, dataset_name="anything")
        assert prepare([unknown]).means is PromptMeans.VISUAL


def test_a_task_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="'vis' is not known"):
        prepare([sample([2], task="vis")])


def test_many_objects_of_large_data_sets_are_chosen_class_by_class():
    torch.manual_seed(0)
    labels = torch.tensor([0] * 4 + [1] * 4 + [2] * 4)
    chosen = draw_objects(labels, 6)
    assert len(set(chosen.tolist())) == 6
    counts = sorted(torch.bincount(labels[chosen], minlength=3).tolist())
    assert counts == [0, 2, 4]
    assert draw_objects(labels, 12).tolist() == list(range(12))
    # Chosen in random order, the first of them are not always those that came first.
    assert draw_objects(torch.full((9,), -1), 8).tolist() != list(range(8))
