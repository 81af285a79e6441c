from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.cases import random_pinned
from reference.models import subsampled, unpack_bits
from reference.small_univs import Runner, follow, id_maps, noise_video, rectangle, small_univs_model
from reference.univs_models import univs_model, write_concept_table
from reference.univs_object_procedure import segment_objects
from univs.structures import BoxTarget, MaskTarget, PointTarget, TextTarget
from univs.tracking.univs_objects import ObjectTask
from univs.tracking.univs_stuff import StuffClasses

LARGE, SMALL = rectangle(5, 5, 30, 40), rectangle(30, 35, 45, 60)


@pytest.fixture(scope="module")
def model():
    return small_univs_model()


@pytest.fixture(scope="module")
def model_without_draws():
    """All cells of an object are its tokens."""
    return small_univs_model("MODEL.UniVS.VISUAL_PROMPT_PIXELS_PER_IMAGE", 128)


def task_of(*targets, published=True, seed=0, **options) -> ObjectTask:
    generator = torch.Generator().manual_seed(seed)
    task = ObjectTask(published=published, generator=generator, **options)
    for target in targets:
        task.add_target(target, next_start=0)
    return task


def mask_target(target_id: int, mask: np.ndarray = LARGE, frame: int = 0, **options) -> MaskTarget:
    return MaskTarget(id=target_id, frame_index=frame, mask=mask, **options)


def visible(result, target_id: int) -> list[int]:
    return next(track for track in result.tracks if track.id == target_id).visible_frames


@pytest.mark.golden("univs", "r50_eval_visual_vos")
def test_masks_and_queries_of_a_video_equal_the_original(case, tmp_path):
    model = univs_model(case, write_concept_table(tmp_path / "table.pth"))
    last = case.meta["num_clips"] - 1
    video = case.arrays["video"].transpose(0, 2, 3, 1)
    masks = unpack_bits(case.tensor("object_masks"), video.shape[2]).numpy()
    task = ObjectTask(published=True)
    for row, frame in enumerate(case.arrays[f"clip{last}_first_appear"].tolist()):
        task.add_target(mask_target(row + 1, masks[row], frame), next_start=0)
    length = case.meta["config"]["INPUT.SAMPLING_FRAME_NUM"]
    runner = Runner(model, task, clip_length=length, stride=case.meta["config"]["CLIP_STRIDE"])
    with random_pinned():
        runner.push(video[: length - 1])
        for clip, frame in enumerate(video[length - 1 :]):
            runner.push([frame])
            name = f"clip{clip}_state_mask_logits"
            logits = task.states.mask_logits[:, -length:]
            case.check(name, subsampled(logits, case.arrays[name]))
            # Of all frames so far; the task keeps those that are compared with.
            name, kept = f"clip{clip}_state_embds", task.states.queries
            stored = case.arrays[name][:, -kept.shape[1] :]
            np.testing.assert_allclose(subsampled(kept, stored), stored, **case.tolerance(name))


def test_frames_of_a_video_equal_the_plain_procedure(model):
    objects = {1: (0, LARGE), 4: (2, SMALL)}
    expected = segment_objects(model, noise_video(8), objects, clip_length=3)
    task = task_of(*(mask_target(k, mask, frame) for k, (frame, mask) in objects.items()))
    runner = Runner(model, task, clip_length=3)
    for clip, frames in enumerate(np.split(noise_video(8), range(3, 8))):
        runner.push(frames)
        slots = task.prompt_memory.features.flatten(2).any(-1).numpy()
        np.testing.assert_array_equal(slots, expected.slots[clip][:, -slots.shape[1] :])
    maps = id_maps(runner.finish())
    np.testing.assert_array_equal(maps, expected.id_maps)
    # Frames must not be trivial.
    assert {1, 4} <= set(np.unique(maps[3:]))
    assert (expected.slots[0] == [[True] * 3, [False] * 3]).all()
    assert (expected.slots[1][1] == [False, False, True, True]).all()


