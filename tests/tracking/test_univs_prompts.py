from __future__ import annotations

import numpy as np
import torch

from univs.modeling.prompts.visual_tokens import FrameFeatures, VisualTokenSampler
from univs.structures import BoxTarget, MaskTarget, PointTarget
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_prompts import padded_masks, tokens_of_targets

SIZE, PADDED = FrameSize((40, 60), min_size=80, max_size=1333), (96, 128)


def frame() -> FrameFeatures:
    """Features that tell which cell they are of, counted row by row from 1."""
    cells = torch.arange(1.0, 12 * 16 + 1).view(1, 12, 16)
    return FrameFeatures(cells.expand(4, -1, -1), cells.expand(4, -1, -1), torch.zeros(()))


def test_masks_are_resized_and_padded_like_frames():
    mask = np.zeros((40, 60), dtype=bool)
    mask[10:20, 30:60] = True
    (padded,) = padded_masks([MaskTarget(id=1, mask=mask)], SIZE, PADDED)
    assert padded.shape == PADDED
    assert padded[20:40, 60:120].all()
    assert padded.sum() == 20 * 60


def test_boxes_masks_and_points_of_one_place_take_the_cells_there():
    mask = np.zeros((40, 60), dtype=bool)
    mask[8:16, 20:28] = True  # 16 to 32 and 40 to 56 of the input: rows 2, 3 and columns 5, 6
    targets = [
        BoxTarget(id=1, box=[20, 8, 28, 16]),
        MaskTarget(id=2, mask=mask),
        PointTarget(id=3, points=[[22, 10], [26, 14]]),  # centres of cells
    ]
    sampler = VisualTokenSampler(num_tokens=4, published=False)
    features, positions = tokens_of_targets(sampler, frame(), targets, SIZE, PADDED)
    cells = [2 * 16 + 6, 2 * 16 + 7, 3 * 16 + 6, 3 * 16 + 7]
    assert features[0, :, 0].tolist() == features[1, :, 0].tolist() == cells
    torch.testing.assert_close(features[2, :, 0], torch.tensor(2 * [cells[0], cells[3]]).float())
    assert positions.flatten(1).any(1).all()


def test_boxes_end_at_the_border_of_the_frame():
    sampler = VisualTokenSampler(num_tokens=200, published=False)
    target = BoxTarget(id=1, box=[-10, -10, 100, 100])
    features, _ = tokens_of_targets(sampler, frame(), [target], SIZE, PADDED)
    columns = (features[0, :, 0] - 1) % 16
    assert columns.max() == 120 // 8 - 1
