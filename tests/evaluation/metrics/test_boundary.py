from __future__ import annotations

import cv2
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from reference.numbers import assert_numbers
from univs.evaluation.metrics import boundary


@pytest.mark.golden("metrics", "boundary")
def test_pairs_equal_the_official_toolkits(case) -> None:
    parameters = case.meta["parameters"]
    for n, expected in enumerate(case.meta["expected"]["pairs"]):
        truth, prediction = case.arrays[f"gt_{n:03d}"], case.arrays[f"pred_{n:03d}"]
        void = case.arrays.get(f"void_{n:03d}")
        actual = {
            "J": boundary.region_similarity(truth, prediction, void),
            "F": boundary.boundary_f(truth, prediction, void, parameters["bound_th"]),
        }
        if void is None:
            ratio = parameters["dilation_ratio"]
            actual[f"biou_{ratio}"] = boundary.boundary_iou(truth, prediction, ratio)
            width = max(1, round(ratio * np.hypot(*truth.shape)))
            for name, mask in (("gt", truth), ("pred", prediction)):
                band = boundary.boundary_band(mask != 0, width)
                actual[f"boundary_pixels_{name}"] = int(band.sum())
            names = ("mose2_J", "mose2_F", "mose2_F_new")
            scores = boundary.mose_v2_scores(truth, prediction)
            actual.update(zip(names, scores, strict=True))
        assert_numbers(actual, expected, f"pair {n}")


MASKS = arrays.array_shapes(min_dims=2, max_dims=2, max_side=24).flatmap(
    lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape))
)


@settings(max_examples=100, deadline=None)
@given(masks=MASKS, radius=st.one_of(st.integers(1, 7), st.floats(0.1, 7)))
def test_bitwise_dilation_equals_opencv(masks, radius) -> None:
    truth, prediction = masks
    offsets = np.arange(-radius, radius + 1)
    kernel = (offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2).astype(np.uint8)
    maps = [boundary.boundary_map(mask).view(np.uint8) for mask in masks]
    dilated = [cv2.dilate(boundary_map, kernel) for boundary_map in maps]
    element = boundary.disk(radius)
    packed = [boundary.PackedBoundary(mask, element.reach) for mask in masks]
    for one, other in ((0, 1), (1, 0)):
        matched = packed[one].bits & packed[other].dilated(element)
        assert matched.bit_count() == np.count_nonzero(maps[one] & dilated[other])
    assert packed[0].count == maps[0].sum()


@settings(max_examples=50, deadline=None)
@given(masks=MASKS)
def test_scores_are_symmetric_and_one_for_equal_masks(masks) -> None:
    truth, prediction = masks
    assert boundary.region_and_boundary(truth, truth) == (1.0, 1.0)
    for score in (boundary.region_similarity, boundary.boundary_f, boundary.boundary_iou):
        assert score(truth, prediction) == pytest.approx(score(prediction, truth), abs=1e-15)
        assert 0 <= score(truth, prediction) <= 1


@settings(max_examples=50, deadline=None)
@given(masks=MASKS, margin=st.integers(1, 40))
def test_windows_do_not_change_the_numbers(masks, margin) -> None:
    # The same masks inside a larger frame, against a score computed on the whole of that frame.
    truth, prediction = (np.pad(mask, margin) for mask in masks)
    element = boundary.disk(boundary.boundary_radius(*truth.shape))
    whole = [boundary.PackedBoundary(mask, element.reach) for mask in (truth, prediction)]
    expected = boundary.packed_boundary_f(*whole, element)
    assert boundary.boundary_f(truth, prediction) == expected


def test_boundary_at_the_borders_of_the_image() -> None:
    corner = np.zeros((3, 4), dtype=bool)
    corner[2, 3] = True
    expected = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0]], dtype=bool)
    np.testing.assert_array_equal(boundary.boundary_map(corner), expected)
    assert not boundary.boundary_map(np.ones((3, 4), dtype=bool)).any()
    whole, empty = np.ones((5, 5), dtype=bool), np.zeros((5, 5), dtype=bool)
    assert boundary.region_and_boundary(whole, empty) == (0.0, 1.0)


def test_radius_of_common_sizes() -> None:
    sizes = [(480, 854), (720, 1280), (1080, 1920)]
    assert [boundary.boundary_radius(*size) for size in sizes] == [8, 12, 18]


@pytest.mark.parametrize(
    "score", [boundary.region_similarity, boundary.boundary_f, boundary.boundary_iou]
)
def test_masks_of_different_size_are_refused(score) -> None:
    with pytest.raises(ValueError, match=r"prediction has size \(4, 6\)"):
        score(np.zeros((4, 5), bool), np.zeros((4, 6), bool))
