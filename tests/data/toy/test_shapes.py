"""Outlines and rasterisation."""

from __future__ import annotations

import numpy as np
import pytest

from univs.data.toy.classes import TEXTURES, THING_CLASSES
from univs.data.toy.shapes import OUTLINES, paint, rasterise


def test_rasterise_square_covers_whole_and_half_pixels() -> None:
    square = np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 2.5], [1.0, 2.5]])
    expected = np.zeros((4, 5))
    expected[1, 1:3] = 1
    expected[2, 1:3] = 0.5
    # fillPoly also fills the sub-pixels that an edge touches: up to one of four per side.
    np.testing.assert_allclose(rasterise([square], 4, 5), expected, atol=0.26)
    assert (rasterise([square], 4, 5) > 0.5)[1, 1:3].all()


@pytest.mark.parametrize("name", THING_CLASSES)
def test_area_of_outline(name: str) -> None:
    """The drawn area is that of the polygon (shoelace formula; inner contours are holes)."""
    radius = 40
    contours = [points * radius + 50 for points in OUTLINES[name]]
    areas = [
        abs(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) / 2
        for p in contours
    ]
    expected = areas[0] - sum(areas[1:])
    assert rasterise(contours, 100, 100).sum() == pytest.approx(expected, rel=0.05)


def test_outside_the_canvas_is_cut_off() -> None:
    circle = [OUTLINES["circle"][0] * 10]  # around the corner (0, 0)
    cover = rasterise(circle, 20, 20)
    assert cover[0, 0] == 1
    assert cover[15:, 15:].max() == 0


@pytest.mark.parametrize("texture", TEXTURES)
def test_textures_use_both_colours(texture: str) -> None:
    v, u = np.mgrid[-1:1:40j, -1:1:40j]
    colour, second = np.array([200.0, 0, 0]), np.array([0, 0, 200.0])
    painted = paint(texture, u, v, colour, second)
    assert painted.shape == (40, 40, 3)
    second_share = (painted[..., 2] > painted[..., 0]).mean()
    assert second_share == 0 if texture == "plain" else 0.15 < second_share < 0.85


def test_unknown_texture() -> None:
    with pytest.raises(ValueError, match="'woolly'"):
        paint("woolly", np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(3), np.zeros(3))