@settings(max_examples=12)
@given(st.data())
def test_any_video_equals_the_plain_procedure(model, model_without_draws, data):
    length = data.draw(st.integers(2, 5), "clip length")
    stride = data.draw(st.integers(1, length // 2), "stride")
    total = length + stride * data.draw(st.integers(0, 4), "further clips")
    frames = st.one_of(st.just(0), st.integers(min(stride, total - 1), total - 1))
    masks = st.sampled_from([LARGE, SMALL, rectangle(12, 20, 15, 23), rectangle(0, 0, 50, 70)])
    objects = data.draw(st.lists(st.tuples(frames, masks), min_size=1, max_size=3), "objects")
    threshold = data.draw(st.sampled_from([0.5, 0.97]), "threshold")
    objects = {index + 1: given for index, given in enumerate(objects)}
    options = {"clip_length": length, "stride": stride}
    if all(frame > 0 for frame, _ in objects.values()):
        # Clips before the first object are skipped, and with them what is drawn in them.
        model = model_without_draws
    expected = segment_objects(
        model, noise_video(total), objects, consistency_threshold=threshold, **options
    )
    task = task_of(
        *(mask_target(k, mask, frame) for k, (frame, mask) in objects.items()),
        consistency_threshold=threshold,
    )
    maps = id_maps(follow(model, task, noise_video(total), **options))
    np.testing.assert_array_equal(maps, expected.id_maps)


@settings(max_examples=12)
@given(
    total=st.integers(1, 9),
    length=st.integers(1, 5),
    stride=st.integers(1, 5),
    first=st.integers(0, 9),
    published=st.booleans(),
)
def test_every_frame_is_saved_whatever_the_clips(model, total, length, stride, first, published):
    task = task_of(mask_target(1), mask_target(2, SMALL, first), published=published)
    stride = min(stride, length)
    result = follow(model, task, noise_video(total), clip_length=length, stride=stride)
    assert result.num_frames == task.num_final == total
    assert 0 in visible(result, 1)
    assert visible(result, 2)[:1] == ([first] if first < total else [])


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize(("length", "stride"), [(3, 1), (4, 2)])
def test_a_target_added_on_the_way_is_followed_as_if_it_had_been_known(
    model, published, length, stride
):
    video = noise_video(12)
    options = {"clip_length": length, "stride": stride}
    known = follow(model, task_of(mask_target(2, SMALL, 7), published=published), video, **options)
    task = task_of(published=published)
    runner = Runner(model, task, **options)
    runner.push(video[:7])
    task.add_target(mask_target(2, SMALL, 7), next_start=runner.next_start)
    runner.push(video[7:])
    np.testing.assert_array_equal(id_maps(runner.finish()), id_maps(known))


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (3, 3), (4, 3)])
def test_a_late_target_is_prompted_even_if_no_later_clip_has_its_frame(model, length, stride):
    task = task_of(mask_target(1, LARGE, 4))
    runner = Runner(model, task, clip_length=length, stride=stride)
    while runner.frames.num_frames <= 4 or task.states is None:
        runner.push(noise_video(5)[-1:])
    assert task.prompt_memory.features[0, -1].any()


def test_the_given_mask_comes_out_as_it_is_unless_published(model):
    mask = rectangle(10, 21, 31, 40)
    results = [
        follow(
            model,
            task_of(mask_target(1, mask), published=published),
            noise_video(4),
            clip_length=3,
            min_size=80,
        )
        for published in (False, True)
    ]
    exact, published = (result.tracks[0].masks(0, 1)[0] for result in results)
    np.testing.assert_array_equal(exact, mask)
    assert (published & mask).sum() == mask.sum() < published.sum()  # as published, wider


@pytest.mark.parametrize("frame", [0, 3])
def test_points_and_boxes_prompt_the_clip_that_they_are_in(model, frame):
    task = task_of(
        PointTarget(id=1, frame_index=frame, points=[[20, 20], [30, 22]]),
        BoxTarget(id=2, frame_index=frame, box=[30, 20, 300, 45]),
    )
    runner = Runner(model, task, clip_length=3)
    runner.push(noise_video(6)[: max(frame + 1, 3)])
    tokens = task.prompt_memory.features[:, -1]  # P R C
    assert tokens.flatten(1).any(1).all()
    assert torch.equal(tokens[0, 0], tokens[0, 2])  # two points share the tokens
    assert not torch.equal(tokens[0, 0], tokens[0, 1])
    runner.push(noise_video(6)[max(frame + 1, 3) :])
    for track in runner.finish().tracks:
        assert min(track.visible_frames, default=frame) >= frame


def test_masks_are_disjoint(model):
    task = task_of(mask_target(3, LARGE), mask_target(1, rectangle(8, 8, 40, 50)))
    result = follow(model, task, noise_video(5), clip_length=3)
    masks = np.stack([track.masks() for track in result.tracks])
    assert masks.sum(0).max() == 1
    assert [track.target_id for track in result.tracks] == [1, 3]


def test_a_correction_replaces_the_mask_from_its_frame_on(model):
    def corrected(mask, frame=4):
        task = task_of(mask_target(1))
        runner = Runner(model, task, clip_length=3)
        runner.push(noise_video(9)[:6])
        task.refine_target(1, mask_target(1, mask, frame), next_start=runner.next_start)
        runner.push(noise_video(9)[6:])
        return runner.finish().tracks[0].masks()

    before = follow(model, task_of(mask_target(1)), noise_video(9), clip_length=3).tracks[0].masks()
    after = corrected(SMALL)
    np.testing.assert_array_equal(after[:4], before[:4])
    np.testing.assert_array_equal(after[4], SMALL)
    assert (after[5:] != before[5:]).any((1, 2)).all()
    assert not corrected(np.zeros_like(SMALL))[4].any()


def test_a_correction_of_a_target_to_come_replaces_it(model):
    task = task_of(mask_target(1, LARGE, 5))
    task.refine_target(1, mask_target(1, SMALL, 2), next_start=0)
    result = follow(model, task, noise_video(7), clip_length=3)
    assert visible(result, 1)[0] == 2


