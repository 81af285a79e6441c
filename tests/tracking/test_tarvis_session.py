from __future__ import annotations

import numpy as np
import pytest
import torch

from detectron2.modeling import build_model
from reference.models import CONFIGS
from univs.config import load_config
from univs.modeling.meta_arch import TarViS
from univs.structures import BoxTarget, FrameResult, MaskTarget, PointTarget, Track
from univs.tracking import Segmenter
from univs.tracking.frame_size import FrameSize
from univs.tracking.tarvis_session import class_names_of, open_session


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


def rectangle(object_id: int, frame: int = 0) -> MaskTarget:
    mask = np.zeros((64, 96), dtype=bool)
    mask[10:30, 10:50] = True
    return MaskTarget(id=object_id, frame_index=frame, mask=mask)


def point(object_id: int, x: float = 70.0, y: float = 40.0, frame: int = 0) -> PointTarget:
    return PointTarget(id=object_id, frame_index=frame, points=np.array([[x, y]]))


def published(value: bool) -> tuple[object, ...]:
    return "MODEL.TARVIS.PUBLISHED_BEHAVIOUR", value


SHORT = ("TEST.CLIP_LENGTH", 4, "MODEL.TARVIS.TEST.FRAME_OVERLAP", 2)
TASKS = ("vis", "vps", "vss", "vos", "pet")


@pytest.mark.parametrize("as_published", [True, False])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("num_frames", [1, 4, 9])
def test_results_come_once_for_every_frame_and_agree_with_the_video(task, num_frames, as_published):
    tool = segmenter(*SHORT, *published(as_published))
    with tool.session(task) as session:
        if task in ("vos", "pet"):
            session.add(rectangle(3))
            session.add(point(8))
        results = streamed(session, video(num_frames))
        whole = session.finish()
    assert [result.frame_index for result in results] == list(range(num_frames))
    assert whole.num_frames == num_frames
    if task in ("vos", "pet"):
        for result in results:
            masks = {segment.track_id: segment.rle for segment in result.segments}
            expected = {t.id: t.segmentations[result.frame_index] for t in whole.tracks}
            assert masks == {k: rle for k, rle in expected.items() if rle is not None}
        assert [track.target_id for track in whole.tracks] == [3, 8]
    if task in ("vps", "vss"):
        for result, labels in zip(results, whole.label_maps, strict=True):
            assert result.label_map.shape == (64, 96) and labels.max() < 10


@pytest.mark.parametrize("as_published", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_results_come_within_the_latency_and_not_earlier(task, as_published):
    session = segmenter(*SHORT, *published(as_published)).session(task)
    if task in ("vos", "pet"):
        session.add(rectangle(3))
    waited = [
        count - result.frame_index
        for count, frame in enumerate(video(13))
        for result in session.push(frame)
    ]
    assert max(waited) == session.latency
    session.flush()
    assert session.flush() == []


def test_frames_without_objects_are_final_at_once():
    session = segmenter(*SHORT).session("vos")
    assert [result.frame_index for result in session.push(video(1)[0])] == [0]
    session.add(rectangle(3, frame=1))
    assert session.push(video(1)[0]) == []


def test_targets_are_for_sessions_of_objects_and_for_frames_to_come():
    with segmenter().session() as session, pytest.raises(ValueError, match="vos or pet"):
        session.add(point(1))
    with segmenter().session("vos") as session:
        session.push(video(1)[0])
        with pytest.raises(ValueError, match="before its frame"):
            session.add(point(1))
        session.add(point(1, frame=1))
        session.push(video(1)[0])
        session.add(rectangle(2, frame=1))  # this frame waits for its clip
        session.flush()
        assert [track.id for track in session.finish().tracks] == [1, 2]


def test_targets_of_other_kinds_are_refused_before_and_within_the_video():
    box = BoxTarget(id=1, frame_index=2, box=np.array([1, 1, 5, 5]))
    session = segmenter().session("vos")
    session.add(rectangle(2))
    for _ in range(2):
        with pytest.raises(ValueError, match="is a BoxTarget"):
            session.add(box)
        with pytest.raises(ValueError, match="is a BoxTarget"):
            session.refine(2, BoxTarget(id=2, frame_index=2, box=box.box))
        session.push(video(1)[0])


def test_targets_must_fit_the_frames_whichever_comes_first():
    small = MaskTarget(id=1, mask=np.ones((32, 32), dtype=bool))
    session = segmenter().session("vos")
    session.add(small)
    with pytest.raises(ValueError, match="the frames of the video are"):
        session.push(video(1)[0])
    assert session.num_frames == 0
    session.reset()
    session.push(video(1)[0])
    with pytest.raises(ValueError, match="outside of the frame of 96 x 64"):
        session.add(point(1, x=97, frame=1))
    with pytest.raises(ValueError, match="the frames of the video are"):
        session.add(MaskTarget(id=1, frame_index=1, mask=small.mask))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "refvos"}, "not 'refvos'"),
        ({"task": "vis", "vocabulary": "lvis"}, "TOY_VIS, TOY_VPS"),
        ({"task": "vps", "vocabulary": "toy_vis"}, "has no stuff"),
    ],
)
def test_what_the_model_cannot_do_is_refused(arguments, message):
    tool = segmenter()
    config = load_config(CONFIGS / "toy" / "tarvis.yaml")
    with pytest.raises(ValueError, match=message):
        open_session(tool.model, config, **arguments)


