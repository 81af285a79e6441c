"""Cuts are found, and shots are segmented as videos of their own."""

from __future__ import annotations

import numpy as np
import pytest

from univs.data.toy.difficulty import ToyDifficulty
from univs.data.toy.video import make_video
from univs.tracking import Segmenter
from univs.tracking.shots import SceneCutDetector

NAMES = ["a", "b", "c", "d", "e", "f"]


def toy_frames(seed: int, length: int = 8) -> list[np.ndarray]:
    video = make_video(
        seed=seed,
        split="val",
        index=0,
        size=(96, 144),
        num_frames=length,
        difficulty=ToyDifficulty(),
    )
    return list(video.frames)


def cuts(frames, threshold: float = 0.3) -> list[int]:
    detector = SceneCutDetector(threshold)
    return [index for index, frame in enumerate(frames) if detector.is_cut(frame)]


@pytest.mark.parametrize("seed", range(8))
def test_toy_videos_have_no_cuts_but_where_they_are_joined(seed):
    parts = [toy_frames(seed), toy_frames(seed + 100), toy_frames(seed + 200)]
    assert cuts([frame for part in parts for frame in part]) == [8, 16]


def test_fast_motion_and_still_images_are_no_cuts():
    generator = np.random.default_rng(0)
    noise = generator.choice(generator.integers(0, 255, (6, 3), dtype=np.uint8), (40, 400))
    texture = np.repeat(np.repeat(noise, 4, axis=0), 4, axis=1)
    assert cuts([texture[:, 60 * t : 60 * t + 160] for t in range(20)]) == []
    assert cuts([texture[:, :160]] * 5) == []


def test_black_frames_and_a_lamp_that_is_switched_on_are_no_cuts():
    frames = toy_frames(0)
    darker = [frame // 2 for frame in toy_frames(0)]
    assert cuts([*darker[:4], *frames[4:]]) == []
    assert cuts([np.zeros_like(frames[0])] * 4) == []


@pytest.mark.parametrize("threshold", [0, -1, 1.5])
def test_thresholds_are_checked(threshold):
    with pytest.raises(ValueError, match="must lie in"):
        SceneCutDetector(threshold)


@pytest.fixture
def segmenter(toy_model, toy_config) -> Segmenter:
    return Segmenter(toy_model, toy_config, NAMES)


def test_each_shot_is_a_video_of_its_own(segmenter):
    shots = [toy_frames(0, 7), toy_frames(100, 9)]
    alone = [segmenter.segment(shot) for shot in shots]
    with segmenter.session(scene_cuts=0.3) as session:
        results = [r for shot in shots for frame in shot for r in session.push(frame)]
        assert session.first_frames == [0, 7]
        results += session.flush()
        video = session.finish()
    assert [result.frame_index for result in results] == list(range(16))
    assert video.num_frames == 16

    per_shot = len(alone[0].tracks)
    first, second = video.tracks[:per_shot], video.tracks[per_shot:]
    for tracks, expected, frames in ((first, alone[0], slice(7)), (second, alone[1], slice(7, 16))):
        assert [t.category for t in tracks] == [t.category for t in expected.tracks]
        assert [t.score for t in tracks] == [t.score for t in expected.tracks]
        for track, same in zip(tracks, expected.tracks, strict=True):
            assert track.segmentations[frames] == same.segmentations
            assert sum(rle is not None for rle in track.segmentations) == sum(
                rle is not None for rle in same.segmentations
            )
    shown = [{s.track_id for r in part for s in r.segments} for part in (results[:7], results[7:])]
    assert not shown[0] & shown[1]
    assert {t.id for t in first}.isdisjoint(t.id for t in second)
    assert results[7].lost == ()
    assert {track.track_id for r in results[8:] for track in r.lost}.isdisjoint(shown[0])
    assert shown[0] <= {t.id for t in first} and shown[1] <= {t.id for t in second}


def test_a_session_can_be_used_again(segmenter):
    frames = [*toy_frames(0, 4), *toy_frames(100, 4)]
    session = segmenter.session(scene_cuts=0.3)
    for frame in frames:
        session.push(frame)
    first = session.finish()
    session.reset()
    assert session.num_frames == 0 and session.first_frames == [0]
    for frame in frames:
        session.push(frame)
    again = session.finish()
    assert [t.segmentations for t in again.tracks] == [t.segmentations for t in first.tracks]


def test_a_frame_of_another_size_leaves_the_session_usable(segmenter):
    with segmenter.session(scene_cuts=0.3) as session:
        session.push(toy_frames(0)[0])
        with pytest.raises(ValueError, match="frame 1 has size"):
            session.push(np.zeros((5, 6, 3), np.uint8))
        session.push(toy_frames(0)[1])
        assert session.finish().num_frames == 2
