from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from univs.tracking.frame_store import FrameStore


@given(st.integers(0, 9), st.integers(1, 4))
def test_frames_come_back_in_order(num_frames, batch):
    frames = torch.randint(0, 256, (num_frames, 3, 4, 6), dtype=torch.uint8)
    store = FrameStore()
    for frame in frames:
        store.append(frame)
    assert len(store) == num_frames
    for _ in range(2):  # they can be read again
        batches = list(store.batches(batch))
        assert all(len(found) == batch for found in batches[:-1])
        found = [frame for of_batch in batches for frame in of_batch]
        assert len(found) == num_frames
        assert all(torch.equal(*pair) for pair in zip(found, frames, strict=True))


def test_closed_stores_are_empty():
    store = FrameStore()
    store.append(torch.zeros(3, 4, 6, dtype=torch.uint8))
    store.close()
    with pytest.raises(ValueError, match="closed"):
        next(store.batches(1))
