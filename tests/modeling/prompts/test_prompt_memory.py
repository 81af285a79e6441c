from __future__ import annotations

import pytest
import torch

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.prompts.prompt_memory import PromptMemory, ShownTargets
from univs.modeling.prompts.visual_tokens import FrameFeatures, VisualTokenSampler

CHANNELS, ROWS, COLUMNS, TOKENS = 4, 2, 2, 3


def clip_of(start: int, frames: int) -> ClipMemory:
    """A clip whose features are the number of their frame, counted from 1."""
    numbers = torch.arange(start + 1.0, start + frames + 1)
    maps = numbers.view(1, -1, 1, 1, 1).expand(1, frames, CHANNELS, ROWS, COLUMNS)
    return ClipMemory([maps], [maps], numbers[None])


def masks_of(*visible: bool) -> torch.Tensor:
    masks = torch.zeros(len(visible), 8 * ROWS, 8 * COLUMNS, dtype=torch.bool)
    masks[list(visible)] = True
    return masks


def memory_of(*first_frames: int, num_remembered: int = 4, published: bool = True) -> PromptMemory:
    memory = PromptMemory(
        VisualTokenSampler(TOKENS, published=published), num_remembered=num_remembered
    )
    memory.add(torch.tensor(first_frames, dtype=torch.int64))
    return memory


def slots(memory: PromptMemory, target: int = 0) -> list[int]:
    return memory.features[target, :, 0, 0].int().tolist()


def keys(prompts, target: int = 0) -> list[int]:
    """The slots that a target attends to, the first appearance first."""
    return prompts.attended.features[0, 0, target, ::TOKENS, 0].int().tolist()


def run(memory: PromptMemory, clips: int, length: int = 3, visible=None):
    """Clips that move by one frame; ``visible`` tells whether targets are seen in a frame."""
    visible = visible or (lambda frame: [True] * len(memory))
    prompts = memory.update(clip_of(0, length), 0, length, {0: masks_of(*visible(0))})
    for start in range(1, clips):
        masks = {frame: masks_of(*visible(frame)) for frame in range(start - 1, start + length - 1)}
        prompts = memory.update(clip_of(start, length), start, 1, masks)
    return prompts


def test_the_first_frame_prompts_the_whole_first_clip():
    memory = memory_of(0)
    prompts = run(memory, 1)
    assert slots(memory) == [1, 1, 1]
    assert keys(prompts) == [1, 1, 1, 1]
    assert prompts.own.features.shape == (1, 3, 1, TOKENS, CHANNELS)


def test_overlapping_frames_refresh_their_slots_and_those_after():
    memory = memory_of(0)
    run(memory, 2)
    assert slots(memory) == [1, 2, 3, 3]
    run_on = memory.update(clip_of(2, 3), 2, 1, {frame: masks_of(True) for frame in range(1, 4)})
    # The first slot left the ring of four, but is attended to as the first appearance.
    assert slots(memory) == [2, 3, 4, 4]
    assert keys(run_on) == [1, 2, 3, 4, 4]


def test_memory_does_not_grow_with_the_video():
    memory = memory_of(0)
    prompts = run(memory, 40)
    assert memory.features.shape[1] == 4
    assert memory.num_slots == 42
    assert keys(prompts)[0] == 1


def test_a_target_out_of_sight_keeps_its_slots_and_gets_blank_ones():
    memory = memory_of(0)
    run(memory, 4, visible=lambda frame: [frame < 2])
    assert slots(memory) == [2, 2, 0, 0]


def test_a_target_given_later_is_prompted_from_there():
    memory = memory_of(0, 2)
    prompts = run(memory, 2, visible=lambda frame: [True, frame >= 2])
    assert slots(memory, 1) == [0, 0, 3, 3]
    assert keys(prompts, 1)[0] == 3


