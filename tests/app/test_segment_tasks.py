"""Segmenting a video by several tasks in one pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from univs.app.command_line import main
from univs.app.segment_tasks import segment_video_by_tasks
from univs.app.segment_video import segment_video
from univs.config import load_config
from univs.data.video_source import open_source
from univs.structures import MaskTarget, PointTarget
from univs.tracking import Segmenter

TASKS = ("vis", "vps", "vos", "pet")
OPTIONS = ["INPUT.MIN_SIZE_TEST", 0, "TEST.CLIP_LENGTH", 4, "MODEL.TARVIS.TEST.FRAME_OVERLAP", 2]


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    config = load_config(CONFIGS / "toy" / "tarvis.yaml", OPTIONS)
    return Segmenter(build_model(config), config, class_names=())


def targets() -> list[MaskTarget | PointTarget]:
    mask = np.zeros((48, 64), dtype=bool)
    mask[6:18, 2:14] = True
    return [MaskTarget(id=1, mask=mask), PointTarget(id=4, points=[[50, 40]])]


def test_every_task_has_a_folder_with_all_results(video, tmp_path, segmenter):
    calls = []
    videos = segment_video_by_tasks(
        open_source(video),
        segmenter.mixed_session(TASKS),
        tmp_path / "out",
        targets=targets(),
        score_threshold=0.0,
        on_frame=lambda: calls.append(1),
    )
    assert len(calls) == 8
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(videos) == set(TASKS)
    for task, done in videos.items():
        assert len(list(open_source(done.paths["overlay"]))) == 8
        record = json.loads(done.paths["results"].read_text())
        assert len(record["tracks"]) == len(done.result.tracks) == done.tracks_kept
        assert len(list(done.paths["masks"].iterdir())) == 8
        assert ("labels" in done.paths) == (task == "vps")
        assert record["class_names"] == segmenter.mixed_session(TASKS).class_names[task]
    assert [track.id for track in videos["vos"].result.tracks] == [1]
    assert [track.id for track in videos["pet"].result.tracks] == [4]


def test_classes_are_those_of_the_task(video, tmp_path, segmenter):
    done = segment_video(
        open_source(video), segmenter, tmp_path / "out", task="vps", score_threshold=0.0
    )
    record = json.loads(done.paths["results"].read_text())
    assert len(record["class_names"]) == 10 and record["tracks"]


def test_nothing_is_written_if_a_target_does_not_fit(video, tmp_path, segmenter):
    wrong = MaskTarget(id=1, mask=np.ones((5, 5), dtype=bool))
    with pytest.raises(ValueError, match="the frames of the video are"):
        segment_video_by_tasks(
            open_source(video), segmenter.mixed_session(TASKS), tmp_path / "out", targets=[wrong]
        )
    assert not (tmp_path / "out").exists()


def test_one_command_runs_all_tasks(video, tmp_path, segmenter, capsys):
    weights = tmp_path / "weights.pth"
    torch.save({"model": segmenter.model.state_dict()}, weights)
    command = ["segment", str(video), "--config-file", str(CONFIGS / "toy" / "tarvis.yaml")]
    command += ["--weights", str(weights), "--device", "cpu", "--point", "50,40"]
    command += ["--output", str(tmp_path / "out"), "--task", *TASKS, "--opts", *map(str, OPTIONS)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    for task in TASKS:
        assert f"{task}:" in shown
        assert (tmp_path / "out" / task / "clip_overlay.mp4").is_file()
