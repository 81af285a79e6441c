from __future__ import annotations

import numpy as np
import pytest
import torch

from univs.tracking import Segmenter, VideoSession

SIZE = (50, 70)


@pytest.fixture
def segmenter(toy_model, toy_config) -> Segmenter:
    return Segmenter(toy_model, toy_config, class_names=["a", "b", "c", "d", "e", "f"])


def video(length: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 255, (*SIZE, 3), dtype=np.uint8) for _ in range(length)]


@pytest.mark.parametrize("length", [1, 4, 10])
def test_every_frame_comes_out_once_in_order(segmenter, toy_config, length):
    clip = toy_config.TEST.CLIP_LENGTH
    with segmenter.session() as session:
        pushed = [session.push(frame) for frame in video(length)]
        rest = session.flush()
        result = session.finish()
    assert [len(frames) for frames in pushed] == [
        clip if index % clip == clip - 1 else 0 for index in range(length)
    ]
    frames = [frame for frames in [*pushed, rest] for frame in frames]
    assert [frame.frame_index for frame in frames] == list(range(length))
    assert result.num_frames == length and result.size == SIZE
    assert all(track.size == SIZE and len(track) == length for track in result.tracks)
    assert [t.score for t in result.tracks] == sorted(t.score for t in result.tracks)[::-1]


def test_masks_of_frames_and_of_the_video_agree(segmenter, toy_config):
    with segmenter.session() as session:
        clip = video(toy_config.TEST.CLIP_LENGTH)
        frames = [result for frame in clip for result in session.push(frame)]
        result = session.finish()
    assert len(frames) == len(clip)
    for track in result.tracks:
        for frame in frames:
            shown = [s.rle for s in frame.segments if s.track_id == track.id]
            mask = track.segmentations[frame.frame_index]
            assert (shown == [mask]) or (mask is None and len(shown) <= 1)


def test_a_video_does_not_leak_into_the_next(segmenter):
    results = []
    with segmenter.session() as session:
        for _ in range(2):
            for frame in video(5):
                session.push(frame)
            results.append(session.finish())
            session.reset()
    first, second = ([t.segmentations for t in result.tracks] for result in results)
    assert first == second


def test_a_query_may_count_for_every_category_in_evaluation(segmenter):
    with segmenter.session(one_category_per_track=False) as session:
        for frame in video(2):
            session.push(frame)
        tracks = session.finish().tracks
    assert len(tracks) == 5 * 6
    assert len({track.id for track in tracks}) == len(tracks)


def test_unlikely_queries_have_no_masks(toy_model):
    with VideoSession(
        toy_model,
        clip_length=2,
        min_size=0,
        max_size=1000,
        mask_threshold=1.0,
        max_tracks=3,
        one_category_per_track=True,
    ) as session:
        frames = [result for frame in video(2) for result in session.push(frame)]
        assert [frame.segments for frame in frames] == [[], []]
        assert all(track.visible_frames == [] for track in session.finish().tracks)


def test_the_network_input_is_resized_to_the_configured_size(segmenter, toy_config, toy_model):
    seen = []
    hook = toy_model.backbone.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with segmenter.session() as session:
        session.push(video(1)[0])
        assert session.finish().num_frames == 1
    hook.remove()
    assert seen[0].shape[-2] == toy_config.INPUT.MIN_SIZE_TEST
    assert seen[0].shape[-1] % toy_config.MODEL.MASK_FORMER.SIZE_DIVISIBILITY == 0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((4, 5, 3), dtype=np.float32), "uint8"),
        (np.zeros((4, 5), dtype=np.uint8), "uint8"),
        (np.zeros((9, 9, 3), dtype=np.uint8), "frame 1 has size"),
    ],
)
def test_a_bad_frame_is_named_and_the_session_goes_on(segmenter, frame, message):
    with segmenter.session() as session:
        session.push(video(1)[0])
        with pytest.raises(ValueError, match=message):
            session.push(frame)
        session.push(video(1)[0])
        assert session.finish().num_frames == 2


def test_finishing_without_frames_is_an_error(segmenter):
    with segmenter.session() as session, pytest.raises(ValueError, match="no frames"):
        session.finish()


def test_a_session_needs_a_clip_length(toy_model):
    with pytest.raises(ValueError, match="clip_length"):
        VideoSession(
            toy_model,
            clip_length=0,
            min_size=0,
            max_size=0,
            mask_threshold=0,
            max_tracks=1,
            one_category_per_track=True,
        )


def test_a_session_runs_where_gradients_are_enabled(segmenter):
    with torch.enable_grad(), segmenter.session() as session:
        session.push(video(1)[0])
        assert session.finish().num_frames == 1


def test_every_track_seen_is_visible_or_lost(segmenter):
    known: set[int] = set()
    with segmenter.session() as session:
        results = [r for frame in video(10) for r in session.push(frame)] + session.flush()
    for result in results:
        shown = {segment.track_id for segment in result.segments}
        known |= shown
        assert {track.track_id for track in result.lost} == known - shown
