from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from univs.data.sampling import sample_frames


@given(
    length=st.integers(1, 40),
    num_frames=st.integers(1, 6),
    frame_range=st.integers(1, 50),
    seed=st.integers(0, 1000),
)
def test_clips_are_ordered_and_lie_around_a_reference(length, num_frames, frame_range, seed):
    random = np.random.default_rng(seed)
    frames = sample_frames(length, num_frames, frame_range=frame_range, random=random)
    assert len(frames) == num_frames
    assert frames == sorted(frames)
    assert 0 <= frames[0] <= frames[-1] < length
    assert any(all(abs(f - reference) <= frame_range for f in frames) for reference in frames)
    if length > 1 and num_frames > 1:
        assert len(set(frames)) > 1  # the reference is never drawn again


def test_a_single_frame_is_repeated():
    random = np.random.default_rng(0)
    assert sample_frames(1, 3, frame_range=5, random=random) == [0, 0, 0]


def test_shuffling_gives_other_orders():
    random = np.random.default_rng(0)
    clips = [sample_frames(20, 4, frame_range=20, random=random, shuffle=True) for _ in range(20)]
    assert any(clip != sorted(clip) for clip in clips)


def test_the_reference_is_uniform_over_the_video():
    random = np.random.default_rng(0)
    drawn = [sample_frames(5, 1, frame_range=1, random=random)[0] for _ in range(2000)]
    counts = np.bincount(drawn, minlength=5)
    assert counts.min() > 320  # 400 expected, standard deviation 18