def test_the_config_says_what_is_looked_for_by_default():
    config = load_config(CONFIGS / "toy" / "tarvis.yaml")
    model = segmenter().model
    assert open_session(model, config).task.vocabulary == "TOY_VIS"
    assert open_session(model, config, task="vps").task.vocabulary == "TOY_VPS"
    assert open_session(model, config, vocabulary="toy_vis").task.vocabulary == "TOY_VIS"
    config.MODEL.TARVIS.TEST.VOCABULARY = "TOY_VPS"
    assert open_session(model, config).task.thing_classes == [4, 5, 6, 7, 8, 9]
    config.MODEL.TARVIS.TEST.VOCABULARY = ""
    assert open_session(model, config).task.begins_at() is None


@pytest.mark.parametrize(
    ("vocabulary", "first", "count"),
    [("YOUTUBE_VIS", "airplane", 40), ("VIPSEG", "wall", 124), ("CITYSCAPES_VPS", "road", 19)],
)
def test_classes_have_the_names_of_their_data_sets(vocabulary, first, count):
    config = load_config(CONFIGS / "tarvis" / "video" / "r50.yaml")
    names = class_names_of(config, vocabulary)
    assert (names[0], len(names)) == (first, count)
    assert class_names_of(config, "") == []


def test_a_flushed_session_takes_no_frames_until_it_is_reset():
    session = segmenter().session()
    assert session.flush() == []
    streamed(session, video(2))
    with pytest.raises(ValueError, match="reset"):
        session.push(video(1)[0])
    session.reset()
    assert session.num_frames == 0 and session.push(video(1)[0]) == []


def test_lost_objects_end_the_sequence_and_later_ones_begin_another():
    with segmenter(*SHORT).session("vos") as session:
        session.add(MaskTarget(id=1, mask=np.zeros((64, 96), dtype=bool)))
        session.add(point(2, frame=6))
        streamed(session, video(9))
        first, second = session.finish().tracks
    assert first.visible_frames == [] and min(second.visible_frames, default=6) >= 6


@pytest.mark.parametrize("as_published", [True, False])
def test_what_the_model_does_not_see_is_an_empty_track(as_published):
    """As for a point on the background: no pixel of the clip belongs to it."""
    tool = segmenter(*SHORT, *published(as_published))
    final = tool.model.sem_seg_head.predictor.mask_embeds["vos"].layers[-1]
    torch.nn.init.zeros_(final.weight)
    torch.nn.init.zeros_(final.bias)  # all logits are 0, which is outside
    session = tool.session("pet")
    session.add(point(1))
    session.add(point(2, frame=7))
    results = streamed(session, video(9))
    assert all(result.segments == [] for result in results)
    assert [track.visible_frames for track in session.finish().tracks] == [[], []]
    assert [1] in session.task.lost


def test_a_small_mask_survives_a_smaller_input():
    tool = segmenter("INPUT.MIN_SIZE_TEST", 16)
    mask = np.zeros((64, 96), dtype=bool)
    mask[33, 41] = True
    session = tool.session("vos")
    session.add(MaskTarget(id=1, mask=mask))
    streamed(session, video(2))
    assert session.task.lost == [[]]


def tracks_of(*steps, num_frames: int = 10) -> dict[int, Track]:
    """Follow objects 1 and 2; ``steps`` are (frames pushed so far, what to do with the session)."""
    session = segmenter(*SHORT).session("vos")
    session.add(rectangle(1))
    session.add(point(2))
    for index, frame in enumerate(video(num_frames)):
        for when, step in steps:
            if when == index:
                step(session)
        session.push(frame)
    return {track.id: track for track in session.finish().tracks}


def test_a_correction_changes_the_object_from_its_clip_on():
    plain = tracks_of()
    corrected = tracks_of((5, lambda session: session.refine(1, rectangle(1, frame=6))))
    assert list(corrected) == [1, 2]
    assert corrected[1].segmentations[:2] == plain[1].segmentations[:2]
    assert any(corrected[key].segmentations[6:] != plain[key].segmentations[6:] for key in (1, 2))


def test_a_correction_brings_a_lost_object_back():
    session = segmenter(*SHORT).session("vos")
    session.add(MaskTarget(id=1, mask=np.zeros((64, 96), dtype=bool)))
    frames = video(10)
    for frame in frames[:6]:
        session.push(frame)
    session.refine(1, rectangle(1, frame=7))
    for frame in frames[6:]:
        session.push(frame)
    (track,) = session.finish().tracks
    assert track.visible_frames and min(track.visible_frames) >= 6


def test_a_removed_object_keeps_its_masks_and_its_id():
    plain = tracks_of()
    removed = tracks_of((6, lambda session: session.remove(2)))
    assert removed[2].segmentations[:4] == plain[2].segmentations[:4]
    # The clip of frames 4 to 7 is the first one without it.
    assert max(removed[2].visible_frames, default=0) < 6

    def again(session):
        session.remove(2)
        with pytest.raises(ValueError, match="given twice"):
            session.add(point(2, frame=8))

    tracks_of((6, again))


def test_all_objects_can_be_removed_and_others_follow():
    def replace(session):
        session.remove(1)
        session.remove(2)
        session.add(rectangle(7, frame=8))

    tracks = tracks_of((6, replace))
    assert list(tracks) == [1, 2, 7]
    assert tracks[1].segmentations[6:] == [None] * 4
    assert min(tracks[7].visible_frames) >= 8


def test_corrections_name_their_object():
    session = segmenter().session("vos")
    session.add(point(2))
    with pytest.raises(ValueError, match="target 5 is followed by 0 tasks"):
        session.refine(5, point(5))
    with pytest.raises(ValueError, match="target 5 is followed by 0 tasks"):
        session.remove(5)
    with pytest.raises(ValueError, match="has the id 3"):
        session.refine(2, point(3))
    session.push(video(1)[0])
    session.flush()
    with pytest.raises(ValueError, match="before its frame"):
        session.refine(2, point(2))


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
    mean = segmenter(*published(False)).model
    assert (mean.preprocess([frame]).tensor[0, :, 0, -1] == 0).all()
