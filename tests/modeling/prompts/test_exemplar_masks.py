from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.tarvis import bits
from univs.modeling.prompts.exemplar_masks import (
    background_pixels,
    central_points,
    divided_pixels,
    grid_cells,
)


def as_masks(owners, pixels, num_owners, shape):
    masks = torch.zeros(num_owners, shape.numel(), dtype=torch.bool)
    masks[owners, pixels] = True
    return masks.view(num_owners, *shape)


@pytest.mark.golden("tarvis", "mask_functions")
def test_mask_functions_equal_the_original(case):
    masks = case.tensor("object_masks").bool()
    shape = masks.shape[1:]
    case.check("grid_cell_index", grid_cells(*shape[1:], (4, 4)).to(torch.uint8))
    cells = as_masks(*background_pixels(masks, (4, 4)), 16, shape)
    assert torch.equal(cells, bits(case, "background_masks_4x4"))
    divided = [name for name in case.arrays if name.startswith("divided_p") and "areas" not in name]
    assert divided
    for name in divided:
        num_parts = int(name.removeprefix("divided_p"))
        owners, pixels = divided_pixels(masks, num_parts)
        case.check(f"{name}_areas", torch.bincount(owners))
        assert torch.equal(
            as_masks(owners, pixels, len(masks) * num_parts, shape), bits(case, name)
        )
    case.check("points", central_points(case.tensor("point_masks").bool()).flip(1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 9), st.data())
def test_parts_are_equal_runs_that_cover_the_mask(areas, num_parts, data):
    masks = torch.zeros(len(areas), 2 * 5 * 6, dtype=torch.bool)
    for mask, area in zip(masks, areas, strict=True):
        order = data.draw(st.permutations(range(60)))
        mask[order[:area]] = True
    owners, pixels = divided_pixels(masks.view(-1, 2, 5, 6), num_parts)
    counts = torch.bincount(owners, minlength=len(areas) * num_parts).view(-1, num_parts)
    assert (counts >= 1).all() and (counts.amax(1) - counts.amin(1) <= 1).all()
    for index, mask in enumerate(masks):
        mine = pixels[owners // num_parts == index]
        assert torch.equal(mine.unique(), mask.nonzero().flatten())


def test_an_empty_mask_is_refused():
    masks = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    masks[0, 0, 1, 1] = True
    with pytest.raises(ValueError, match=r"masks \[1\] are empty"):
        divided_pixels(masks, 4)
    with pytest.raises(ValueError, match="empty mask"):
        central_points(masks[1])


def test_a_mask_of_the_whole_image_has_its_centre():
    assert central_points(torch.ones(1, 5, 7, dtype=torch.bool)).tolist() == [[0.5, 0.5]]


def test_no_objects_leave_everything_to_the_background():
    owners, pixels = background_pixels(torch.zeros(0, 2, 8, 8, dtype=torch.bool), (2, 2))
    assert len(pixels) == 128 and torch.bincount(owners).tolist() == [32] * 4
    assert len(central_points(torch.zeros(0, 4, 4, dtype=torch.bool))) == 0
