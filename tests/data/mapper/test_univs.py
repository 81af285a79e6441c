from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from detectron2.data import DatasetCatalog
from univs.config import load_config
from univs.data.augmentation import Flip
from univs.data.mapper import UnivsClipMapper, build_mapper
from univs.data.mapper.univs import dataset_key, shifted, swap_sides, task_of
from univs.data.record import ExpressionRecord, PromptKind, PromptRecord


def _mapper(num_frames=2, augmentations=(), **options):
    return UnivsClipMapper(
        num_frames=num_frames,
        frame_range=options.pop("frame_range", 9),
        object_range=options.pop("object_range", 9),
        interval=options.pop("interval", 1),
        augmentations=augmentations,
        **options,
    )


def _masks(count, length):
    masks = np.zeros((count, length, 24, 32), bool)
    for number in range(count):
        masks[number, :, 4 * number : 4 * number + 4, 4:8] = True
    return masks


def _described(record, *texts_of_objects):
    expressions = [
        ExpressionRecord(id=number, text=text, object_id=item)
        for number, (item, text) in enumerate(texts_of_objects)
    ]
    return replace(record, expressions=tuple(expressions))


def test_the_task_follows_from_what_is_known(make_record):
    record = make_record(_masks(1, 2))
    assert (task_of(record), dataset_key(record)) == ("detection", "ytvis19")
    agnostic = replace(record, domain=None)
    assert (task_of(agnostic), dataset_key(agnostic)) == ("sot", "sot_handmade")
    given = replace(record, prompts=(PromptRecord(0, 0, PromptKind.MASK),))
    assert (task_of(given), dataset_key(given)) == ("sot", "sot_handmade")
    described = _described(agnostic, (0, "a dog"))
    assert (task_of(described), dataset_key(described)) == ("grounding", "handmade")


def test_objects_that_no_frame_shows_have_no_row(make_record):
    masks = _masks(3, 2)
    masks[1] = False
    sample = _mapper()(make_record(masks, categories=(5, 3, 1)).as_dataset_dict())
    assert sample["task"] == "detection"
    assert sample["dataset_name"] == sample["domain"] == "ytvis19"
    for instances in sample["instances"]:
        assert instances.gt_ids.tolist() == [0, 2]
        assert instances.gt_classes.tolist() == [5, 1]


def test_nothing_visible_means_another_sample(make_record):
    assert _mapper()(make_record(_masks(0, 2)).as_dataset_dict()) is None


def test_every_expression_of_a_video_has_a_row(make_record):
    masks = _masks(2, 2)
    masks[0, 0] = False  # absent from a frame, described all the same
    record = _described(make_record(masks), (0, "the left one"), (1, "a"), (0, "b"))
    sample = _mapper(interval=1)(record.as_dataset_dict())
    while sample["frame_indices"] != [0, 1]:
        sample = _mapper(interval=1)(record.as_dataset_dict())
    assert sample["task"] == "grounding"
    assert sample["expressions"] == ["the left one", "b", "a"]
    assert sample["exp_obj_ids"] == [0, 0, 1]
    first, second = sample["instances"]
    assert first.gt_ids.tolist() == [-1, -1, 1]
    assert second.gt_ids.tolist() == [0, 0, 1]


def test_an_object_of_an_image_has_one_of_its_expressions(make_record):
    record = _described(make_record(_masks(1, 1)), (0, "a"), (0, "b"))
    torch.manual_seed(0)
    drawn = [_mapper()(record.as_dataset_dict())["expressions"] for _ in range(30)]
    assert {tuple(texts) for texts in drawn} == {("a",), ("b",)}


def test_left_and_right_change_places_in_mirrored_clips(make_record):
    record = _described(make_record(_masks(1, 2)), (0, "left of the right man"))
    for probability, text in ((0.0, "left of the right man"), (1.0, "right of the left man")):
        mapper = _mapper(augmentations=[Flip(probability=probability)])
        assert mapper(record.as_dataset_dict())["expressions"] == [text]
    assert swap_sides("upright leftmost") == "upleft rightmost"  # by letters, as published


def test_images_become_clips_of_copies(make_record):
    record = make_record(_masks(1, 1))
    torch.manual_seed(0)
    samples = [_mapper(num_frames=3)(record.as_dataset_dict()) for _ in range(20)]
    for sample in samples:
        assert len(sample["image"]) == 3
        assert torch.equal(sample["image"][0], sample["image"][2])
        assert sample["video_len"] == 9
        assert 0 <= min(sample["frame_indices"]) <= max(sample["frame_indices"]) < 9
    assert len({tuple(sample["frame_indices"]) for sample in samples}) > 5


