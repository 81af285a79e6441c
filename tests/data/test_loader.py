from __future__ import annotations

import logging
from itertools import islice

import numpy as np
import pytest

import univs  # noqa: F401
from detectron2.data import DatasetCatalog
from univs.data import build_test_loader, build_train_loader
from univs.data.loader import training_entries


@pytest.mark.parametrize("workers", [0, 1])
def test_training_batches(toy_datasets, toy_config, workers):
    toy_config.DATALOADER.NUM_WORKERS = workers
    toy_config.SOLVER.IMS_PER_BATCH = 3
    batches = iter(build_train_loader(toy_config))
    for _ in range(3):
        batch = next(batches)
        assert len(batch) == 3
        for sample in batch:
            assert [image.shape[0] for image in sample["image"]] == [3, 3]
            assert len(sample["instances"]) == 2


def test_test_loader_goes_through_the_videos_in_order(toy_datasets, toy_config):
    toy_config.DATALOADER.NUM_WORKERS = 0
    samples = [batch[0] for batch in build_test_loader(toy_config, "toy_ytvis_val")]
    entries = DatasetCatalog.get("toy_ytvis_val")
    assert [sample["video_id"] for sample in samples] == [entry["video_id"] for entry in entries]
    assert len(samples[0]["frames"]) == samples[0]["length"]


@pytest.fixture
def registered_records(make_record):
    masks = np.ones((1, 2, 8, 8), bool)
    records = [make_record(masks), make_record(masks[:0]), make_record(masks, crowds=(0,))]
    DatasetCatalog.register("handmade", lambda: [r.as_dataset_dict() for r in records])
    yield records
    DatasetCatalog.remove("handmade")


def test_entries_without_objects_are_left_out_on_request(registered_records, caplog):
    with caplog.at_level(logging.INFO):
        kept = training_entries(["handmade"], filter_empty=True)
    assert [entry["record"] for entry in kept] == registered_records[:1]
    assert "left out 2 of 3 entries" in caplog.text
    assert len(training_entries(["handmade"], filter_empty=False)) == 3


def test_datasets_without_any_object_are_kept_whole(toy_datasets):
    assert len(training_entries(["toy_vspw_train"], filter_empty=True)) == 4


def test_training_needs_a_dataset():
    with pytest.raises(ValueError, match="DATASETS.TRAIN names no dataset"):
        training_entries([], filter_empty=True)


def test_batches_of_a_mixture_come_from_one_dataset_each(toy_datasets, toy_config):
    names = ("toy_coco_instance_train", "toy_ytvis_train")
    toy_config.DATASETS.TRAIN = names
    toy_config.DATASETS.DATASET_RATIO = [1.0, 1.0]
    toy_config.DATALOADER.NUM_WORKERS = 0
    toy_config.SOLVER.IMS_PER_BATCH = 2
    batches = list(islice(build_train_loader(toy_config), 12))
    seen = set()
    for batch in batches:
        (name,) = {sample["dataset_name"] for sample in batch}
        seen.add(name)
        for sample in batch:
            assert len(sample["image"]) == len(sample["instances"]) == 2
    assert seen == set(names)


def test_weights_must_fit_the_datasets(toy_datasets, toy_config):
    toy_config.DATASETS.TRAIN = ("toy_coco_instance_train", "toy_ytvis_train")
    toy_config.DATASETS.DATASET_RATIO = [1.0]
    with pytest.raises(ValueError, match="has 1 weights, DATASETS.TRAIN has 2"):
        build_train_loader(toy_config)


def test_the_way_of_drawing_must_be_known(toy_datasets, toy_config):
    toy_config.DATASETS.TRAIN = ("toy_coco_instance_train", "toy_ytvis_train")
    toy_config.DATASETS.DATALOADER_TYPE = "any"
    with pytest.raises(ValueError, match="DATALOADER_TYPE is 'any'; known are epoch, iter"):
        build_train_loader(toy_config)
