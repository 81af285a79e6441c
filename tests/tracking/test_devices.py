"""Every task of every system works on a device that is not the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.pretended_device import pretended_device
from reference.small_models import small_config, small_model
from reference.univs_scenes import scene, scene_config, scene_model, target_for
from univs.config import load_config
from univs.structures import VideoResult, decode_mask
from univs.tracking import Segmenter
from univs.tracking.session import TARGET_TASKS

SIZE = (48, 64)
QUERIES = ("MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE", False)


def univs(*options) -> Segmenter:
    return Segmenter(scene_model(*options), scene_config(*options), class_names=())


def toy(name: str, *options) -> Segmenter:
    config = load_config(
        CONFIGS / "toy" / f"{name}.yaml",
        ["INPUT.MIN_SIZE_TEST", 0, "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", *options],
    )
    torch.manual_seed(0)
    return Segmenter(build_model(config), config, class_names=())


def small(name: str) -> Segmenter:
    config = small_config(name)
    return Segmenter(small_model(config), config, class_names=())


def results(segmenter: Segmenter, task: str, num_frames: int = 5) -> VideoResult:
    with segmenter.session(task) as session:
        if task in TARGET_TASKS:
            session.add(target_for(task))
        for frame in scene(num_frames, SIZE):
            session.push(frame)
        return session.finish()


def assert_alike(found: VideoResult, expected: VideoResult) -> None:
    """The same tracks, but for what rounding does to their scores and edges."""
    tracks = [sorted(video.tracks, key=lambda track: track.id) for video in (found, expected)]
    for one, other in zip(*tracks, strict=True):
        assert (one.id, one.category) == (other.id, other.category)
        assert one.score == pytest.approx(other.score, abs=1e-4)
    for frame in range(expected.num_frames):
        for one, other in zip(*(masks(video, frame) for video in (found, expected)), strict=True):
            assert (one != other).mean() < 0.01


def masks(video: VideoResult, frame: int) -> list[np.ndarray]:
    result = video.frame(frame)
    segments = sorted(result.segments, key=lambda segment: segment.track_id)
    maps = [] if result.label_map is None else [result.label_map]
    return [decode_mask(segment.rle) for segment in segments if segment.rle is not None] + maps


@pytest.mark.parametrize(
    ("new_segmenter", "task"),
    [
        *((univs, task) for task in ("vis", "vps", "vss", "vos", "pvos", "refvos", "pet")),
        (lambda: univs(*QUERIES), "vis"),
        *((lambda: toy("tarvis"), task) for task in ("vis", "vps", "vss", "vos", "pet")),
        (lambda: toy("mask2former_video"), "vis"),
        (lambda: small("Genvis"), "vis"),
        (lambda: small("Vita"), "vis"),
    ],
)
def test_a_session_stays_on_the_device_of_its_model(new_segmenter, task):
    segmenter = new_segmenter()
    expected = results(segmenter, task)
    with pretended_device() as device:
        segmenter.model.to(device)
        found = results(segmenter, task)
    assert_alike(found, expected)
