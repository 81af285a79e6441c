from __future__ import annotations

import numpy as np
import pytest
import torch

from reference.object_models import filled_object_model, object_config
from reference.object_videos import check_top_classes, check_video, restored, result_size
from reference.small_models import fit_moving_square, small_config, small_model, small_video
from univs.tracking import Segmenter, VitaSession
from univs.tracking.instance_session import class_probabilities


@pytest.mark.golden("vita", "r50_eval_offline")
@torch.no_grad()
def test_the_result_of_a_video_equals_the_original(case):
    config = object_config(case)
    frames, size = case.tensor("images"), result_size(case)
    config.INPUT.MIN_SIZE_TEST = min(frames.shape[-2:])
    model = filled_object_model(case, config)
    mask_logits = model.predict_clip(list(frames)).mask_logits
    # Once with the features of all frames cached, once with those of some computed again.
    for cached, chunk in ((len(frames), len(frames)), (2, 3)):
        segmenter = Segmenter(model, with_chunks(config, cached, chunk), class_names=())
        with segmenter.session(one_category_per_track=False) as session:
            for frame in frames:
                assert session.push_resized(frame, size) == []
            assert len(session.flush()) == len(frames)
            check_top_classes(case, session._class_scores)
            check_video(case, session.finish(), restored(mask_logits, session))


def with_chunks(config, num_cached: int, chunk: int):
    config = config.clone()
    config.MODEL.VITA.TEST_CACHE_FRAMES = num_cached
    config.MODEL.VITA.TEST_RUN_CHUNK_SIZE = chunk
    return config


@pytest.fixture(scope="module")
def config():
    return small_config("Vita")


@pytest.fixture(scope="module")
def model(config):
    return small_model(config)


def segment(model, config, video, **options):
    with Segmenter(model, config, class_names=()).session(**options) as session:
        for frame in video:
            assert session.push(frame) == []
        return session.flush(), session.finish()


def assert_same(first, second) -> None:
    assert [t.id for t in first.tracks] == [t.id for t in second.tracks]
    for track, other in zip(first.tracks, second.tracks, strict=True):
        assert track.segmentations == other.segmentations
        assert track.score == pytest.approx(other.score, rel=1e-5)


@pytest.mark.parametrize("num_frames", [1, 2, 6, 7])
def test_videos_shorter_and_longer_than_the_window(model, config, num_frames):
    video = small_video(num_frames)
    frames, result = segment(model, config, video)
    assert result.num_frames == len(frames) == num_frames
    assert result.size == video[0].shape[:2]
    assert len(result.tracks) == config.TEST.DETECTIONS_PER_IMAGE
    scores = [track.score for track in result.tracks]
    assert scores == sorted(scores, reverse=True)


def test_chunks_and_the_cache_do_not_change_results(model, config):
    video = small_video(7)
    _, expected = segment(model, with_chunks(config, 36, 18), video)
    for cached, chunk in ((0, 2), (3, 2), (4, 2), (1, 7)):
        _, actual = segment(model, with_chunks(config, cached, chunk), video)
        assert_same(actual, expected)


def test_frames_show_the_tracks_of_the_result(model, config):
    frames, result = segment(model, config, small_video(4))
    for index, frame in enumerate(frames):
        shown = {s.track_id: s.rle for s in frame.segments}
        assert shown == {s.track_id: s.rle for s in result.frame(index).segments}


def test_one_query_may_have_several_categories(model, config):
    _, one = segment(model, config, small_video(3))
    _, several = segment(model, config, small_video(3), one_category_per_track=False)
    assert len({track.id for track in one.tracks}) == len(one.tracks)
    pairs = [(str(track.segmentations), track.category) for track in several.tracks]
    assert len(set(pairs)) == len(pairs)


def test_no_frame_can_follow_the_results(model, config):
    with Segmenter(model, config, class_names=()).session() as session:
        video = small_video(2)
        session.push(video[0])
        session.finish()
        assert session.flush() == []
        with pytest.raises(ValueError, match="no frame can follow"):
            session.push(video[1])
        session.reset()
        session.push(video[1])
        assert session.finish().num_frames == 1


def test_a_video_without_frames_is_an_error(model, config):
    with Segmenter(model, config, class_names=()).session() as session:
        assert session.flush() == []
        with pytest.raises(ValueError, match="no frames"):
            session.finish()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((48, 64, 3), np.float32), "frame 1 must be uint8"),
        (np.zeros((48, 64), np.uint8), "frame 1 must be uint8"),
        (np.zeros((40, 64, 3), np.uint8), "frame 1 has size"),
    ],
)
def test_a_bad_frame_is_refused_by_its_number(model, config, frame, message):
    with Segmenter(model, config, class_names=()).session() as session:
        session.push(small_video(1)[0])
        with pytest.raises(ValueError, match=message):
            session.push(frame)


def test_no_features_are_kept_beyond_the_cache(model, config):
    session = Segmenter(model, with_chunks(config, 2, 2), class_names=()).session()
    assert isinstance(session, VitaSession)
    for frame in small_video(8):
        session.push(frame)
    assert sum(len(features) for features in session._cached) == 2
    assert sum(len(tokens) for tokens in session._tokens) == 8
    assert len(session._store) == 6


@torch.no_grad()
def test_a_session_sees_what_the_model_predicts_for_the_whole_video(model, config):
    video = small_video(5)
    _, result = segment(model, config, video)
    frames = [torch.from_numpy(frame.transpose(2, 0, 1).copy()) for frame in video]
    prediction = model([{"image": frames}])[0]
    best = class_probabilities(prediction.class_logits).amax(1)
    assert {t.id - 1 for t in result.tracks} == set(best.topk(len(result.tracks)).indices.tolist())


@pytest.mark.slow
def test_a_trained_model_follows_its_object():
    config = small_config("Vita")
    model = small_model(config)
    truth = fit_moving_square(model, num_frames=4, iterations=45).numpy()
    with Segmenter(model, config, class_names=()).session() as session:
        for frame in small_video(4):
            session.push(frame)
        first, second, *_ = session.finish().tracks
    found = first.masks()
    assert (found & truth).sum() > 0.9 * (found | truth).sum()
    assert first.category == 1 and first.score > 0.9 and second.score < 0.5
