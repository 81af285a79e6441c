from __future__ import annotations

import pytest
import torch

from reference.object_models import filled_object_model, object_config
from reference.object_videos import check_top_classes, check_video, restored, result_size
from reference.small_models import fit_moving_square, small_config, small_model, small_video
from univs.tracking import GenvisSession, Segmenter
from univs.tracking.instance_session import class_probabilities


@pytest.mark.golden("genvis", "r50_online_eval", "r50_semi_online_eval")
@torch.no_grad()
def test_the_result_of_a_video_equals_the_original(case):
    config = object_config(case)
    frames, size = case.tensor("images"), result_size(case)
    config.INPUT.MIN_SIZE_TEST = min(frames.shape[-2:])
    model = filled_object_model(case, config)
    mask_logits = torch.cat([clip.mask_logits for clip in model.predict_video(list(frames))], 1)
    segmenter = Segmenter(model, config, class_names=())
    with segmenter.session(one_category_per_track=False) as session:
        results = [result for frame in frames for result in session.push_resized(frame, size)]
        results += session.flush()
        assert [result.frame_index for result in results] == list(range(len(frames)))
        check_top_classes(case, session._class_scores)
        check_video(case, session.finish(), restored(mask_logits, session))


@pytest.fixture(scope="module")
def config():
    return small_config("Genvis", ["MODEL.GENVIS.LEN_CLIP_WINDOW", 3])


@pytest.fixture(scope="module")
def model(config):
    return small_model(config)


def session_of(model, config, *options, **arguments) -> GenvisSession:
    config = config.clone()
    config.merge_from_list(list(options))
    return Segmenter(model, config, class_names=()).session(**arguments)


def test_results_come_with_the_latency_of_a_clip(model, config):
    with session_of(model, config) as session:
        counts = [len(session.push(frame)) for frame in small_video(7)]
        assert counts == [0, 0, 3, 0, 0, 3, 0]
        assert [result.frame_index for result in session.flush()] == [6]
        assert session.flush() == []
        assert session.finish().num_frames == 7


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_videos_shorter_than_a_clip(model, config, num_frames):
    with session_of(model, config) as session:
        for frame in small_video(num_frames):
            session.push(frame)
        result = session.finish()
    assert result.num_frames == num_frames
    assert len(result.tracks) == config.TEST.DETECTIONS_PER_IMAGE


def test_results_do_not_depend_on_later_frames(model, config):
    short, long = session_of(model, config), session_of(model, config)
    first = [result for frame in small_video(3) for result in short.push(frame)]
    second = [result for frame in small_video(6) for result in long.push(frame)]
    for one, other in zip(first, second[:3], strict=True):
        assert [s.rle for s in one.segments] == [s.rle for s in other.segments]
        assert [s.score for s in one.segments] == [s.score for s in other.segments]


@torch.no_grad()
def test_a_session_sees_what_the_model_predicts_clip_by_clip(model, config):
    video = small_video(5)
    with session_of(model, config) as session:
        for frame in video:
            session.push(frame)
        result = session.finish()
    frames = [torch.from_numpy(frame.transpose(2, 0, 1).copy()) for frame in video]
    clips = model([{"image": frames}])[0]
    assert [clip.mask_logits.shape[1] for clip in clips] == [3, 2]
    scores = torch.stack([class_probabilities(clip.class_logits) for clip in clips]).amax((0, 2))
    expected = set(scores.topk(len(result.tracks)).indices.tolist())
    assert {track.id - 1 for track in result.tracks} == expected


def test_unlikely_queries_have_no_masks(model, config):
    with session_of(model, config, "TEST.MASK_SCORE_THRESHOLD", 1.0) as session:
        for frame in small_video(3):
            session.push(frame)
        result = session.finish()
    assert all(not track.visible_frames and track.score == 0 for track in result.tracks)


def test_the_state_of_a_video_is_bounded(config):
    config = small_config(
        "Genvis", ["MODEL.GENVIS.LEN_CLIP_WINDOW", 1, "MODEL.GENVIS.MEMORY_SIZE", 3]
    )
    with session_of(small_model(config), config) as session:
        for frame in small_video(6):
            session.push(frame)
        assert session._prototypes.keys.shape[2] == 3
        session.reset()
        assert session._prototypes is None and session.num_frames == 0


def test_a_video_without_frames_is_an_error(model, config):
    with pytest.raises(ValueError, match="no frames"):
        session_of(model, config).finish()


@pytest.mark.slow
def test_a_trained_model_follows_its_object():
    config = small_config("Genvis", ["MODEL.VITA.FREEZE_DETECTOR", False])
    model = small_model(config)
    truth = fit_moving_square(model, num_frames=4, iterations=45).numpy()
    with Segmenter(model, config, class_names=()).session() as session:
        for frame in small_video(4):
            session.push(frame)
        first, second, *_ = session.finish().tracks
    found = first.masks()
    assert (found & truth).sum() > 0.9 * (found | truth).sum()
    assert first.category == 1 and first.score > 0.9 and second.score < 0.5
