"""PNG files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from univs.visualization import davis_palette, write_id_map, write_png


def test_id_maps_come_back_with_their_ids_and_colours(tmp_path):
    id_map = np.random.RandomState(0).randint(0, 256, (5, 7)).astype(np.uint8)
    write_id_map(tmp_path / "a.png", id_map, davis_palette())
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image), id_map)
        np.testing.assert_array_equal(np.array(image.convert("RGB")), davis_palette()[id_map])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_large_ids_are_kept(tmp_path):
    id_map = np.array([[0, 300], [65534, 1]], dtype=np.uint16)
    write_id_map(tmp_path / "a.png", id_map, davis_palette())
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.array(image), id_map)


def test_pictures_come_back(tmp_path):
    picture = np.random.RandomState(0).randint(0, 256, (7, 10, 3)).astype(np.uint8)[:, ::2]
    write_png(tmp_path / "a.png", picture)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.array(image), picture)


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "a.png").write_text("old")
    with pytest.raises((TypeError, ValueError, KeyError)):
        write_png(tmp_path / "a.png", np.zeros((2, 2, 5), np.uint8))
    assert (tmp_path / "a.png").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
