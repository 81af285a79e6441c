"""What a session holds after many frames is what it holds after a few, for every task."""

from __future__ import annotations

import pytest
import torch

from detectron2.modeling import build_model
from reference.held_memory import held_bytes
from reference.models import CONFIGS
from reference.small_models import small_config, small_model
from reference.univs_scenes import scene, scene_config, scene_model, target_for
from univs.config import load_config
from univs.structures import mask_log, spooled_blocks
from univs.tracking import Segmenter
from univs.tracking.session import TARGET_TASKS

SIZE = (48, 64)
# Frames, and before each how many are watched; masks wait for windows of up to ten of them.
SHORT, LONG, WATCHED = 32, 72, 12
QUERIES = ("MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENABLE", False)


def univs(*options) -> Segmenter:
    return Segmenter(scene_model(*options), scene_config(*options), class_names=())


def tarvis() -> Segmenter:
    options = ["INPUT.MIN_SIZE_TEST", 0, "TEST.CLIP_LENGTH", 4]
    config = load_config(
        CONFIGS / "toy" / "tarvis.yaml", [*options, "MODEL.TARVIS.TEST.FRAME_OVERLAP", 2]
    )
    torch.manual_seed(0)
    return Segmenter(build_model(config), config, class_names=())


def genvis() -> Segmenter:
    config = small_config("Genvis", ["MODEL.GENVIS.MEMORY_SIZE", 2])
    return Segmenter(small_model(config), config, class_names=())


@pytest.mark.parametrize(
    ("new_segmenter", "task"),
    [
        *((univs, task) for task in ("vis", "vps", "vss", "vos", "pvos", "refvos", "pet")),
        (lambda: univs(*QUERIES), "vis"),
        *((tarvis, task) for task in ("vis", "vps", "vss", "vos", "pet")),
        (genvis, "vis"),
    ],
)
def test_memory_does_not_grow(monkeypatch, new_segmenter, task):
    monkeypatch.setattr(mask_log, "_FRAMES_PER_BLOCK", 4)
    monkeypatch.setattr(spooled_blocks, "_MOST_BYTES_IN_MEMORY", 1)
    video = scene(4, SIZE)
    held: dict[int, list[int]] = {SHORT: [], LONG: []}
    with new_segmenter().session(task) as session:
        if task in TARGET_TASKS:
            session.add(target_for(task))
        for index in range(LONG):
            session.push(video[index % 4])
            for length, sizes in held.items():
                if length - WATCHED <= index < length:
                    sizes.append(held_bytes(session))
        assert session.finish().num_frames == LONG
    # The run lengths of one mask take 100 bytes and more, a label map 6000.
    assert (min(held[LONG]) - min(held[SHORT])) / (LONG - SHORT) < 50
