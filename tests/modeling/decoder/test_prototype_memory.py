from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from univs.modeling.decoder.prototype_memory import PrototypeMemory


def clips(count: int) -> torch.Tensor:
    """Keys and values ``(count, 2, G, Q, C)``."""
    torch.manual_seed(0)
    return torch.randn(count, 2, 2, 3, 4)


def assert_holds(memory: PrototypeMemory, expected: torch.Tensor) -> None:
    assert len(memory) == len(expected)
    assert torch.equal(memory.keys, expected[:, 0].movedim(0, 2))
    assert torch.equal(memory.values, expected[:, 1].movedim(0, 2))


@given(count=st.integers(1, 60), most=st.integers(0, 12), records=st.booleans())
def test_the_last_clips_are_held_in_order(count, most, records):
    entries = clips(count)
    with torch.set_grad_enabled(records):
        memory = PrototypeMemory.of(*entries[0])
        for index in range(1, count):
            memory = memory.appended(*entries[index], most=most)
            first = max(0, index + 1 - most) if most else 0
            assert_holds(memory, entries[first : index + 1])


@given(count=st.integers(1, 30), most=st.integers(0, 12))
@torch.no_grad()
def test_two_videos_can_go_on_from_one_memory(count, most):
    entries = clips(count + 2)
    memories = [PrototypeMemory.of(*entries[0])]
    for entry in entries[1:count]:
        memories.append(memories[-1].appended(*entry, most=most))
    one = memories[-1].appended(*entries[-2], most=most)
    other = memories[-1].appended(*entries[-1], most=most)
    kept = entries[:count][-(most - 1) :] if most > 1 else entries[: 0 if most else count]
    assert_holds(one, torch.cat((kept, entries[-2:-1])))
    assert_holds(other, torch.cat((kept, entries[-1:])))
    for index, memory in enumerate(memories):  # none has changed
        first = max(0, index + 1 - most) if most else 0
        assert_holds(memory, entries[first : index + 1])


@torch.no_grad()
def test_the_buffer_is_little_larger_than_what_is_held_and_rarely_copied():
    entries = clips(400)
    memory, buffers = PrototypeMemory.of(*entries[0]), set()
    for entry in entries[1:]:
        memory = memory.appended(*entry, most=100)
        assert memory._buffer.shape[3] <= 1.25 * len(memory) + 8
        buffers.add(memory._buffer.data_ptr())
    assert len(memory) == 100 and len(buffers) < 30


def test_gradients_reach_every_clip():
    entries = clips(3).requires_grad_()
    memory = PrototypeMemory.of(*entries[0])
    for entry in entries[1:]:
        memory = memory.appended(*entry)
    (memory.keys.sum() + memory.values.sum()).backward()
    assert (entries.grad == 1).all()
