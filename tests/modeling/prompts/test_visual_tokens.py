from __future__ import annotations

import pytest
import torch

from univs.modeling.prompts.visual_tokens import (
    FrameFeatures,
    VisualTokenSampler,
    jitter_boxes,
)

CHANNELS, ROWS, COLUMNS, TOKENS = 8, 4, 6, 5


@pytest.fixture
def frame() -> FrameFeatures:
    torch.manual_seed(0)
    return FrameFeatures(
        torch.randn(CHANNELS, ROWS, COLUMNS),
        torch.randn(CHANNELS, ROWS, COLUMNS),
        torch.tensor(0.3),
    )


def masks_of(*boxes) -> torch.Tensor:
    masks = torch.zeros(len(boxes), 8 * ROWS, 8 * COLUMNS, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def test_tokens_of_a_mask_are_the_features_of_its_cells(frame):
    features, positions = VisualTokenSampler(TOKENS).from_masks(frame, masks_of((8, 0, 24, 1)))
    expected = frame.features[:, 0, [1, 2, 1, 2, 1]].T
    assert torch.equal(features[0], expected)
    assert torch.equal(positions[0], frame.positions[:, 0, [1, 2, 1, 2, 1]].T)


def test_an_empty_mask_is_blank(frame):
    for masks in (masks_of((0, 0, 0, 0)), masks_of((0, 0, 0, 0), (0, 0, 30, 30))):
        features, positions = VisualTokenSampler(TOKENS).from_masks(frame, masks)
        assert not features[0].any()
        assert not positions[0].any()


def test_an_object_without_cells_has_a_place_but_no_features_as_published(frame):
    masks = masks_of((9, 9, 12, 12), (0, 0, 30, 30))
    features, positions = VisualTokenSampler(TOKENS).from_masks(frame, masks)
    assert not features[0].any()
    assert positions[0].any()
    assert torch.equal(positions[0], positions[0, :1].expand(TOKENS, -1))
    features, _ = VisualTokenSampler(TOKENS, published=False).from_masks(frame, masks)
    assert torch.equal(features[0], frame.features[:, 1, 1].expand(TOKENS, -1))


def test_no_masks_give_no_tokens(frame):
    sampler = VisualTokenSampler(TOKENS)
    assert sampler.from_points(frame, torch.zeros(0, 2))[0].shape == (0, TOKENS, CHANNELS)


def test_points_outside_of_the_frame_are_blank(frame):
    points = torch.tensor([[0.25, 0.125], [1.2, 0.5], [-0.1, 0.5]])
    features, positions = VisualTokenSampler(TOKENS).from_points(frame, points)
    expected = frame.features[:, 0, 1]  # the centre of a cell
    torch.testing.assert_close(features[0, 0], expected)
    assert positions[0].any()
    assert not features[1:].any()
    assert not positions[1:].any()


def test_boxes_outside_of_the_frame_or_without_area_are_blank(frame):
    boxes = torch.tensor([[0.2, 0.2, 0.8, 0.8], [0.5, 0.5, 0.5, 0.9], [1.1, 1.1, 1.4, 1.3]])
    features, _ = VisualTokenSampler(TOKENS).from_boxes(frame, boxes)
    assert features[0].any()
    assert not features[1:].any()


def test_a_box_without_a_cell_takes_a_point_inside(frame):
    # As published the first row and column of a box do not count, so this one has none.
    boxes = torch.tensor([[0.9, 0.8, 0.99, 0.99]])
    features, positions = VisualTokenSampler(TOKENS).from_boxes(frame, boxes)
    assert features.any()
    assert positions.any()


def test_the_same_seed_gives_the_same_tokens(frame):
    masks = masks_of((0, 0, 48, 32))
    sampler = VisualTokenSampler(TOKENS)
    drawn = [
        sampler.from_masks(
            frame, masks, training=True, generator=torch.Generator().manual_seed(seed)
        )[0]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_even_tokens_need_no_seed(frame):
    masks = masks_of((0, 0, 48, 32))
    sampler = VisualTokenSampler(TOKENS, published=False)
    assert torch.equal(sampler.from_masks(frame, masks)[0], sampler.from_masks(frame, masks)[0])


def test_masks_must_be_as_large_as_the_padded_frame(frame):
    with pytest.raises(ValueError, match="masks are 16 x 16, but the padded frames are 32 x 48"):
        VisualTokenSampler(TOKENS).from_masks(frame, torch.ones(1, 16, 16, dtype=torch.bool))


def test_only_large_boxes_are_moved():
    boxes = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.9, 0.9]])
    moved = jitter_boxes(boxes, torch.Generator().manual_seed(0))
    assert torch.equal(moved[0], boxes[0])
    assert not torch.equal(moved[1], boxes[1])
    size = (boxes[1, 2:] - boxes[1, :2]).max()
    assert (moved[1] - boxes[1]).abs().max() <= 0.15 * size + 1e-6
