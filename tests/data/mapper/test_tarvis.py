from __future__ import annotations

from collections import Counter

import pytest
import torch

from detectron2.structures import BitMasks, Instances
from reference.models import CONFIGS
from univs.config import load_config
from univs.data.mapper.tarvis import IGNORE_LABEL, TarVisMapper


def frame(ids: list[int]) -> Instances:
    """A thing (class 2) at the left and stuff (class 5) at the right of 4 x 6 pixels."""
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, :, :2], masks[1, :, 3:] = True, True
    present = torch.tensor(ids) >= 0
    instances = Instances((4, 6))
    instances.gt_classes = torch.where(present, torch.tensor([2, 5]), -1)
    instances.gt_ids = torch.tensor(ids)
    instances.gt_masks = BitMasks(masks & present[:, None, None])
    return instances


def mapped(vocabulary: str, things=None, ids=((7, 9), (-1, 9))) -> dict:
    mapper = TarVisMapper(
        lambda entry: {"instances": [frame(list(i)) for i in entry["ids"]]},
        vocabulary=vocabulary,
        thing_classes=things,
    )
    return mapper({"ids": ids})


def test_panoptic_clips_have_a_class_map_and_things_as_instances():
    sample = mapped("ZOO", frozenset({2}))
    assert sample["vocabulary"] == "ZOO"
    assert sample["sem_seg"][0, 0].tolist() == [2, 2, IGNORE_LABEL, 5, 5, 5]
    assert sample["sem_seg"][1, 0].tolist() == [IGNORE_LABEL] * 3 + [5] * 3
    assert [f.gt_ids.tolist() for f in sample["instances"]] == [[7, -1], [-1, -1]]


def test_given_objects_are_given_where_one_is_visible():
    assert mapped("", ids=((-1, -1), (-1, 9)))["reference_frame"] == 1
    assert "sem_seg" not in mapped("")
    assert not {"reference_frame", "num_objects"} & mapped("ZOO").keys()


def test_each_number_of_objects_is_as_frequent():
    torch.manual_seed(0)
    counts = Counter(mapped("")["num_objects"] for _ in range(400))
    assert sorted(counts) == [1, 2, 3, 4] and min(counts.values()) > 70


def test_every_dataset_needs_a_vocabulary():
    config = load_config(
        CONFIGS / "tarvis" / "video" / "r50.yaml", ["DATASETS.TRAIN_VOCABULARIES", ["OVIS"]]
    )
    with pytest.raises(ValueError, match="TRAIN_VOCABULARIES"):
        TarVisMapper.of_dataset(config, "ovis_train", is_video=True)


def test_clips_are_drawn_from_the_range_of_their_dataset():
    config = load_config(CONFIGS / "tarvis" / "video" / "r50.yaml")
    mapper = TarVisMapper.of_dataset(config, "vipseg_train", is_video=True)
    assert mapper.clip_mapper.frame_range == 15 and len(mapper.thing_classes) == 58
    assert TarVisMapper.of_dataset(config, "davis17_train", is_video=True).vocabulary == ""


def test_the_range_of_neighbours_is_zero_and_crops_differ_by_dataset():
    config = load_config(CONFIGS / "tarvis" / "video" / "r50.yaml")
    city = TarVisMapper.of_dataset(config, "cityscapes_vps_train", is_video=True).clip_mapper
    assert city.frame_range == 0
    assert (city.crop.height, city.crop.width) == (0.5, 0.5)
    assert city.resize.shortest == (448,)
    burst = TarVisMapper.of_dataset(config, "burst_train", is_video=True).clip_mapper
    assert burst.gives_objects and burst.smallest_object == 100


def test_images_become_sequences_for_pre_training():
    config = load_config(CONFIGS / "tarvis" / "pretrain" / "r50.yaml")
    for name, alike in (("coco_panoptic_train", False), ("cityscapes_panoptic_train", True)):
        mapper = TarVisMapper.of_dataset(config, name, is_video=False)
        kinds = [type(item).__name__ for item in mapper.clip_mapper.augmentations]
        assert kinds == ["Flip", "RandomAffine", "ResizeShortestEdge", "RandomCrop"]
        assert mapper.clip_mapper.augmentations[-1].per_clip == alike
    assert mapper.thing_classes == frozenset(range(24, 34))


def test_the_number_of_entries_must_fit():
    config = load_config(
        CONFIGS / "tarvis" / "video" / "r50.yaml", ["INPUT.CROP_FRACTIONS", [[0.5, 0.5]]]
    )
    with pytest.raises(ValueError, match="7 data sets, but INPUT.CROP_FRACTIONS has 1 entries"):
        TarVisMapper.of_dataset(config, "ovis_train", is_video=True)
