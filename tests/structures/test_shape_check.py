"""`check_shape` and `check_shapes`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from univs.structures import check_shape, check_shapes


@pytest.mark.parametrize("make", [np.zeros, torch.zeros], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    ("shape", "pattern", "sizes"),
    [
        ((2, 5, 3, 4, 6), "B T 3 H W", {"B": 2, "T": 5, "H": 4, "W": 6}),
        ((0, 3, 4, 4), "T 3 H W", {"T": 0, "H": 4, "W": 4}),  # no frames
        ((7,), "* C", {"C": 7}),  # nothing in front
        ((1, 2, 7), "* C", {"C": 7}),
        ((4, 4), "N N", {"N": 4}),
        ((), "", {}),  # scalar
        ((3, 2), "num_points 2", {"num_points": 3}),
    ],
)
def test_matching_shapes_give_the_sizes(make, shape, pattern, sizes):
    assert check_shape(make(shape), pattern, "x") == sizes


@pytest.mark.parametrize("make", [np.zeros, torch.zeros], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ((2, 5, 4, 4, 6), "B T 3 H W"),  # wrong number
        ((2, 3, 4, 6), "B T 3 H W"),  # too few
        ((1, 2, 5, 3, 4, 6), "B T 3 H W"),  # too many
        ((3, 4), "N N"),  # one letter, two sizes
        ((), "* C"),
        ((4,), ""),
    ],
)
def test_an_error_names_the_argument_the_pattern_and_the_shape(make, shape, pattern):
    with pytest.raises(ValueError, match="frames must have the shape") as error:
        check_shape(make(shape), pattern, "frames")
    assert f"[{pattern}]" in str(error.value)
    assert str(list(shape)) in str(error.value)


def test_letters_bind_across_the_tensors_of_one_call():
    frames, masks = torch.zeros(2, 5, 3, 8, 9), np.zeros((2, 10, 5, 8, 9))
    sizes = check_shapes((frames, "B T 3 H W", "frames"), (masks, "B Q T H W", "masks"))
    assert sizes == {"B": 2, "T": 5, "H": 8, "W": 9, "Q": 10}
    with pytest.raises(ValueError, match=r"masks .* with B=2 \(from frames\), T=5 .*\[2, 10, 6"):
        check_shapes(
            (frames, "B T 3 H W", "frames"), (np.zeros((2, 10, 6, 8, 9)), "B Q T H W", "masks")
        )


def test_letters_do_not_bind_across_calls():
    check_shape(torch.zeros(2, 3), "B C", "x")
    check_shape(torch.zeros(4, 5), "B C", "y")


def test_something_without_a_shape_is_named():
    with pytest.raises(ValueError, match="points must be a tensor or array .* but is a list"):
        check_shape([[0, 1]], "N 2", "points")
