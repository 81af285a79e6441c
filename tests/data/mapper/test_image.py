from __future__ import annotations

import numpy as np
import pytest
import torch

import univs  # noqa: F401
from detectron2.data import DatasetCatalog
from univs.config import load_config
from univs.data.augmentation import FixedSizeCrop, Flip, ResizeShortestEdge, ScaleJitter
from univs.data.mapper import ImageInstanceMapper, ImageSemanticMapper
from univs.data.mapper.image import label_map


@pytest.fixture
def panoptic(toy_datasets):
    return DatasetCatalog.get("toy_coco_panoptic_train")


def test_instances_without_augmentation_are_those_of_the_record(panoptic):
    for entry in panoptic[:4]:
        record = entry["record"]
        sample = ImageInstanceMapper(augmentations=[])(entry)
        assert sample["image"].shape == (3, *record.size)
        assert sample["image_id"] == record.official_id
        expected = [item.category for item in record.objects]
        assert sample["instances"].gt_classes.tolist() == expected
        for mask, item in zip(
            sample["instances"].gt_masks.tensor.numpy(), record.objects, strict=True
        ):
            np.testing.assert_array_equal(mask, item.masks.decode(0))


def test_large_scale_jittering_gives_squares_and_drops_what_is_out_of_sight(panoptic):
    mapper = ImageInstanceMapper(
        augmentations=[
            Flip(),
            ScaleJitter(target=40, smallest=0.1, largest=3.0),
            FixedSizeCrop(side=40),
        ]
    )
    torch.manual_seed(0)
    dropped = 0
    for entry in panoptic * 2:
        sample = mapper(entry)
        instances = sample["instances"]
        assert sample["image"].shape == (3, 40, 40)
        assert instances.gt_masks.tensor.shape == (len(instances), 40, 40)
        assert instances.gt_masks.tensor.flatten(1).any(1).all()
        dropped += len(entry["record"].objects) - len(instances)
    assert dropped > 0


def _semantic(**changes):
    options = {
        "resize": ResizeShortestEdge(shortest=(48,), longest=999),
        "crop_size": None,
        "max_category_share": 1.0,
        "flip": [],
        "color_jitter": None,
    }
    return ImageSemanticMapper(**{**options, **changes})


@pytest.mark.parametrize("name", ["toy_coco_panoptic_train", "toy_vspw_train"])
def test_semantic_masks_are_those_of_the_label_map(toy_datasets, name):
    for entry in DatasetCatalog.get(name)[:3]:
        sample = _semantic()(entry)
        labels = label_map(entry["record"], 0)
        np.testing.assert_array_equal(sample["sem_seg"].numpy(), labels)
        classes = sample["instances"].gt_classes.tolist()
        assert classes == [c for c in np.unique(labels).tolist() if c != 255]
        for category, mask in zip(classes, sample["instances"].gt_masks.tensor, strict=True):
            np.testing.assert_array_equal(mask.numpy(), labels == category)


def test_crops_are_padded_to_the_least_side(panoptic):
    sample = _semantic(crop_size=(32, 64), padded_side=96)(panoptic[0])
    assert sample["image"].shape == (3, 96, 96)
    assert (sample["image"][:, 32:] == 128).all()
    assert (sample["sem_seg"][32:] == 255).all()
    assert (sample["sem_seg"][:, 64:] == 255).all()
    assert (sample["sem_seg"][:32, :64] != 255).any()


def test_crops_that_one_class_dominates_are_drawn_again(panoptic):
    def dominated(share):
        torch.manual_seed(0)
        mapper = _semantic(crop_size=(16, 16), max_category_share=share)
        count = 0
        for entry in panoptic * 3:
            labels = mapper(entry)["sem_seg"].numpy()
            _, counts = np.unique(labels[labels != 255], return_counts=True)
            count += len(counts) < 2 or counts.max() >= 0.75 * counts.sum()
        return count

    assert dominated(0.75) < 0.7 * dominated(1.0)


@pytest.mark.parametrize("file", ["coco/panoptic", "coco/instance"])
def test_configs_of_still_images(request, file):
    root = request.config.rootpath / "configs" / "mask2former"
    mapper = ImageInstanceMapper(load_config(root / file / "base.yaml", []))
    assert [type(step).__name__ for step in mapper.augmentations] == [
        "Flip",
        "ScaleJitter",
        "FixedSizeCrop",
    ]


def test_configs_of_semantic_segmentation(request):
    root = request.config.rootpath / "configs" / "mask2former" / "ade20k" / "semantic"
    mapper = ImageSemanticMapper(load_config(root / "base_512.yaml", []))
    assert mapper.crop_size == (512, 512)
    assert mapper.padded_side == 512
    with pytest.raises(ValueError, match="INPUT.CROP.SIZE in pixels"):
        ImageSemanticMapper(load_config(root / "base_512.yaml", ["INPUT.CROP.SIZE", [0.5, 0.5]]))
