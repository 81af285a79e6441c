from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.tarvis import recorded
from univs.config import load_config
from univs.structures import MaskTarget, PointTarget, VideoResult
from univs.tracking.tarvis_session import open_mixed_session, open_session

TASKS = ("vis", "vps", "vos", "pet")


@pytest.fixture(scope="module")
def config():
    options = ["INPUT.MIN_SIZE_TEST", 0, "TEST.CLIP_LENGTH", 4]
    return load_config(
        CONFIGS / "toy" / "tarvis.yaml", [*options, "MODEL.TARVIS.TEST.FRAME_OVERLAP", 2]
    )


@pytest.fixture(scope="module")
def model(config):
    torch.manual_seed(0)
    return build_model(config).eval()


def video(num_frames: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 255, (num_frames, 64, 96, 3), dtype=np.uint8)


def targets() -> list[MaskTarget | PointTarget]:
    mask = np.zeros((64, 96), dtype=bool)
    mask[8:30, 8:40] = True
    return [MaskTarget(id=1, mask=mask), PointTarget(id=1, points=np.array([[60.0, 40.0]]))]


def same(first: VideoResult, second: VideoResult) -> bool:
    return [(t.id, t.segmentations) for t in first.tracks] == [
        (t.id, t.segmentations) for t in second.tracks
    ]


def test_four_tasks_cost_the_features_of_one_and_give_what_each_gives_alone(model, config):
    frames = video(9)
    with (
        recorded([model.backbone]) as backbone,
        recorded([model.sem_seg_head.pixel_decoder.transformer]) as neck,
        recorded([model.sem_seg_head.predictor.decoder_norm]) as heads,
    ):
        session = open_mixed_session(model, config, tasks=TASKS)
        for target in targets():
            session.add(target)
        streamed = {task: [] for task in TASKS}
        for frame in frames:
            for task, results in session.push(frame).items():
                streamed[task] += results
        for task, results in session.flush().items():
            streamed[task] += results
        videos = session.finish()
    num_clips = 4  # of frames 0-3, 2-5, 4-7, 6-8
    assert sum(len(features["res2"]) for features in backbone) == len(frames)
    assert len(neck) == num_clips
    num_heads = config.MODEL.MASK_FORMER.DEC_LAYERS
    assert len(heads) == num_clips * num_heads * len(TASKS)  # a decoder pass for every task
    for task in TASKS:
        assert [result.frame_index for result in streamed[task]] == list(range(9))
        alone = open_session(model, config, task=task)
        if task in ("vos", "pet"):
            alone.add(targets()[task == "pet"])
        for frame in frames:
            alone.push(frame)
        assert same(alone.finish(), videos[task])


def test_targets_go_to_the_task_of_their_kind_or_to_the_one_that_is_named(model, config):
    mask, point = targets()
    session = open_mixed_session(model, config, tasks=["vos", "pet"])
    session.add(mask)
    session.add(point)
    assert [list(task.targets) for task in session.tasks.values()] == [[1], [1]]
    with pytest.raises(ValueError, match="followed by 2 tasks"):
        session.remove(1)
    session.remove(1, task="pet")
    session.refine(1, point)  # now only one task follows it
    assert len(session.tasks["vos"].targets[1]) == 2
    alone = open_mixed_session(model, config, tasks=["vis", "vos"])
    alone.add(point)
    assert list(alone.tasks["vos"].targets) == [1]
    with pytest.raises(ValueError, match="no task 'pet'"):
        alone.add(point, task="pet")
    with pytest.raises(ValueError, match="no task 'pet'"):
        alone.remove(1, task="pet")


def test_sessions_of_categories_take_no_targets(model, config):
    session = open_mixed_session(model, config, tasks=["vis", "vps"])
    for change in (session.add, lambda target: session.refine(1, target)):
        with pytest.raises(ValueError, match="takes no targets"):
            change(targets()[0])
    with pytest.raises(ValueError, match="takes no targets"):
        session.remove(1)


def test_a_vocabulary_counts_for_the_tasks_that_it_fits(model, config):
    session = open_mixed_session(model, config, tasks=["vis", "vps"], vocabulary="toy_vis")
    assert [task.vocabulary for task in session.tasks.values()] == ["TOY_VIS", "TOY_VPS"]
    session = open_mixed_session(model, config, tasks=["vis", "vps"], vocabulary="toy_vps")
    assert [task.vocabulary for task in session.tasks.values()] == ["TOY_VPS", "TOY_VPS"]


@pytest.mark.parametrize("tasks", [(), ("vis", "vis"), ("vis", "refvos")])
def test_lists_of_tasks_that_make_no_sense_are_refused(model, config, tasks):
    with pytest.raises(ValueError, match="vis, vps, vss, vos, pet"):
        open_mixed_session(model, config, tasks=tasks)


def test_lost_objects_are_told_until_they_are_removed(model, config):
    session = open_mixed_session(model, config, tasks=["vis", "vos"])
    session.add(targets()[0])
    frames, seen = video(12), {}
    for number, frame in enumerate(frames):
        if number == 8:
            session.remove(1)
        for result in session.push(frame)["vos"]:
            seen[result.frame_index] = result
    for result in session.flush()["vos"]:
        seen[result.frame_index] = result
    visible = [index for index, result in seen.items() if result.segments]
    told = [index for index, result in seen.items() if [t.track_id for t in result.lost] == [1]]
    assert visible and visible[-1] < 8
    # Clips end with frames 3, 5, 7; from frame 8 on the object is not looked for.
    assert told == [index for index in range(visible[0], 8) if index not in visible]


def test_leaving_the_session_forgets_the_video(model, config):
    with open_mixed_session(model, config, tasks=["vis", "vos"]) as session:
        session.push(video(1)[0])
    assert session.num_frames == 0
    assert all(not results for results in session.flush().values())
    with pytest.raises(ValueError, match="no frames"):
        session.finish()
