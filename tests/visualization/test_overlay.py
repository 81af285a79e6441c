"""Drawing results onto frames."""

from __future__ import annotations

import numpy as np
import pytest

from univs.structures import VOID_LABEL, FrameResult, Segment, encode_mask
from univs.visualization import draw_frame, track_colors

GREY = 100


def frame(size):
    return np.full((*size, 3), GREY, dtype=np.uint8)


def segment(size, rows, columns, track_id=1, score=0.9, category=0):
    mask = np.zeros(size, dtype=bool)
    mask[rows, columns] = True
    return Segment(track_id=track_id, rle=encode_mask(mask), score=score, category=category)


def test_inside_edge_and_outside():
    size = (60, 80)
    result = FrameResult(
        frame_index=0, size=size, segments=[segment(size, slice(20, 50), slice(10, 60), track_id=5)]
    )
    drawn = draw_frame(frame(size), result, opacity=0.5, with_labels=False)
    color = track_colors([5])[0]
    np.testing.assert_allclose(drawn[35, 30], (color / 2 + GREY / 2), atol=1)
    assert (drawn[20, 10:60] == color).all()  # the outline is opaque and inside the mask
    assert (drawn[20:50, 59] == color).all()
    outside = np.ones(size, bool)
    outside[20:50, 10:60] = False
    assert (drawn[outside] == GREY).all()


def test_the_higher_score_is_on_top():
    size = (40, 80)
    segments = [
        segment(size, slice(0, 40), slice(0, 50), track_id=1, score=0.9),
        segment(size, slice(0, 40), slice(30, 80), track_id=2, score=0.8),
    ]
    drawn = draw_frame(
        frame(size), FrameResult(frame_index=0, size=size, segments=segments), with_labels=False
    )
    assert (drawn[20, 40] == drawn[20, 10]).all()
    assert (drawn[20, 70] != drawn[20, 10]).any()


def test_label_maps_leave_void_clear():
    size = (60, 80)
    label_map = np.full(size, VOID_LABEL, dtype=np.int16)
    label_map[:, :40] = 2
    result = FrameResult(frame_index=0, size=size, label_map=label_map)
    drawn = draw_frame(frame(size), result, opacity=1.0, with_labels=False)
    assert (drawn[:, :40] == track_colors([3])).all()
    assert (drawn[:, 40:] == GREY).all()


def test_a_result_without_anything_changes_nothing():
    for label_map in (None, np.full((20, 30), VOID_LABEL)):
        result = FrameResult(frame_index=0, size=(20, 30), label_map=label_map)
        assert (draw_frame(frame((20, 30)), result) == GREY).all()


@pytest.mark.parametrize("size", [(128, 192), (127, 191), (480, 854), (1080, 1920)])
def test_the_label_is_written_beside_the_mask_at_every_size(size):
    height, width = size
    rows, columns = slice(height // 2, height - 5), slice(width // 4, width // 2)
    result = FrameResult(frame_index=0, size=size, segments=[segment(size, rows, columns)])
    plain = draw_frame(frame(size), result, ["person"], with_labels=False)
    drawn = draw_frame(frame(size), result, ["person"])
    changed_rows, changed_columns = np.nonzero((plain != drawn).any(axis=2))
    assert changed_rows.max() < height // 2  # above the mask
    assert changed_columns.min() == width // 4  # aligned with it
    plate_height = np.ptp(changed_rows) + 1
    assert 0.02 * height < plate_height < 0.15 * height
    assert plate_height >= 12  # legible
    plate = drawn[changed_rows.min() : changed_rows.max() + 1, width // 4 : changed_columns.max()]
    is_text = (plate < 60).all(axis=2) | (plate > 250).all(axis=2)
    assert 0.03 < is_text.mean() < 0.5


def test_labels_of_neighbours_do_not_cover_one_another():
    size = (128, 192)
    one = segment(size, slice(60, 100), slice(20, 90), track_id=1)
    other = segment(size, slice(62, 100), slice(60, 150), track_id=2, score=0.8)

    def pixels(segments, track_id, rows):
        """Number of pixels in the colour of a track: its plate, and its outline where visible."""
        result = FrameResult(frame_index=0, size=size, segments=segments)
        drawn = draw_frame(frame(size), result, ["person"], opacity=0.0)
        return (drawn == track_colors([track_id])).all(axis=2)[rows].sum()

    above, everywhere = slice(0, 60), slice(None)
    assert pixels([one, other], 1, above) == pixels([one], 1, above) > 500  # the plate is whole
    assert pixels([one, other], 2, everywhere) > 700  # the outline alone has less than 400


def test_many_and_tiny_and_odd_things_can_be_drawn():
    size = (9, 7)  # too small for any label
    result = FrameResult(frame_index=0, size=size, segments=[segment(size, 3, 3, category=None)])
    assert (draw_frame(frame(size), result, ["a"]) != GREY).any()
    size = (128, 192)
    segments = [
        segment(size, slice(3 * i, 3 * i + 3), slice(i, 192 - i), track_id=i + 1, category=i)
        for i in range(40)
    ]
    result = FrameResult(frame_index=0, size=size, segments=segments)
    assert draw_frame(frame(size), result, ["Größe", "人"]).shape == (128, 192, 3)


def test_the_frame_itself_is_not_changed():
    image = frame((60, 80))
    result = FrameResult(
        frame_index=0, size=(60, 80), segments=[segment((60, 80), slice(0, 9), slice(0, 9))]
    )
    draw_frame(image, result)
    assert (image == GREY).all()


def test_a_frame_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\[20, 30, 3\].*\[30, 20, 3\]"):
        draw_frame(frame((30, 20)), FrameResult(frame_index=0, size=(20, 30)))
