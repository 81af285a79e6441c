from __future__ import annotations

import pytest
import torch

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.prompts.prompt_types import PromptKind, PromptObjects
from univs.modeling.prompts.training_prompts import TrainingPromptSampler, key_frame_tokens
from univs.modeling.prompts.visual_tokens import FrameFeatures, VisualTokenSampler

CHANNELS, FRAMES, ROWS, COLUMNS, TOKENS = 8, 3, 4, 6, 5


def memory_of(clips: int = 1) -> ClipMemory:
    torch.manual_seed(0)
    shape = (clips, FRAMES, CHANNELS, ROWS, COLUMNS)
    features = torch.randn(shape, requires_grad=True)
    return ClipMemory([features], [torch.randn(shape)], torch.zeros(clips, FRAMES))


def objects_of(count: int, *, num_prompts: int = 10, absent: tuple[int, ...] = ()) -> PromptObjects:
    masks = torch.zeros(count, FRAMES, 8 * ROWS, 8 * COLUMNS, dtype=torch.bool)
    boxes = torch.zeros(count, FRAMES, 4)
    for index in range(count):
        x = 8 * index
        masks[index, :, 4:28, x : x + 16] = True
        boxes[index] = torch.tensor([x / (8 * COLUMNS), 1 / 8, (x + 16) / (8 * COLUMNS), 7 / 8])
    visible = torch.ones(count, FRAMES, dtype=torch.bool)
    visible[list(absent)] = False
    masks &= visible[..., None, None]
    return PromptObjects(masks, boxes * visible[..., None], visible, num_prompts)


@pytest.fixture
def sampler() -> TrainingPromptSampler:
    return TrainingPromptSampler(VisualTokenSampler(TOKENS))


def test_every_visible_object_is_prompted_once(sampler):
    for seed in range(8):
        drawn = sampler(memory_of(), [objects_of(4, absent=(2,))], seeded(seed))
        assert sorted(drawn.rows[0].tolist()) == [0, 1, 3]
        features = drawn.prompts.own.features
        assert features.shape == (1, 1, 3, TOKENS, CHANNELS)
        assert features.flatten(3).any(-1).all()
        assert not features.requires_grad


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_tokens_stand_in_the_order_of_their_objects(sampler):
    # Each column of cells has a feature of its own, so that tokens show where they come from.
    memory = memory_of()
    columns = torch.arange(1.0, COLUMNS + 1).expand(1, FRAMES, CHANNELS, ROWS, COLUMNS)
    memory.features[0], memory.positions[0] = columns, columns
    kinds = set()
    for seed in range(12):
        drawn = sampler(memory, [objects_of(4)], seeded(seed))
        kinds |= set(drawn.kinds[0].tolist())
        features = drawn.prompts.own.features[0, 0, :, :, 0]
        found = zip(drawn.rows[0].tolist(), drawn.kinds[0].tolist(), features, strict=True)
        for row, kind, tokens in found:
            # An object spans two columns. Points are sampled between their centres; boxes are
            # moved, and reach one column further as published.
            first, last = {
                PromptKind.MASK: (row + 1, row + 2),
                PromptKind.POINT: (row + 0.5, row + 2.5),
                PromptKind.BOX: (row + 1, row + 4),
            }[kind]
            assert ((tokens >= first) & (tokens <= last)).all()
    assert kinds == set(PromptKind)


def test_the_same_seed_gives_the_same_prompts(sampler):
    first, second = (sampler(memory_of(), [objects_of(4)], seeded(7)) for _ in range(2))
    assert torch.equal(first.rows[0], second.rows[0])
    assert torch.equal(first.prompts.own.features, second.prompts.own.features)


def test_at_most_the_wanted_number_is_drawn(sampler):
    drawn = sampler(memory_of(), [objects_of(5, num_prompts=2)], seeded(0))
    assert drawn.prompts.shape == (1, 2)


def test_clips_of_a_batch_have_equally_many_prompts(sampler):
    batch = [objects_of(3, num_prompts=3), objects_of(1, num_prompts=3)]
    drawn = sampler(memory_of(2), batch, seeded(0))
    assert drawn.prompts.shape == (2, 3)
    assert drawn.rows[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("empty", [objects_of(0), objects_of(2, absent=(0, 1))])
def test_a_clip_without_objects_leaves_the_batch_without_prompts(sampler, empty):
    drawn = sampler(memory_of(2), [objects_of(2, num_prompts=2), empty], seeded(0))
    assert drawn.prompts is None
    assert set(drawn.rows[1].tolist()) == {-1}


def test_given_objects_are_prompted_also_where_they_are_absent(sampler):
    objects = objects_of(3, absent=(1,))
    objects.rows = torch.tensor([2, 1])
    drawn = sampler(memory_of(), [objects], seeded(0))
    assert drawn.rows[0].tolist() == [2, 1]
    assert drawn.prompts.own.features[0, 0, 0].any()
    assert not drawn.prompts.own.features[0, 0, 1].any()


def test_objects_must_agree_in_number():
    with pytest.raises(ValueError, match="boxes of prompt objects"):
        PromptObjects(
            torch.zeros(2, 3, 8, 8, dtype=torch.bool),
            torch.zeros(1, 3, 4),
            torch.ones(2, 3, dtype=torch.bool),
            2,
        )


def test_key_frames_are_joined_frame_by_frame():
    memory, objects = memory_of(), objects_of(2)
    sampler = VisualTokenSampler(TOKENS, published=False)
    tokens = key_frame_tokens(sampler, memory, objects.masks, range(1, 3))
    assert tokens.features.shape == (1, 1, 2, 2 * TOKENS, CHANNELS)
    frame = FrameFeatures.of(memory, 0, 2)
    expected, _ = sampler.from_masks(frame, objects.masks[:, 2])
    assert torch.equal(tokens.features[0, 0, :, TOKENS:], expected)
