"""Clips of TarViS: which frames, which part of the picture, which objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from univs.data.augmentation import ResizeShortestEdge
from univs.data.color import ColorShift
from univs.data.mapper.tarvis_clip import FractionCrop, TarVisClipMapper


def mapper(**options) -> TarVisClipMapper:
    arguments = {
        "num_frames": 3,
        "frame_range": 4,
        "flip": (),
        "resize": ResizeShortestEdge(shortest=(0,), longest=1000),
    }
    return TarVisClipMapper(**{**arguments, **options})


def moving_squares(count: int, length: int = 8, size=(24, 32)) -> np.ndarray:
    """``[N, T, H, W]``: object n is a square of 4 pixels that is there from frame n on."""
    masks = np.zeros((count, length, *size), bool)
    for n in range(count):
        masks[n, n:, 4 * n : 4 * n + 4, 6:10] = True
    return masks


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_clips_are_around_a_frame_with_a_thing(make_record):
    record = make_record(moving_squares(1)[:, :, :, :])
    for seed in range(20):
        clip = mapper(frame_range=2).draw_clip(record, np.random.default_rng(seed))
        assert len(set(clip.frames)) == 3
        assert list(clip.frames) == sorted(clip.frames)
        assert clip.frames[-1] - clip.frames[0] <= 4


def test_given_objects_are_in_the_first_frame(make_record):
    record = make_record(moving_squares(5))
    chosen = set()
    for _ in range(30):
        sample = mapper(gives_objects=True)(record.as_dataset_dict())
        first = sample["instances"][0]
        assert (first.gt_ids >= 0).all()
        assert list(sample["frame_indices"]) == sorted(sample["frame_indices"])
        assert len(first) == min(4, 1 + sample["frame_indices"][0])  # one more in every frame
        chosen.add(tuple(first.gt_ids.tolist()))
    assert len(chosen) > 4


def test_neighbouring_frames(make_record):
    record = make_record(moving_squares(1))
    for seed in range(10):
        frames = mapper(frame_range=0).draw_clip(record, np.random.default_rng(seed)).frames
        assert np.diff(frames).tolist() == [1, 1]


@pytest.mark.parametrize("options", [{}, {"gives_objects": True}, {"frame_range": 0}])
def test_videos_of_one_frame_are_repeated(make_record, options):
    record = make_record(moving_squares(1, length=1))
    sample = mapper(**options)(record.as_dataset_dict())
    assert sample["frame_indices"] == [0, 0, 0]


@pytest.mark.parametrize("options", [{}, {"gives_objects": True}])
def test_videos_without_objects_are_clips_without_objects(make_record, options):
    sample = mapper(**options)(make_record(moving_squares(1)[:0]).as_dataset_dict())
    assert [len(frame) for frame in sample["instances"]] == [0, 0, 0]


def test_small_objects_are_absent(make_record):
    sample = mapper(smallest_object=17)(make_record(moving_squares(2)).as_dataset_dict())
    assert not any(frame.gt_masks.tensor.any() for frame in sample["instances"])


def test_a_crop_keeps_a_quarter_of_the_pixels():
    mask = np.zeros((1, 40, 60), bool)
    mask[0, :4, :4] = True
    crop, random = FractionCrop(0.5, 0.5), np.random.default_rng(0)
    kept = [crop.around_most([mask], random) for _ in range(50)]
    found = [c for c in kept if c is not None]
    assert found
    assert len(found) < len(kept)  # ten tries may fail
    for window in found:
        assert (window.h, window.w) == (20, 30)
        inside = mask[:, window.y0 : window.y0 + 20, window.x0 : window.x0 + 30]
        assert 4 * inside.sum() >= mask.sum()


def test_a_crop_keeps_given_objects_whole():
    mask = np.zeros((40, 60), bool)
    mask[3:10, 50:58] = True
    crop, random = FractionCrop(0.75, 0.75), np.random.default_rng(0)
    tops = set()
    for _ in range(30):
        window = crop.around_all(mask, random)
        inside = mask[window.y0 : window.y0 + window.h, window.x0 : window.x0 + window.w]
        assert inside.sum() == mask.sum()
        tops.add(window.y0)
    assert len(tops) > 1
    mask[39] = True
    assert crop.around_all(mask, random) is None


def test_images_and_masks_are_cropped_alike(make_record):
    masks = np.zeros((1, 4, 24, 32), bool)
    masks[:, :, 8:16, 8:20] = True
    record = make_record(masks)
    for options in ({}, {"gives_objects": True}):
        sample = mapper(crop=FractionCrop(0.75, 0.75), **options)(record.as_dataset_dict())
        for image, instances in zip(sample["image"], sample["instances"], strict=True):
            assert image.shape[1:] == instances.gt_masks.tensor.shape[1:] == (18, 24)
        if options:
            assert sample["instances"][0].gt_masks.tensor.sum() == 8 * 12


def test_colours_change_alike_in_all_frames():
    shift = ColorShift(saturation=12, brightness=25)
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    change = shift.for_clip(np.random.default_rng(1))
    assert np.array_equal(change(image), change(image))
    assert not np.array_equal(change(image), image)
    other = shift.for_clip(np.random.default_rng(2))
    assert not np.array_equal(change(image), other(image))
    grey = np.full((4, 4, 3), 128, np.uint8)
    assert abs(int(change(grey)[0, 0, 0]) - 128) <= 26