def test_targets_found_later_are_blank_until_the_next_clip():
    memory = memory_of(0)
    run(memory, 1)
    memory.add(torch.tensor([0]))
    assert slots(memory, 1) == [0, 0, 0]
    masks = {frame: masks_of(True, True) for frame in range(3)}
    prompts = memory.update(clip_of(1, 3), 1, 1, masks)
    assert keys(prompts, 1) == [0, 0, 2, 3, 3]


@pytest.mark.parametrize(("published", "before"), [(True, 2), (False, 0)])
def test_memory_made_in_the_second_clip_starts_with_features_of_this_clip_as_published(
    published, before
):
    memory = memory_of(0, published=published)
    masks = {frame: masks_of(True) for frame in range(3)}
    memory.update(clip_of(1, 3), 1, 1, masks)
    assert slots(memory) == [before, 2, 3, 3]


def test_clips_of_one_frame_are_prompted_by_the_frame_before():
    memory = memory_of(0)
    memory.update(clip_of(0, 1), 0, 1, {0: masks_of(True)})
    memory.update(clip_of(1, 1), 1, 1, {0: masks_of(True)})
    assert slots(memory) == [2, 0]


def test_without_overlap_the_frame_before_prompts_the_clip():
    memory = memory_of(0)
    memory.update(clip_of(0, 2), 0, 2, {0: masks_of(True)})
    before = FrameFeatures.of(clip_of(1, 1), 0, 0)
    memory.update(clip_of(2, 2), 2, 2, {1: masks_of(True)}, before=before)
    assert slots(memory) == [1, 2, 2, 2]


def test_targets_shown_in_a_frame_prompt_from_there():
    memory = memory_of(0, 2)
    tokens = torch.full((1, TOKENS, CHANNELS), 9.0)
    shown = {2: ShownTargets(torch.tensor([1]), tokens, tokens)}
    masks = {frame: masks_of(True, False) for frame in range(3)}
    memory.update(clip_of(0, 3), 0, 3, {0: masks[0]})
    prompts = memory.update(clip_of(1, 3), 1, 1, masks, shown=shown)
    assert slots(memory, 0) == [1, 2, 3, 3]
    assert slots(memory, 1) == [0, 0, 9, 9]
    assert keys(prompts, 1)[0] == 9


def test_frames_without_targets_can_be_skipped():
    masks = {frame: masks_of(frame == 7) for frame in range(6, 8)}
    known, late = memory_of(7), memory_of(7)
    run(known, 6, visible=lambda frame: [False])
    late.skip(clip_of(6, 3), 8)
    for memory in (known, late):
        prompts = memory.update(clip_of(6, 3), 6, 1, masks)
        assert slots(memory) == [0, 0, 8, 8]
        assert keys(prompts) == [8, 0, 0, 8, 8]
        assert memory.num_slots == 9


def test_a_target_that_appears_anew_forgets_its_prompts_from_there_on():
    memory = memory_of(0, 0)
    run(memory, 2)
    memory.restart(0, 2)
    memory.blank(1, 1)
    assert slots(memory, 0) == [1, 2, 0, 0]
    assert slots(memory, 1) == [1, 0, 0, 0]
    masks = {frame: masks_of(frame == 2, False) for frame in range(1, 4)}
    prompts = memory.update(clip_of(2, 3), 2, 1, masks)
    assert keys(prompts, 0) == [3, 2, 3, 3, 3]
    assert keys(prompts, 1)[0] == 1


def test_targets_can_be_forgotten():
    memory = memory_of(0, 0, 0)
    run(memory, 2)
    memory.keep(torch.tensor([2]))
    assert len(memory) == 1
    assert memory.features.shape[0] == 1


def test_nothing_to_prompt_with():
    assert memory_of().update(clip_of(0, 3), 0, 3, {0: masks_of()}) is None
    assert memory_of(0).update(clip_of(0, 3), 0, 3, {}) is None


def test_the_number_of_masks_must_be_that_of_the_targets():
    with pytest.raises(ValueError, match="There are 2 targets, but masks of 1"):
        memory_of(0, 0).update(clip_of(0, 3), 0, 3, {0: masks_of(True)})