def test_classless_videos_have_a_range_of_their_own(make_record):
    record = make_record(_masks(1, 12))
    torch.manual_seed(0)
    for domain, reach in (("ytvis19", 5), (None, 1)):
        entry = replace(record, domain=domain).as_dataset_dict()
        mapper = _mapper(frame_range=5, object_range=1)
        spans = [np.ptp(mapper(entry)["frame_indices"]) for _ in range(40)]
        assert max(spans) == reach
        assert min(spans) == 1  # at least the interval


def test_the_classes_of_label_maps_are_objects(toy_datasets):
    for entry in DatasetCatalog.get("toy_vspw_train"):
        record = entry["record"]
        sample = _mapper(num_frames=3)(entry)
        assert (sample["task"], sample["dataset_name"]) == ("detection", "toy_vss")
        maps = [record.label_maps.decode(frame) for frame in sample["frame_indices"]]
        labels = np.unique(np.stack(maps))
        labels = labels[labels != record.label_maps.void]
        for label_map, instances in zip(maps, sample["instances"], strict=True):
            masks = instances.gt_masks.tensor.numpy()
            np.testing.assert_array_equal(masks, label_map == labels[:, None, None])
            assert instances.gt_classes.tolist() == labels.tolist()
            shown = masks.any((1, 2))
            assert instances.gt_ids.tolist() == np.where(shown, labels, -1).tolist()


def test_every_toy_dataset_gives_its_task(toy_datasets):
    cfg = load_config("configs/toy/univs_stage3.yaml", [])
    tasks = {}
    for name in cfg.DATASETS.TRAIN:
        mapper = build_mapper(cfg, is_train=True, dataset_name=name)
        samples = [mapper(entry) for entry in DatasetCatalog.get(name)]
        samples = [sample for sample in samples if sample is not None]
        assert samples and all(len(sample["image"]) == 5 for sample in samples)
        tasks[name] = {sample["task"] for sample in samples}
    assert tasks == {
        "toy_ytvis_train": {"detection"},
        "toy_vipseg_train": {"detection"},
        "toy_vspw_train": {"detection"},
        "toy_viposeg_train": {"sot"},
        "toy_davis_train": {"sot"},
        "toy_refytvos_train": {"grounding"},
        "toy_burst_point_train": {"sot"},
    }


@pytest.mark.parametrize("indices", [(3, 100), (100, 300), (130, 131), (0, 129)])
def test_large_indices_are_moved(indices):
    random = np.random.default_rng(0)
    for _ in range(20):
        moved = shifted(indices, random)
        assert np.diff(moved) == np.diff(indices)
        assert max(moved) <= 128
    assert shifted((3, 100), random) == (3, 100)


@pytest.mark.parametrize("name", ["stage1", "stage2", "stage3"])
def test_configs_of_univs(name, make_record):
    cfg = load_config(f"configs/univs/{name}.yaml", [])
    cfg.defrost()
    cfg.INPUT.LSJ_AUG.IMAGE_SIZE = 64
    cfg.INPUT.MIN_SIZE_TRAIN = (48,)
    mapper = build_mapper(cfg, is_train=True, dataset_name="ytvis21_train")
    assert isinstance(mapper, UnivsClipMapper)
    entry = make_record(_masks(3, 4), categories=(0, 1, 2)).as_dataset_dict()
    torch.manual_seed(0)
    samples = [sample for sample in (mapper(entry) for _ in range(4)) if sample is not None]
    assert samples
    count = max(cfg.INPUT.SAMPLING_FRAME_NUM, cfg.INPUT.SAMPLING_FRAME_VIDEO_NUM)
    for sample in samples:
        assert len(sample["image"]) == count
        sizes = {tuple(image.shape[1:]) for image in sample["image"]}
        if cfg.INPUT.LSJ_AUG.SQUARE_ENABLED:
            assert sizes == {(64, 64)}
        else:  # the longer sides differ by what the scaling of each frame is rounded by
            assert {min(size) for size in sizes} == {48}
        for image, instances in zip(sample["image"], sample["instances"], strict=True):
            assert instances.gt_masks.tensor.shape[1:] == image.shape[1:]
