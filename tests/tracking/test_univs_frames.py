from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.small_univs import noise_video, small_univs_model
from univs.tracking.univs_frames import UnivsFrames


@pytest.fixture(scope="module")
def model():
    return small_univs_model()


def frames_of(model, clip_length: int, stride: int, **options) -> UnivsFrames:
    return UnivsFrames(
        model, clip_length=clip_length, stride=stride, min_size=0, max_size=1333, **options
    )


def published_clips(num_frames: int, length: int, stride: int) -> list[range]:
    """Clips until one reaches the end of the video."""
    clips: list[range] = []
    while not clips or clips[-1].stop < num_frames:
        start = len(clips) * stride
        clips.append(range(start, min(start + length, num_frames)))
    return clips


def cut(frames: UnivsFrames, video: np.ndarray) -> list[range]:
    clips = []
    for frame in video:
        clip = frames.push(frame)
        if clip is not None:
            clips.append(clip)
            frames.advance(clip)
    if frames.rest() is not None:
        clips.append(frames.rest())
        frames.advance(clips[-1])
    return clips


@settings(deadline=None, max_examples=50)
@given(data=st.data(), num_frames=st.integers(1, 15), length=st.integers(1, 6))
def test_clips_are_cut_as_published(model, data, num_frames, length):
    stride = data.draw(st.integers(1, length))
    frames = frames_of(model, length, stride)
    video = np.zeros((num_frames, 8, 8, 3), np.uint8)
    assert cut(frames, video) == published_clips(num_frames, length, stride)
    assert frames.rest() is None
    assert frames.num_frames == num_frames


def test_frames_are_padded_to_squares_that_they_fit_into():
    options = ("INPUT.LSJ_AUG.SQUARE_ENABLED", True, "INPUT.LSJ_AUG.IMAGE_SIZE", 64)
    model = small_univs_model(*options)
    frames = UnivsFrames(model, clip_length=1, stride=1, min_size=60, max_size=1333)
    (frame,) = noise_video(1)
    clip = frames.encode(frames.push(frame))
    assert clip.padded_size == (64, 64) and clip.size.resized == (46, 64)
    padded = model.pixel_mean.expand(3, 64, 64).clone()
    padded[:, :46] = clip.size.resize(frame)
    expected = small_univs_model().encode_frames([padded]).mask_features
    torch.testing.assert_close(clip.mask_features, expected)


@pytest.mark.parametrize(("stride", "most_at_once"), [(1, 1), (2, 3), (3, 2)])
def test_a_clip_has_the_features_that_its_frames_have_together(model, stride, most_at_once):
    video = noise_video(7)
    frames = frames_of(model, 3, stride, most_at_once=most_at_once)
    covered = 0
    for index, frame in enumerate(video):
        indices = frames.push(frame)
        if indices is None:
            continue
        clip = frames.encode(indices)
        frames.advance(indices)
        assert clip.frames == range(index - 2, index + 1)
        assert clip.new_frames == range(covered, index + 1)
        assert clip.next_start == frames.next_start == clip.frames.start + stride
        assert clip.is_first == (index == 2)
        covered = index + 1
        tensors = [
            torch.from_numpy(x.transpose(2, 0, 1).copy()) for x in video[index - 2 : covered]
        ]
        features = model.encode_frames(tensors)
        expected = model.clip_memory(features, clip.frames)
        torch.testing.assert_close(clip.mask_features, features.mask_features)
        for name in ("features", "positions"):
            for actual, level in zip(
                getattr(clip.memory, name), getattr(expected, name), strict=True
            ):
                torch.testing.assert_close(actual, level, atol=1e-4, rtol=1e-4)
        assert clip.padded_size == (64, 96)
        assert clip.size.original == (50, 70)
    assert covered >= 6


def test_frames_before_the_first_clip_that_is_wanted_are_not_encoded(model):
    runs = []
    hook = model.backbone.register_forward_hook(lambda _, inputs, __: runs.append(len(inputs[0])))
    frames = frames_of(model, 2, 1, most_at_once=4)
    for frame in noise_video(5):
        indices = frames.push(frame)
        if indices is not None:
            if indices.start >= 2:
                frames.encode(indices)
            frames.advance(indices)
    hook.remove()
    assert runs == [2, 1]


def test_the_last_clip_may_be_short(model):
    frames = frames_of(model, 3, 2)
    clips = cut(frames, noise_video(4))
    assert clips == [range(3), range(2, 4)]
    frames = frames_of(model, 3, 3)
    for frame in noise_video(2):
        assert frames.push(frame) is None
    clip = frames.encode(frames.rest())
    assert clip.num_new == 2
    assert clip.next_start == 2


def test_a_bad_frame_changes_nothing(model):
    frames = frames_of(model, 2, 1)
    frames.push(noise_video(1)[0])
    for bad in (np.zeros((50, 71, 3), np.uint8), np.zeros((50, 70, 3)), np.zeros((50, 70))):
        with pytest.raises(ValueError, match="frame 1"):
            frames.push(bad)
    assert frames.push(noise_video(1)[0]) == range(2)


@pytest.mark.parametrize("stride", [0, 4])
def test_a_stride_that_skips_frames_or_stands_still_is_refused(model, stride):
    with pytest.raises(ValueError, match="stride of clips must be from 1 to their length 3"):
        frames_of(model, 3, stride)
