"""Sequences that are made of still images."""

from __future__ import annotations

import numpy as np
import torch

from univs.data.augmentation import RandomAffine, RandomCrop
from univs.data.geometry import transform_image, transform_maps
from univs.data.mapper.image_sequence import ImageSequenceMapper


def test_frames_are_moved_apart_and_masks_with_them(make_record):
    masks = np.zeros((1, 1, 40, 48), bool)
    masks[..., 10:30, 12:36] = True
    torch.manual_seed(0)
    mapper = ImageSequenceMapper(num_frames=3, frame_range=4, augmentations=[RandomAffine()])
    sample = mapper(make_record(masks).as_dataset_dict())
    shown = [frame.gt_masks.tensor[0] for frame in sample["instances"]]
    assert not torch.equal(shown[0], shown[1]) and not torch.equal(shown[1], shown[2])
    assert all(0.6 < mask.sum() / (20 * 24) < 1.5 for mask in shown)
    assert [frame.gt_ids.tolist() for frame in sample["instances"]] == [[0]] * 3


def test_an_affine_map_moves_images_masks_and_points_alike():
    random = np.random.default_rng(0)
    (transform,) = RandomAffine().draw([(60, 80)], random)
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    image = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255
    moved = transform_maps([transform], mask[None])[0]
    bright = transform_image([transform], image)[..., 0] > 127
    assert (moved ^ bright).mean() < 0.01
    centre = transform.apply_coords(np.array([[39.5, 29.5]]))
    np.testing.assert_allclose(np.argwhere(moved).mean(0)[::-1], centre[0], atol=1)


def test_crops_lie_in_the_same_place_if_wanted():
    sizes = [(50, 70)] * 4
    for per_clip, places in ((True, 1), (False, 4)):
        crops = RandomCrop(size=(30, 90), per_clip=per_clip).draw(sizes, np.random.default_rng(0))
        assert len({crop.y0 for crop in crops}) == places
        assert {(crop.h, crop.w) for crop in crops} == {(30, 70)}
