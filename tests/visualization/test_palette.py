"""Colours."""

from __future__ import annotations

import numpy as np

from univs.visualization.palette import davis_palette, readable_on, track_colors


def test_davis_palette_is_that_of_pascal_voc():
    palette = davis_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[[0, 1, 2, 3, 4, 7, 8, 9, 22, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 128, 128],
        [64, 0, 0],
        [192, 0, 0],
        [0, 192, 128],
        [224, 224, 192],
    ]
    assert len(np.unique(palette, axis=0)) == 256


def test_a_track_has_the_same_colour_whichever_others_there_are():
    assert track_colors([7, 0, 3]).tolist() == track_colors(range(8))[[7, 0, 3]].tolist()
    assert track_colors([0]).tolist() == [[0, 0, 0]]
    assert track_colors([]).shape == (0, 3)


def test_twelve_tracks_are_easy_to_tell_apart():
    colors = track_colors(range(1, 13)).astype(float)
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert distances[~np.eye(12, dtype=bool)].min() > 40
    assert (colors.max(axis=1) > 100).all()  # none is near black
    assert (np.ptp(colors, axis=1) > 80).all()  # none is near grey


def test_large_ids_have_colours():
    colors = track_colors(np.arange(1, 65535))
    assert colors.shape == (65534, 3)
    assert len(np.unique(colors, axis=0)) > 1000


def test_text_stands_out():
    colors = np.array([[255, 255, 255], [0, 0, 0], [255, 255, 0], [0, 0, 160]], np.uint8)
    assert readable_on(colors).tolist() == [[0] * 3, [255] * 3, [0] * 3, [255] * 3]
    assert readable_on(np.zeros((0, 3), np.uint8)).shape == (0, 3)
