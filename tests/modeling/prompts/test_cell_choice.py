from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from univs.modeling.prompts.cell_choice import (
    cells_of_boxes,
    cells_of_masks,
    central_half,
    choose_cells,
    extreme_cells,
    random_pixels,
)


def masks_of(*boxes: tuple[int, int, int, int], size=(32, 48)) -> torch.Tensor:
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def test_a_cell_belongs_to_the_mask_that_covers_its_corner():
    cells = cells_of_masks(masks_of((8, 8, 24, 9)))
    assert torch.nonzero(cells[0]).tolist() == [[1, 1], [1, 2]]


def test_small_objects_have_no_cell_or_all_as_published():
    small, large = (1, 1, 4, 4), (0, 0, 40, 24)
    assert cells_of_masks(masks_of(small)).all()
    assert not cells_of_masks(masks_of(small, large))[0].any()
    assert cells_of_masks(masks_of((0, 0, 0, 0))).all()


def test_small_objects_have_one_cell_otherwise():
    masks = masks_of((9, 17, 15, 23), (0, 0, 40, 24), (0, 0, 0, 0))
    cells = cells_of_masks(masks, published=False)
    assert torch.nonzero(cells[0]).tolist() == [[2, 1]]
    assert not cells[2].any()


def test_masks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="multiples of 8, but are 30 x 48"):
        cells_of_masks(torch.ones(1, 30, 48, dtype=torch.bool))


def test_boxes_lose_their_first_and_gain_a_last_cell_as_published():
    box = torch.tensor([[0.25, 0.25, 0.75, 0.75]])
    published = cells_of_boxes(box, (4, 8))[0]
    assert torch.nonzero(published.any(0)).flatten().tolist() == [3, 4, 5, 6]
    assert torch.nonzero(published.any(1)).flatten().tolist() == [2, 3]
    fixed = cells_of_boxes(box, (4, 8), published=False)[0]
    assert torch.nonzero(fixed.any(0)).flatten().tolist() == [2, 3, 4, 5]
    assert torch.nonzero(fixed.any(1)).flatten().tolist() == [1, 2]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**16), st.integers(1, 12), st.booleans(), st.booleans())
def test_chosen_cells_are_cells_of_the_object(seed, num_tokens, at_random, with_extremes):
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(3, 4, 5, generator=generator) > 0.6
    cells[:, 1, 1] = True
    chosen = choose_cells(
        cells,
        num_tokens,
        at_random=at_random,
        with_extremes=with_extremes,
        generator=generator,
    )
    assert chosen.shape == (3, num_tokens)
    assert cells.flatten(1).gather(1, chosen).all()
    for row, flat in zip(chosen, cells.flatten(1), strict=True):
        if flat.sum() < num_tokens:
            assert set(row.tolist()) == set(torch.nonzero(flat).flatten().tolist())
        elif not with_extremes:
            assert len(set(row.tolist())) == num_tokens


def test_the_same_seed_chooses_the_same_cells():
    cells = torch.ones(2, 6, 6, dtype=torch.bool)
    first, second = (
        choose_cells(cells, 9, at_random=True, generator=torch.Generator().manual_seed(4))
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_even_choices_span_the_object():
    cells = torch.ones(1, 4, 4, dtype=torch.bool)
    assert choose_cells(cells, 4, at_random=False).tolist() == [[2, 6, 10, 14]]


def test_extremes_are_left_top_right_bottom():
    cells = torch.tensor([[0, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0]]).bool()[None]
    assert extreme_cells(cells).tolist() == [[4, 1, 7, 13]]


def test_random_pixels_are_centres_of_pixels_in_the_mask():
    masks = masks_of((8, 4, 24, 20))
    found = set()
    for seed in range(20):
        (point,) = random_pixels(masks, torch.Generator().manual_seed(seed))
        x, y = float(point[0] * 48 - 0.5), float(point[1] * 32 - 0.5)
        assert masks[0, round(y), round(x)]
        assert abs(x - round(x)) < 1e-4
        found.add((round(x), round(y)))
    assert len(found) > 10


def test_random_pixels_prefer_the_central_half():
    masks = masks_of((8, 4, 24, 20), (3, 5, 4, 6))
    generator = torch.Generator().manual_seed(0)
    points = random_pixels(masks, generator, prefer_centre=True)
    x, y = points[:, 0] * 48 - 0.5, points[:, 1] * 32 - 0.5
    assert 12 <= float(x[0]) <= 19
    assert 8 <= float(y[0]) <= 15
    torch.testing.assert_close(torch.stack((x[1], y[1])), torch.tensor([3.0, 5.0]))


def test_the_central_half_keeps_the_middle_in_both_directions():
    central = central_half(masks_of((8, 4, 16, 12)))[0]
    ys, xs = torch.nonzero(central, as_tuple=True)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (10, 13, 6, 9)
