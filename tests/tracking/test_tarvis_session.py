from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from univs.config import load_config
from univs.modeling.meta_arch import TarViS
from univs.structures import FrameResult, MaskTarget, PointTarget
from univs.tracking import Segmenter
from univs.tracking.frame_size import FrameSize


def segmenter(*options) -> Segmenter:
    torch.manual_seed(0)
    config = load_config(CONFIGS / "toy" / "tarvis.yaml", ["INPUT.MIN_SIZE_TEST", 0, *options])
    return Segmenter(build_model(config), config, class_names=())


def video(num_frames: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 255, (num_frames, 64, 96, 3), dtype=np.uint8)


def streamed(session, frames) -> list[FrameResult]:
    results = []
    for frame in frames:
        results += session.push(frame)
    return results + session.flush()


OBJECTS = ("MODEL.TARVIS.TEST.VOCABULARY", "")
PANOPTIC = ("MODEL.TARVIS.THING_CLASSES", [[0, 1, 2]])


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("options", [(), OBJECTS, PANOPTIC], ids=["vis", "vos", "vps"])
@pytest.mark.parametrize("num_frames", [1, 4, 9])
def test_results_come_once_for_every_frame_and_agree_with_the_video(options, num_frames, published):
    tool = segmenter("MODEL.TARVIS.PUBLISHED_BEHAVIOUR", published, *options)
    with tool.session() as session:
        if options is OBJECTS:
            mask = np.zeros((64, 96), dtype=bool)
            mask[10:30, 10:50] = True
            session.add(MaskTarget(id=3, mask=mask))
            session.add(PointTarget(id=8, points=np.array([[70.0, 40.0]])))
        results = streamed(session, video(num_frames))
        whole = session.finish()
    assert [result.frame_index for result in results] == list(range(num_frames))
    assert whole.num_frames == num_frames
    if options is OBJECTS:
        for result in results:
            masks = {segment.track_id: segment.rle for segment in result.segments}
            expected = {t.id: t.segmentations[result.frame_index] for t in whole.tracks}
            kept = {k: rle for k, rle in masks.items() if expected[k] is not None}
            assert kept == {k: rle for k, rle in expected.items() if rle is not None}
        assert [track.target_id for track in whole.tracks] == [3, 8]
    if options is PANOPTIC:
        assert all(result.label_map is not None for result in results)


def test_targets_are_for_sessions_of_objects_and_for_frames_to_come():
    point = PointTarget(id=1, points=np.array([[5.0, 5.0]]))
    with segmenter().session() as session, pytest.raises(ValueError, match="VOCABULARY"):
        session.add(point)
    with segmenter(*OBJECTS).session() as session:
        session.push(video(1)[0])
        with pytest.raises(ValueError, match="before its frame"):
            session.add(point)


def test_a_flushed_session_takes_no_frames_until_it_is_reset():
    session = segmenter().session()
    assert session.flush() == []
    streamed(session, video(2))
    with pytest.raises(ValueError, match="reset"):
        session.push(video(1)[0])
    session.reset()
    assert session.num_frames == 0 and session.push(video(1)[0]) == []


def test_lost_objects_end_the_sequence_and_later_ones_begin_another():
    with segmenter(*OBJECTS).session() as session:
        session.add(MaskTarget(id=1, mask=np.zeros((64, 96), dtype=bool)))
        session.add(PointTarget(id=2, points=np.array([[9.0, 9.0]]), frame_index=6))
        streamed(session, video(9))
        first, second = session.finish().tracks
    assert first.visible_frames == [] and min(second.visible_frames, default=6) >= 6


@pytest.mark.golden("tarvis", "rules")
def test_sizes_of_frames_equal_the_original(case):
    rules = case.json("rules.json")
    for example in rules["resize_min_dim"]["cases"]:
        size = FrameSize(
            (example["height"], example["width"]),
            min_size=example["min_dim"],
            max_size=example["max_dim"],
        )
        assert list(size.resized) == example["resized"]
    model = segmenter().model
    assert isinstance(model, TarViS)
    for example in rules["padding"]["cases"]:
        images = model.preprocess([torch.zeros(3, *example["in"])])
        assert list(images.tensor.shape[-2:]) == example["out"]


def test_padding_is_grey_as_published_or_the_mean():
    frame = torch.zeros(3, 64, 70)
    grey = segmenter().model
    border = grey.preprocess([frame]).tensor[0, :, 0, -1:, None]
    torch.testing.assert_close(border, (128 - grey.pixel_mean) / grey.pixel_std)
    mean = segmenter("MODEL.TARVIS.PUBLISHED_BEHAVIOUR", False).model
    assert (mean.preprocess([frame]).tensor[0, :, 0, -1] == 0).all()
