"""Grids of frames."""

from __future__ import annotations

import numpy as np
import pytest

from univs.visualization import contact_sheet


def picture(value, size=(30, 40)):
    return np.full((*size, 3), value, dtype=np.uint8)


def test_frames_go_row_by_row():
    sheet = contact_sheet([picture(value) for value in (10, 20, 30, 40, 50)], columns=2, gap=4)
    assert sheet.shape == (3 * 34 + 4, 2 * 44 + 4, 3)
    centres = [[sheet[19 + 34 * row, 24 + 44 * column, 0] for column in (0, 1)] for row in range(3)]
    assert centres == [[10, 20], [30, 40], [50, 255]]


def test_wide_frames_shrink_and_sizes_may_differ():
    sheet = contact_sheet([picture(9, (200, 400)), picture(7, (20, 50))], cell_width=100, gap=0)
    assert sheet.shape == (50, 200, 3)
    assert (sheet[:, :100] == 9).all()
    assert (sheet[:20, 100:150] == 7).all()
    assert (sheet[20:, 100:] == 255).all()


def test_captions_take_a_line_below():
    plain = contact_sheet([picture(0)])
    sheet = contact_sheet([picture(0)], captions=["frame 3"])
    assert sheet.shape[0] == plain.shape[0] + 20
    assert (sheet[38:] < 128).any()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 frames need as many captions, not 2"):
        contact_sheet([picture(0)], captions=["a", "b"])
