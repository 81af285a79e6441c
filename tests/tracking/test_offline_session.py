"""Offline sessions of systems that segment clip by clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.small_univs import rectangle
from reference.univs_scenes import scene, scene_config, scene_model
from univs.config import load_config
from univs.structures import MaskTarget
from univs.tracking import Segmenter

SIZE = (48, 64)
TARVIS = ("TEST.CLIP_LENGTH", 4, "MODEL.TARVIS.TEST.FRAME_OVERLAP", 2, "INPUT.MIN_SIZE_TEST", 0)


def tarvis_config(*options):
    return load_config(CONFIGS / "toy" / "tarvis.yaml", [*TARVIS, *options])


@pytest.fixture(scope="module", params=["univs", "tarvis"])
def system(request):
    """The model and what makes its config."""
    if request.param == "univs":
        return scene_model(), scene_config
    torch.manual_seed(0)
    return build_model(tarvis_config()).eval(), tarvis_config


def session_of(system, task: str, *options):
    model, config = system
    return Segmenter(model, config(*options), class_names=()).session(task)


def given(session, task: str) -> None:
    if task == "vos":
        session.add(MaskTarget(id=1, mask=rectangle(5, 5, 30, 40, SIZE)))
        session.add(MaskTarget(id=2, mask=rectangle(30, 40, 45, 60, SIZE), frame_index=2))


@pytest.mark.parametrize("task", ["vis", "vps", "vos"])
def test_all_results_come_at_the_end_as_the_video_has_them(system, task):
    frames = scene(7)
    with session_of(system, task, "TEST.MODE", "offline") as session:
        assert session.latency is None
        given(session, task)
        assert [session.push(frame) for frame in frames] == [[]] * 7
        results = session.flush()
        assert session.flush() == []
        video = session.finish()
    assert [result.frame_index for result in results] == list(range(7))
    for result in results:
        final = video.frame(result.frame_index)
        assert [(x.track_id, x.category, x.score, x.rle) for x in result.segments] == [
            (x.track_id, x.category, x.score, x.rle) for x in final.segments
        ]
        if final.label_map is not None:
            np.testing.assert_array_equal(result.label_map, final.label_map)
    with session_of(system, task) as session:  # the same masks clip by clip
        given(session, task)
        for frame in frames:
            session.push(frame)
        other = session.finish()
    assert video.tracks
    for track, expected in zip(video.tracks, other.tracks, strict=True):
        assert track.id == expected.id and track.score == expected.score
        assert track.segmentations == expected.segmentations


def test_removed_targets_are_not_lost(system):
    with session_of(system, "vos", "TEST.MODE", "offline") as session:
        given(session, "vos")
        for index, frame in enumerate(scene(9)):
            if index == 6:
                session.remove(1)
            session.push(frame)
        results = session.flush()
    seen = [{x.track_id for x in result.segments} for result in results]
    assert 1 in seen[0]
    gone = next(index for index, ids in enumerate(seen) if index >= 3 and 1 not in ids)
    assert not any(1 in ids for ids in seen[6:])
    assert all(x.track_id != 1 for result in results[max(gone, 6) :] for x in result.lost)


def test_there_may_be_no_frames_and_another_video_after_a_reset(system):
    with session_of(system, "vis", "TEST.MODE", "offline") as session:
        assert session.flush() == []
        with pytest.raises(ValueError, match="no frames"):
            session.finish()
        for _ in range(2):
            for frame in scene(3):
                session.push(frame)
            assert [result.frame_index for result in session.flush()] == [0, 1, 2]
            session.reset()


def test_several_tasks_at_once_are_not_offline():
    model = build_model(tarvis_config())
    segmenter = Segmenter(model, tarvis_config("TEST.MODE", "offline"), class_names=())
    with pytest.raises(ValueError, match="several tasks at once cannot be offline"):
        segmenter.mixed_session(["vis", "vos"])
