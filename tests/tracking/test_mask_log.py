from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univs.structures import encode_mask
from univs.tracking.mask_log import MaskLog

SIZE = (5, 7)


def masks_of(numbers: list[int], seed: int) -> dict:
    random = np.random.default_rng(seed)
    return {number: encode_mask(random.random(SIZE) < 0.5) for number in numbers}


@given(st.lists(st.lists(st.integers(0, 9), unique=True, max_size=5), max_size=6))
def test_it_reads_like_a_list_of_dictionaries(frames):
    expected = [masks_of(numbers, index) for index, numbers in enumerate(frames)]
    log = MaskLog()
    for masks in expected:
        log.append(masks)
    assert len(log) == len(expected) and list(log) == expected
    assert [log[-index - 1] for index in range(len(log))] == expected[::-1]
    tracks = log.segmentations(range(10))
    for number in range(10):
        assert tracks[number] == [masks.get(number) for masks in expected]


def test_frames_that_are_not_there():
    log = MaskLog()
    with pytest.raises(IndexError, match="no frame 0 among 0"):
        log[0]
    log.append({})
    assert log[0] == {} and log.segmentations([3]) == {3: [None]}
    with pytest.raises(IndexError, match="no frame 1 among 1"):
        log[1]
