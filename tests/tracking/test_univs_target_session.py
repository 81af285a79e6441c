"""Targets in sessions of UniVS."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from reference.small_univs import noise_video, rectangle, small_univs_config, small_univs_model
from univs.structures import BoxTarget, MaskTarget, PointTarget, TextTarget
from univs.tracking.univs_session import UnivsSession, open_session

OPTIONS = ("INPUT.SAMPLING_FRAME_NUM", 3, "INPUT.MIN_SIZE_TEST", 64)


@pytest.fixture(scope="module")
def model():
    return small_univs_model()


def new_session(model, task: str = "vos", *options) -> UnivsSession:
    return open_session(model, small_univs_config(*OPTIONS, *options), task=task)


def targets() -> list:
    return [
        MaskTarget(id=1, mask=rectangle(5, 5, 30, 40)),
        PointTarget(id=2, frame_index=2, points=[[50, 40]]),
        BoxTarget(id=3, frame_index=3, box=[30, 20, 60, 45]),
        TextTarget(id=4, frame_index=1, text="the red circle"),
    ]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_results_come_frame_by_frame_and_stay(model, stride):
    with new_session(model, "vos", "TEST.CLIP_STRIDE", stride) as session:
        for target in targets():
            session.add(target)
        results = []
        for pushed, frame in enumerate(noise_video(8)):
            results += session.push(frame)
            assert pushed - len(results) < session.latency == 2
        results += session.flush()
        video = session.finish()
    assert [result.frame_index for result in results] == list(range(8))
    assert [track.target_id for track in video.tracks] == [1, 2, 3, 4]
    for result in results:
        final = video.frame(result.frame_index)
        assert {x.track_id: x.rle for x in result.segments} == {
            x.track_id: x.rle for x in final.segments
        }


def test_a_session_without_targets_finds_nothing(model):
    with new_session(model) as session:
        results = [x for frame in noise_video(5) for x in session.push(frame)] + session.flush()
        video = session.finish()
    assert [result.segments for result in results] == [[]] * 5
    assert (video.num_frames, video.tracks) == (5, [])


def test_a_target_in_a_frame_already_gone_is_refused_and_nothing_is_lost(model):
    with new_session(model) as session:
        session.add(targets()[0])
        for frame in noise_video(6):
            session.push(frame)
        late = MaskTarget(id=9, frame_index=3, mask=rectangle(30, 35, 45, 60))
        with pytest.raises(ValueError, match="frame 3, but the frames before 4 were segmented"):
            session.add(late)
        with pytest.raises(ValueError, match="frames before 4 were segmented"):
            session.refine(1, MaskTarget(id=1, frame_index=3, mask=late.mask))
        with pytest.raises(ValueError, match="there is no target 9"):
            session.remove(9)
        session.add(MaskTarget(id=9, frame_index=5, mask=late.mask))
        session.push(noise_video(7)[6])
        tracks = session.finish().tracks
    assert [track.id for track in tracks] == [1, 9]
    assert tracks[1].visible_frames[0] == 5


def test_targets_can_be_corrected_and_removed_in_a_running_session(model):
    with new_session(model) as session:
        for target in targets():
            session.add(target)
        for frame in noise_video(6):
            session.push(frame)
        corrected = rectangle(30, 35, 45, 60)
        session.refine(1, MaskTarget(id=1, frame_index=4, mask=corrected))
        for target_id in (2, 3, 4):
            session.remove(target_id)
        for frame in noise_video(9)[6:]:
            session.push(frame)
        video = session.finish()
    # As published, the given mask is as the network's input shows it, which is wider here.
    assert (video.tracks[0].masks(4, 5)[0] | ~corrected).all()
    assert all(max(track.visible_frames, default=0) < 4 for track in video.tracks[1:])


def test_a_target_that_does_not_fit_the_first_frame_can_be_taken_back(model):
    with new_session(model) as session:
        session.add(MaskTarget(id=1, mask=np.ones((4, 6), bool)))
        with pytest.raises(ValueError, match="mask of target 1 has the size"):
            session.push(noise_video(1)[0])
        session.remove(1)
        for frame in noise_video(4):
            session.push(frame)
        assert session.finish().num_frames == 4


def test_a_closed_session_leaves_nothing_in_memory(model):
    with new_session(model) as session:
        for target in targets():
            session.add(target)
        for frame in noise_video(5):
            session.push(frame)
        tasks = [weakref.ref(task) for task in session._tasks]
        memory = weakref.ref(session._tasks[0].prompt_memory)
    gc.collect()
    assert len(tasks) == 2
    assert [task() for task in tasks] == [None, None]
    assert memory() is None
