from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference.cases import random_pinned
from reference.object_losses import (
    PARAMETERS,
    criterion_arguments,
    golden_frame_matches,
    golden_leaves,
    golden_output,
    leaf,
    no_matches,
    small_output,
    small_targets,
)
from reference.object_models import stored_assignment
from univs.modeling.losses import GenvisCriterion
from univs.modeling.losses.genvis_criterion import UnifiedMatcher, last_of_each_query
from univs.modeling.targets import ClipTargets


@pytest.mark.golden("genvis", "criterion")
def test_a_whole_video_equals_the_original(case):
    parameters = case.meta["parameters"]
    criterion = GenvisCriterion(reuse_hidden_queries=True, **criterion_arguments(parameters))
    videos = [
        ClipTargets(
            labels=case.tensor(f"video{b}_labels"),
            masks=case.tensor(f"video{b}_masks").bool(),
            ids=case.tensor(f"video{b}_ids"),
        )
        for b in range(parameters["B"])
    ]
    assignment, shared_in = None, []
    seen = [torch.zeros(len(video)).bool() for video in videos]
    for clip, frame_matches in enumerate(case.meta["frame_indices_per_clip"]):
        prefix, start = f"clip{clip}_", clip * parameters["W"]
        leaves = golden_leaves(case, prefix)
        identities = leaf(case, f"{prefix}pred_fq_embed")
        targets = [video.frames(start, start + parameters["W"]) for video in videos]
        for b, target in enumerate(targets):
            visible = target.masks.flatten(1).any(1)
            case.check(f"{prefix}video{b}_valid_inst", visible.byte())
            case.check(f"{prefix}video{b}_new_inst", (visible & ~seen[b]).byte())
            seen[b] |= visible
        with random_pinned():
            losses, assignment = criterion(
                golden_output(leaves),
                targets,
                identities.flatten(0, 1),
                golden_frame_matches(frame_matches),
                assignment,
            )
        names = case.meta["loss_names"]
        assert sorted(losses) == sorted(names)
        case.check(f"{prefix}losses", torch.stack([losses[name] for name in names]))
        expected = case.arrays[f"{prefix}indices"]
        actual = stored_assignment(assignment, seen, like=expected)
        np.testing.assert_array_equal(*actual)
        sum(losses.values()).backward()
        for head, of_head in leaves.items():
            norms = [torch.zeros(()) if x.grad is None else x.grad.norm() for x in of_head.values()]
            case.check(f"{prefix}grad_norm_{head}", torch.stack(norms))
        if is_shared(assignment, case.meta.get("shared_query_check"), seen):
            shared_in.append(clip)
    assert len(shared_in) > 0 or "shared_query_check" not in case.meta


def is_shared(assignment: list, check: dict | None, seen: list[torch.Tensor]) -> bool:
    """Whether two objects of a video share a query; if so, assert that it is the expected one."""
    if check is None:
        return False
    queries = assignment[0][check["L_index"] * len(seen) + check["video"]]
    visible = seen[check["video"]]
    if len(set(queries[visible].tolist())) == visible.sum():
        return False
    first = visible.nonzero().flatten()[:3]
    assert queries[first].tolist() == [check["query_of_instance"][i] for i in first]
    return True


def video(visible: list[list[bool]]) -> list[ClipTargets]:
    """One target per clip of one frame, of objects that are visible where it says so."""
    clips = []
    for clip in np.array(visible).T:
        masks = torch.from_numpy(clip.copy())[:, None, None, None] & torch.ones(1, 1, 24, 32).bool()
        ids = torch.where(torch.from_numpy(clip.copy()), torch.arange(len(clip)), -1)[:, None]
        clips.append(ClipTargets(torch.zeros(len(clip)).long(), masks, ids))
    return clips


def assign(clips: list[ClipTargets], num_queries: int, *, reuse: bool) -> list[torch.Tensor]:
    """The query of every object after each clip."""
    matcher = criterion_arguments(PARAMETERS)["matcher"]
    unified = UnifiedMatcher(matcher, reuse_hidden_queries=reuse)
    assignment, after = None, []
    for seed, clip in enumerate(clips):
        torch.manual_seed(seed)
        assignment, _ = unified([small_output(1, num_queries, 1).final], [clip], assignment)
        after.append(assignment[0][0])
    return after


@given(
    visible=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=7),
    num_queries=st.integers(1, 8),
)
def test_a_query_belongs_to_at_most_one_object_of_a_video(visible, num_queries):
    before = torch.full((len(visible),), -1)
    for after in assign(video(visible), num_queries, reuse=False):
        given_out = after[after >= 0]
        assert len(set(given_out.tolist())) == len(given_out)
        assert torch.equal(after[before >= 0], before[before >= 0])  # nobody loses a query
        before = after


def test_a_hidden_object_loses_its_query_as_published_only():
    # The only query goes to the first object, which is hidden when the second one appears.
    clips = video([[True, False, True], [False, True, True]])
    assert assign(clips, 1, reuse=False)[-1].tolist() == [0, -1]
    assert assign(clips, 1, reuse=True)[-1].tolist() == [0, 0]


def test_of_objects_that_share_a_query_the_last_one_gives_the_class():
    queries, objects = last_of_each_query((torch.tensor([4, 2, 4]), torch.tensor([0, 1, 2])))
    assert dict(zip(queries.tolist(), objects.tolist(), strict=True)) == {4: 2, 2: 1}


@pytest.mark.parametrize("objects", [0, 9])
def test_no_object_and_more_objects_than_queries(objects):
    criterion = GenvisCriterion(reuse_hidden_queries=False, **criterion_arguments(PARAMETERS))
    output, identities = small_output(1, 5, 2), torch.randn(1, 2, 4, 3)
    losses, assignment = criterion(output, [small_targets(objects, 2)], identities, no_matches(2))
    assert all(loss.isfinite() for loss in losses.values())
    assert (losses["loss_genvis_mask"] > 0) == (objects > 0)
    assert (assignment[0][0] >= 0).sum() == min(objects, 5)


def test_a_clip_without_visible_objects_trains_all_queries_to_no_object():
    criterion = GenvisCriterion(reuse_hidden_queries=False, **criterion_arguments(PARAMETERS))
    target = small_targets(2, 2)
    hidden = ClipTargets(target.labels, target.masks & False, torch.full_like(target.ids, -1))
    output, identities = small_output(1, 5, 2), torch.randn(1, 2, 4, 3)
    losses, assignment = criterion(output, [hidden], identities, no_matches(2))
    assert losses["loss_genvis_mask"] == losses["loss_genvis_sim"] == 0
    assert losses["loss_genvis_ce"] > 0
    assert assignment[0][0].tolist() == [-1, -1]