def test_a_target_corrected_before_it_was_segmented_has_no_gap(model):
    task = task_of(mask_target(1), published=False)
    task.refine_target(1, mask_target(1, SMALL, 2), next_start=0)
    result = follow(model, task, noise_video(5), clip_length=4)
    masks = result.tracks[0].masks()
    np.testing.assert_array_equal(masks[[0, 2]], [LARGE, SMALL])
    assert masks[1].any()


def test_a_removed_target_leaves_the_network_and_the_coming_frames(model):
    task = task_of(mask_target(1), mask_target(2, SMALL))
    runner = Runner(model, task, clip_length=3)
    runner.push(noise_video(9)[:6])
    task.remove_target(1)
    assert len(task.prompt_memory) == len(task.states.ids) == 1
    runner.push(noise_video(9)[6:])
    result = runner.finish()
    assert visible(result, 1) and max(visible(result, 1)) == runner.next_start - 4
    assert max(visible(result, 2)) > 3
    with pytest.raises(ValueError, match="target 1 is given twice"):
        task.add_target(mask_target(1, frame=9), next_start=9)


def test_targets_may_come_after_all_others_were_removed(model):
    task = task_of(mask_target(1))
    runner = Runner(model, task, clip_length=3)
    runner.push(noise_video(16)[:6])
    task.remove_target(1)
    runner.push(noise_video(16)[6:12])
    task.add_target(mask_target(2, SMALL, 13), next_start=runner.next_start)
    runner.push(noise_video(16)[12:])
    result = runner.finish()
    assert max(visible(result, 1)) < 6
    assert visible(result, 2)[0] == 13


@pytest.mark.parametrize("published", [True, False])
def test_memory_does_not_grow_with_the_video(model, published):
    def size_after(total: int) -> int:
        task = task_of(mask_target(1), mask_target(2, SMALL, 3), published=published)
        Runner(model, task, clip_length=3, stride=2).push(noise_video(total))
        tensors = [
            task.states.mask_logits,
            task.states.queries,
            *(getattr(task.prompt_memory, name) for name in ("features", "positions")),
        ]
        return sum(tensor.untyped_storage().nbytes() for tensor in tensors)

    assert size_after(13) == size_after(41)


def test_an_empty_mask_is_an_object_out_of_sight(model):
    task = task_of(mask_target(1, np.zeros_like(LARGE)), mask_target(2, SMALL))
    result = follow(model, task, noise_video(5), clip_length=3)
    assert visible(result, 1) == []
    assert visible(result, 2)


def test_without_targets_the_result_is_empty(model):
    result = follow(model, task_of(), noise_video(4), clip_length=3)
    assert (result.num_frames, result.tracks) == (4, [])


def test_stuff_takes_the_pixels_of_its_category(model):
    stuff = StuffClasses(rows=model.concepts.rows("stuff"), categories=frozenset({0, 1}))

    def masks_of(category):
        task = task_of(mask_target(1, LARGE, category=category), stuff=stuff)
        result = follow(model, task, noise_video(5), clip_length=3)
        assert result.tracks[0].category == category
        return result.tracks[0].masks()

    # The two categories share all pixels of frames in which the stuff is found anew.
    unknown, sky, sea = (masks_of(category) for category in (None, 0, 1))
    assert (sky | sea)[1:].all()
    assert not unknown[1:].all((1, 2)).any()
    np.testing.assert_array_equal(sky[0], LARGE)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (TextTarget(id=1, text="a ring"), "target 1 is a TextTarget: this task takes a MaskTarget"),
        (
            PointTarget(id=1, points=[[1, 2], [3, 4]], is_inside=np.array([True, False])),
            "points outside of the object",
        ),
        (mask_target(1, frame=2), "frames before 3 were segmented already"),
    ],
)
def test_targets_that_cannot_be_followed_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        task_of().add_target(target, next_start=3)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (mask_target(1, np.ones((4, 6), bool)), r"size \[4, 6\], but the frames .* \[50, 70\]"),
        (PointTarget(id=1, points=[[71, 3]]), "point of target 1 is outside of the frame of 70"),
        (BoxTarget(id=1, box=[70, 3, 80, 9]), "box of target 1 is outside of the frame"),
    ],
)
def test_targets_that_do_not_fit_the_frame_are_refused(model, target, message):
    with pytest.raises(ValueError, match=message):
        follow(model, task_of(target), noise_video(3), clip_length=3)
    task = task_of(mask_target(5))
    Runner(model, task, clip_length=3).push(noise_video(3))
    with pytest.raises(ValueError, match=message):
        task.add_target(target, next_start=0)
    with pytest.raises(ValueError, match="mask of target 5 has the size"):
        task.refine_target(5, mask_target(5, np.ones((4, 6), bool), 1), next_start=1)


def test_unknown_ids_are_named():
    task = task_of(mask_target(3))
    with pytest.raises(ValueError, match="no target 4; those followed: 3"):
        task.remove_target(4)
    with pytest.raises(ValueError, match="no target 4"):
        task.refine_target(4, mask_target(4), next_start=0)
    with pytest.raises(ValueError, match="correction of target 3 has the id 4"):
        task.refine_target(3, mask_target(4), next_start=0)
    with pytest.raises(ValueError, match="target 3 is given twice"):
        task.add_target(mask_target(3), next_start=0)
