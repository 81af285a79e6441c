from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import univs
from univs.checkpoint import CheckpointFileError, UnivsCheckpointer
from univs.structures import MaskTarget
from univs.tracking import Segmenter
from univs.tracking.segmenter import tasks_of

NAMES = ["a", "b", "c", "d", "e", "f"]


def video(length: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (length, 50, 70, 3), dtype=np.uint8)


@pytest.fixture
def checkpoint(toy_model, toy_config, tmp_path):
    """A checkpoint as training writes it."""
    checkpointer = UnivsCheckpointer(
        toy_model,
        tmp_path,
        config=toy_config,
        class_names={"toy_ytvis_train": NAMES},
        tasks=tasks_of(toy_model),
    )
    checkpointer.save("model_final")
    return tmp_path / "model_final.pth"


def masks(result) -> list:
    return [(track.category, track.score, track.segmentations) for track in result.tracks]


def test_a_checkpoint_alone_is_enough(checkpoint, toy_model, toy_config):
    expected = Segmenter(toy_model, toy_config, NAMES).segment(video())
    segmenter = univs.load(checkpoint, device="cpu")
    assert segmenter.class_names == NAMES
    assert segmenter.tasks == ("vis",)
    assert masks(segmenter.segment(video())) == masks(expected)


def test_its_config_can_be_changed(checkpoint):
    segmenter = univs.load(checkpoint, options=["TEST.CLIP_LENGTH", 2], device="cpu")
    assert segmenter.session().latency == 1
    with pytest.raises(univs.config.ConfigKeyError, match=r"TEST\.CLIP_LENGHT.*CLIP_LENGTH"):
        univs.load(checkpoint, options=["TEST.CLIP_LENGHT", 2], device="cpu")


def test_a_foreign_checkpoint_needs_a_config(toy_model, tmp_path):
    path = tmp_path / "foreign.pth"
    torch.save({"model": toy_model.state_dict()}, path)
    with pytest.raises(CheckpointFileError, match="give the configuration file"):
        univs.load(path, device="cpu")


def test_two_files_of_weights_are_refused(checkpoint):
    with pytest.raises(ValueError, match="both be weights"):
        univs.load(checkpoint, weights=checkpoint, device="cpu")


def test_any_iterator_of_frames_is_a_video(toy_model, toy_config):
    segmenter = Segmenter(toy_model, toy_config, NAMES)
    assert masks(segmenter.segment(iter(video()))) == masks(segmenter.segment(video()))


def test_a_path_is_a_video(toy_model, toy_config, tmp_path):
    for index, frame in enumerate(video()):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    segmenter = Segmenter(toy_model, toy_config, NAMES)
    assert masks(segmenter.segment(tmp_path)) == masks(segmenter.segment(video()))
    with pytest.raises(FileNotFoundError, match="walk.mp4"):
        segmenter.segment("walk.mp4")


def test_what_a_model_cannot_do_is_refused(toy_model, toy_config):
    segmenter = Segmenter(toy_model, toy_config, NAMES)
    with pytest.raises(ValueError, match="there is no task 'tracking'"):
        segmenter.session("tracking")
    with pytest.raises(ValueError, match="video instance segmentation"):
        segmenter.session("vos")
    target = MaskTarget(id=1, mask=np.ones((50, 70), bool))
    with pytest.raises(ValueError, match="video instance segmentation"):
        segmenter.segment(video(), targets=[target])
    with pytest.raises(ValueError, match="takes no targets"):
        segmenter.segment(video(), task="vis", targets=[target])
    with segmenter.session() as session, pytest.raises(ValueError, match="takes no targets"):
        session.remove(1)
