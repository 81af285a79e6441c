from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from univs.structures import FrameResult, LostTrack, Segment, encode_mask
from univs.tracking.track_states import TrackStates

SIZE = (4, 5)
RLE = encode_mask(np.ones(SIZE, bool))


def frames(visible: list[set[int]]) -> list[FrameResult]:
    """Results in which the given tracks are visible; the score of track k is k / 10."""
    return [
        FrameResult(
            frame_index=index,
            size=SIZE,
            segments=[Segment(track_id=k, rle=RLE, score=k / 10) for k in sorted(tracks)],
        )
        for index, tracks in enumerate(visible)
    ]


def test_tracks_are_lost_and_found_again():
    results = TrackStates().annotated(frames([{1}, {1, 2}, {2}, set(), {1, 2}, {1, 2}]))
    assert [[s.num_hidden for s in r.segments] for r in results] == [
        [0], [0, 0], [0], [], [2, 1], [0, 0]
    ]  # fmt: skip
    assert results[1].lost == ()
    assert results[2].lost == (LostTrack(track_id=1, score=0.1, num_hidden=1),)
    assert results[3].lost == (
        LostTrack(track_id=1, score=0.1, num_hidden=2),
        LostTrack(track_id=2, score=0.2, num_hidden=1),
    )
    assert results[4].lost == ()
    assert results[3].filtered(0.15).lost == results[3].lost[1:]


def test_tracks_that_are_removed_are_not_lost():
    states = TrackStates()
    states.annotated(frames([{1, 2}]))
    states.forget(1)
    (result,) = states.annotated(frames([{1, 2}, {2}])[1:])
    assert result.lost == ()


@given(st.lists(st.sets(st.integers(1, 5)), max_size=8))
def test_every_known_track_is_either_visible_or_lost(visible):
    known: set[int] = set()
    for tracks, result in zip(visible, TrackStates().annotated(frames(visible)), strict=True):
        known |= tracks
        shown = {segment.track_id for segment in result.segments}
        lost = {track.track_id for track in result.lost}
        assert shown == tracks and lost == known - tracks
