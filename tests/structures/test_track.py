"""Tracks."""

from __future__ import annotations

import numpy as np
import pytest

from univs.structures import Track, empty_rle, encode_mask


def square(top: int, size=(6, 8)):
    mask = np.zeros(size, dtype=bool)
    mask[top : top + 2, 1:4] = True
    return encode_mask(mask)


def test_a_track_grows_frame_by_frame():
    track = Track(id=3, size=(6, 8), category=2, score=0.5)
    assert len(track) == 0
    assert track.masks().shape == (0, 6, 8)
    track.append(square(0))
    track.append(None)
    track.append(empty_rle((6, 8)))  # an empty mask is no mask
    track.append(square(3))
    track.pad_to(5)
    track.pad_to(2)
    assert len(track) == 5
    assert track.visible_frames == [0, 3]
    assert track.areas().tolist() == [6, 0, 0, 6, 0]
    assert track.boxes().tolist() == [[1, 0, 3, 2], [0] * 4, [0] * 4, [1, 3, 3, 2], [0] * 4]
    assert track.masks().sum(axis=(1, 2)).tolist() == [6, 0, 0, 6, 0]
    assert track.masks(2, 4).sum(axis=(1, 2)).tolist() == [0, 6]


def test_tracks_do_not_share_their_frames():
    first, second = Track(id=1, size=(6, 8)), Track(id=2, size=(6, 8))
    first.append(square(0))
    assert len(second) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"id": 0}, "id must be 1 or more"),
        ({"id": 1, "category": -1}, "category of track 1"),
        ({"id": 1, "target_id": 0}, "target id of track 1"),
        ({"id": 1, "score": float("nan")}, "score of track 1"),
        ({"id": 1, "segmentations": [square(0, (8, 6))]}, r"track 1 .*\[8, 6\].*\[6, 8\]"),
    ],
)
def test_wrong_tracks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Track(size=(6, 8), **arguments)


def test_a_mask_of_another_size_is_refused():
    track = Track(id=1, size=(6, 8))
    with pytest.raises(ValueError, match="track 1"):
        track.append(square(0, (8, 6)))
    assert len(track) == 0
