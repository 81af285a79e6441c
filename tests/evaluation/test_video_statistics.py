"""Identity switches, interruptions and coverage on videos that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from univs.evaluation.video_statistics import (
    TrackStatistics,
    label_map_statistics,
    track_statistics,
)
from univs.structures import encode_mask

SIZE = (8, 20)


def square(left, width=6):
    mask = np.zeros(SIZE, dtype=bool)
    mask[1:7, left : left + width] = True
    return encode_mask(mask)


A, B = square(0), square(10)


def test_perfect_tracks():
    result = track_statistics([[A] * 4, [B, B, None, B]], [[B, B, None, B], [A] * 4])
    assert result == TrackStatistics(
        num_truths=2, num_tracks=2, visible=7, matches=7, mostly_tracked=2
    )
    assert result.accuracy == 1


def test_one_object_covered_by_two_tracks_in_turn():
    result = track_statistics([[A] * 4], [[A, A, None, None], [None, None, A, A]])
    assert (result.id_switches, result.fragmentations, result.matches) == (1, 0, 4)
    assert result.accuracy == 1 - 1 / 4


def test_interruption_counts_only_while_the_object_is_visible():
    assert track_statistics([[A] * 4], [[A, None, A, A]]).fragmentations == 1
    assert track_statistics([[A, None, A, A]], [[A, None, A, A]]).fragmentations == 0
    assert track_statistics([[A] * 4], [[None, A, A, A]]).fragmentations == 0  # late, not resumed


def test_a_match_continues_although_another_track_fits_better():
    worse = square(1)  # IoU 5 / 7
    result = track_statistics([[A, A]], [[A, worse], [None, A]])
    assert result.id_switches == 0 and result.false_positives == 1


def test_lost_objects_and_false_positives():
    result = track_statistics([[A] * 5, [B] * 5], [[A, None, None, None, None], [square(5)] * 5])
    # square(5) shares one column with A and one with B, so it covers neither.
    assert (result.matches, result.misses, result.false_positives) == (1, 9, 5)
    assert (result.mostly_tracked, result.mostly_lost) == (0, 1)


def test_statistics_add_up():
    one = track_statistics([[A] * 3], [[A, None, A]])
    assert (one + one).visible == 6 and (one + one).fragmentations == 2


def test_nothing_at_all():
    assert track_statistics([], []) == TrackStatistics()
    assert math.isnan(track_statistics([], [[A]]).accuracy)
    assert track_statistics([[A]], [[None]]).misses == 1


def test_masks_of_another_size_cover_nothing():
    result = track_statistics([[A]], [[encode_mask(np.ones((3, 3), dtype=bool))]])
    assert (result.matches, result.false_positives) == (0, 1)


@settings(deadline=None, max_examples=30)
@given(*[arrays.arrays(np.uint8, (5, 6, 4), elements=st.integers(0, 3))] * 2)
def test_label_maps_give_the_same(truth, prediction):
    def tracks(maps):
        return [[encode_mask(label_map == i) for label_map in maps] for i in (1, 2, 3)]

    expected = track_statistics(tracks(truth), tracks(prediction))
    assert label_map_statistics(zip(truth, prediction, strict=True)) == expected


def test_void_pixels_of_label_maps_do_not_count():
    truth = np.array([[1, 1, 255, 255]])
    prediction = np.array([[2, 2, 2, 3]])
    result = label_map_statistics([(truth, prediction)])
    assert (result.matches, result.num_tracks, result.num_truths) == (1, 1, 1)


def test_table():
    numbers = track_statistics([[A] * 4], [[A, A, None, None], [None, None, A, A]]).as_numbers()
    assert numbers == {"IDSw": 1, "Frag": 0, "MOTA": 75, "MT": 100, "ML": 0}
    assert math.isnan(TrackStatistics().as_numbers()["MT"])


def test_wrong_input_is_an_error():
    with pytest.raises(ValueError, match="different numbers of frames"):
        track_statistics([[A]], [[A, A]])
    with pytest.raises(ValueError, match="min_iou"):
        track_statistics([], [], min_iou=0)
