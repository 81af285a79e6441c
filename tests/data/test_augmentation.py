from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import univs  # noqa: F401
from detectron2.data import transforms as T
from univs.data.augmentation import (
    FixedSizeCrop,
    Flip,
    MovingCrop,
    Occasionally,
    ResizeShortestEdge,
    Rotation,
    ScaleJitter,
    SwayingSquareCrop,
    draw_transforms,
    shortest_edge_size,
    size_after,
)

SIDES = st.integers(5, 90)
SEEDS = st.integers(0, 10_000)


@given(height=SIDES, width=SIDES, shortest=SIDES, longest=st.integers(20, 120))
def test_shortest_edge_is_that_of_detectron2(height, width, shortest, longest):
    expected = T.ResizeShortestEdge.get_output_shape(height, width, shortest, longest)
    assert shortest_edge_size((height, width), shortest, longest) == tuple(expected)


@pytest.mark.parametrize("per_clip", [True, False])
def test_sizes_are_drawn_per_clip_or_per_frame(per_clip):
    resize = ResizeShortestEdge(shortest=(10, 20, 30, 40), longest=100, per_clip=per_clip)
    random = np.random.default_rng(0)
    kinds = [len({t.new_h for t in resize.draw([(40, 60)] * 5, random)}) for _ in range(20)]
    assert (max(kinds) == 1) == per_clip


def test_ranges_include_both_ends():
    resize = ResizeShortestEdge(shortest=(10, 12), longest=100, is_range=True)
    random = np.random.default_rng(0)
    drawn = {resize.draw([(40, 60)], random)[0].new_h for _ in range(60)}
    assert drawn == {10, 11, 12}
    with pytest.raises(ValueError, match="needs two numbers"):
        ResizeShortestEdge(shortest=(10,), longest=100, is_range=True)


@pytest.mark.parametrize("per_clip", [True, False])
@pytest.mark.parametrize(
    ("vertical", "kind"), [(False, T.HFlipTransform), (True, T.VFlipTransform)]
)
def test_flips(per_clip, vertical, kind):
    flip = Flip(is_vertical=vertical, per_clip=per_clip)
    random = np.random.default_rng(0)
    draws = [[isinstance(t, kind) for t in flip.draw([(4, 6)] * 4, random)] for _ in range(100)]
    assert all(len(set(clip)) == 1 for clip in draws) == per_clip
    assert 0.3 < np.mean(draws) < 0.7


@given(height=SIDES, width=SIDES, seed=SEEDS)
def test_moving_crops_have_one_size_and_stay_inside(height, width, seed):
    crop = MovingCrop(smallest=20, largest=40)
    transforms = crop.draw([(height, width)] * 6, np.random.default_rng(seed))
    assert len({(t.h, t.w) for t in transforms}) == 1
    for t in transforms:
        assert min(height, 20) <= t.h <= min(height, 40)
        assert min(width, 20) <= t.w <= min(width, 40)
        assert 0 <= t.y0 <= height - t.h
        assert 0 <= t.x0 <= width - t.w
    xs, ys = [t.x0 for t in transforms], [t.y0 for t in transforms]
    assert xs in (sorted(xs), sorted(xs, reverse=True))
    assert ys in (sorted(ys), sorted(ys, reverse=True))


@given(height=SIDES, width=SIDES, seed=SEEDS)
def test_large_scale_jittering_ends_in_a_square(height, width, seed):
    steps = [ScaleJitter(target=32, smallest=0.1, largest=2.0), FixedSizeCrop(side=32)]
    transforms = draw_transforms(steps, [(height, width)], np.random.default_rng(seed))[0]
    image = np.zeros((height, width, 3), np.uint8)
    for transform in transforms:
        image = transform.apply_image(image)
    assert image.shape == (32, 32, 3)
    # Padding (128) lies to the right and below only.
    assert (image[0, 0] == 0).all()


def test_occasionally_applies_all_or_nothing():
    steps = [ResizeShortestEdge(shortest=(20,), longest=99), MovingCrop(smallest=8, largest=8)]
    random = np.random.default_rng(0)
    sizes = []
    for _ in range(60):
        transforms = draw_transforms([Occasionally(steps, probability=0.5)], [(40, 60)] * 3, random)
        sizes.append(len(transforms[0]))
        assert len({len(frame) for frame in transforms}) == 1
    assert set(sizes) == {1, 2}


def test_a_swing_rotates_about_one_centre_in_one_direction():
    random = np.random.default_rng(0)
    for _ in range(10):
        transforms = Rotation(degrees=15, is_swing=True).draw([(40, 60)] * 5, random)
        angles = [t.angle for t in transforms]
        assert angles in (sorted(angles), sorted(angles, reverse=True))
        assert max(map(abs, angles)) <= 15
        assert len({tuple(t.center) for t in transforms}) == 1


def test_rotation_keeps_the_size():
    transforms = draw_transforms([Rotation()], [(40, 60)] * 2, np.random.default_rng(0))
    for (transform,) in transforms:
        assert transform.apply_image(np.zeros((40, 60, 3), np.uint8)).shape == (40, 60, 3)


def test_a_crop_needs_a_range():
    with pytest.raises(ValueError, match="0 < smallest <= largest, got 9 and 8"):
        MovingCrop(smallest=9, largest=8)


def test_factors_may_be_drawn_for_every_frame():
    options = {"target": 100, "smallest": 0.5, "largest": 2.0}
    for per_clip, count in ((True, 1), (False, 6)):
        jitter = ScaleJitter(**options, per_clip=per_clip)
        drawn = jitter.draw([(50, 80)] * 6, np.random.default_rng(0))
        assert len({t.new_w for t in drawn}) == count


@pytest.mark.parametrize("size", [(100, 160), (30, 160), (20, 30), (40, 40)])
def test_square_crops_sway_a_tenth_of_their_side(size):
    crop = SwayingSquareCrop(side=40)
    corners = []
    for seed in range(30):
        drawn = crop.draw([size] * 5, np.random.default_rng(seed))
        for transforms in drawn:
            window, padding = transforms.transforms
            assert size_after(padding, size_after(window, size)) == (40, 40)
            assert 0 <= window.x0 <= max(size[1] - 40, 0)
            assert 0 <= window.y0 <= max(size[0] - 40, 0)
        corners.append([(t.transforms[0].y0, t.transforms[0].x0) for t in drawn])
    moves = np.abs(np.array(corners) - np.array(corners)[:, :1])
    assert moves.max() <= 4
    assert (moves.max() > 0) == (max(size) > 40)
