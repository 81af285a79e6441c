from __future__ import annotations

import torch
import torch.nn.functional as F

from univs.modeling.meta_arch.univs import PromptedClipPrediction
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_stuff import category_map


def test_every_pixel_has_the_category_with_the_largest_sum():
    generator = torch.Generator().manual_seed(0)
    prediction = PromptedClipPrediction(
        class_logits=torch.randn(5, 6, generator=generator),
        mask_logits=3 * torch.randn(5, 2, 4, 6, generator=generator),
        queries=torch.zeros(5, 2, 3),
        num_learnable=4,
    )
    size = FrameSize((14, 20), min_size=0, max_size=1333)
    labels = category_map(prediction, slice(2, 5), size, (16, 24))
    masks = F.interpolate(prediction.mask_logits[:4], size=(16, 24), mode="bilinear")
    inside = masks[..., :14, :20].flatten(1)
    quality = (inside > 1).sum(1) / (inside > -1).sum(1)
    scores = prediction.class_logits[:4, 2:5].sigmoid() * quality[:, None]
    sums = (scores[:, :, None, None, None] * masks.sigmoid()[:, None]).sum(0)
    assert torch.equal(labels, sums.argmax(0))
