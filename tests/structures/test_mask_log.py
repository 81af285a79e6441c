from __future__ import annotations

import copy
import json
import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from univs.structures import Track, encode_mask, mask_log, spooled_blocks
from univs.structures.mask_log import MaskLog

SIZE = (5, 7)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(mask_log, "_FRAMES_PER_BLOCK", 3)
    monkeypatch.setattr(spooled_blocks, "_MOST_BYTES_IN_MEMORY", 50)


def masks_of(numbers: list[int], seed: int) -> dict:
    generator = np.random.default_rng(seed)
    return {number: encode_mask(generator.random(SIZE) < 0.5) for number in numbers}


def log_of(frames: list[dict]) -> MaskLog:
    log = MaskLog()
    for masks in frames:
        log.append(masks)
    return log


some_videos = st.lists(st.lists(st.integers(0, 9), unique=True, max_size=5), max_size=10)


@given(some_videos, st.randoms())
def test_it_reads_like_a_list_of_dictionaries(numbers, order: random.Random):
    expected = [masks_of(*frame[::-1]) for frame in enumerate(numbers)]
    log = log_of(expected)
    assert len(log) == len(expected) and list(log) == expected
    assert all(list(masks) == sorted(masks) for masks in log)
    frames = list(range(len(log)))
    order.shuffle(frames)
    assert all(log[frame] == log[frame - len(log)] == expected[frame] for frame in frames)
    for number in range(10):
        track = [masks.get(number) for masks in expected]
        assert log.track(number) == track and track == log.track(number)
        assert all(log.track(number)[frame] == track[frame] for frame in frames)
        assert log.track(number)[1:-1] == track[1:-1]
        assert log.track(number)[::-2] == track[::-2]


@given(some_videos, some_videos)
def test_a_track_ends_where_the_log_did(numbers, more):
    before, after = ([masks_of(k, i) for i, k in enumerate(part)] for part in (numbers, more))
    log = log_of(before)
    tracks = [log.track(number) for number in range(10)]
    for masks in after:
        log.append(masks)
    for number, track in enumerate(tracks):
        assert list(track) == [masks.get(number) for masks in before]
    assert list(log) == [*before, *after]


def test_frames_that_are_not_there():
    log = MaskLog()
    with pytest.raises(IndexError, match="no frame 0 among 0"):
        log[0]
    log.append({})
    assert log[0] == {} and log.track(3) == [None]
    with pytest.raises(IndexError, match="no frame 1 among 1"):
        log[1]
    with pytest.raises(IndexError, match="no frame 1 among 1"):
        log.track(3)[1]


def test_masks_without_a_pixel_are_left_out():
    empty = encode_mask(np.zeros(SIZE, bool))
    assert list(log_of([{1: empty, 2: encode_mask(np.ones(SIZE, bool))}])[0]) == [2]


def test_masks_of_another_size_are_refused():
    log = log_of([masks_of([1], 0)])
    with pytest.raises(ValueError, match=r"object 3 has the size \[2, 2\].* \[5, 7\]"):
        log.append({3: encode_mask(np.ones((2, 2), bool))})
    assert len(log) == 1


def test_tracks_can_be_made_of_logs():
    frames = [masks_of([1, 2][: index % 3], index) for index in range(8)]
    log = log_of(frames)
    track = Track(id=1, size=SIZE, segmentations=log.track(1))
    plain = Track(id=1, size=SIZE, segmentations=list(log.track(1)))
    assert track.visible_frames == plain.visible_frames == [1, 2, 4, 5, 7]
    np.testing.assert_array_equal(track.masks(2, 6), plain.masks(2, 6))
    np.testing.assert_array_equal(track.areas(), plain.areas())
    with pytest.raises(ValueError, match="track 1 has the size"):
        Track(id=1, size=(7, 5), segmentations=log.track(1))
    for other in (copy.deepcopy(track), pickle.loads(pickle.dumps(track))):
        assert isinstance(other.segmentations, list)
        assert other.segmentations == plain.segmentations
    assert json.loads(repr(log.track(9)).replace("None", "null")) == [None] * 8
    track.append(frames[1][1])
    assert len(track) == 9 and len(log) == 8
