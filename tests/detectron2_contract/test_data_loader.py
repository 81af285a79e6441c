"""Loaders: batches, and samples that do not depend on workers or interruptions."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    MapDataset,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data.samplers import TrainingSampler


def _records(count: int = 9) -> list[dict]:
    return [{"image_id": i, "width": 10, "height": 5 if i % 3 else 20} for i in range(count)]


def _draw(record: dict) -> dict:
    """A mapper that draws from each of the generators that augmentations may use."""
    draws = (random.random(), np.random.rand(), torch.rand(1).item())  # noqa: NPY002
    return {**record, "draws": draws}


def _loader(grouping: bool, num_workers: int):
    return build_detection_train_loader(
        _records(),
        mapper=_draw,
        sampler=TrainingSampler(9, seed=11),
        total_batch_size=2,
        aspect_ratio_grouping=grouping,
        num_workers=num_workers,
    )


def _content(loader, count: int) -> list:
    batches = itertools.islice(iter(loader), count)
    return [[(sample["image_id"], sample["draws"]) for sample in batch] for batch in batches]


@pytest.mark.parametrize("serialize", [True, False])
def test_list(serialize):
    dataset = DatasetFromList(_records(), serialize=serialize)
    assert len(dataset) == 9
    assert dataset[4] == _records()[4]
    dataset[4]["image_id"] = -1
    assert dataset[4]["image_id"] == 4


def test_another_sample_replaces_none():
    dataset = MapDataset(list(range(10)), lambda x: x if x % 2 else None)
    assert all(dataset[i] % 2 == 1 for i in range(10))
    assert dataset[3] == 3


def test_batches_follow_the_sampler():
    loader = build_detection_train_loader(
        _records(),
        mapper=None,
        sampler=TrainingSampler(9, seed=11),
        total_batch_size=3,
        aspect_ratio_grouping=False,
    )
    ids = [sample["image_id"] for batch in itertools.islice(loader, 5) for sample in batch]
    assert ids == list(itertools.islice(TrainingSampler(9, seed=11), 15))


def test_groups_have_one_orientation():
    for batch in itertools.islice(_loader(True, 0), 20):
        assert len(batch) == 2
        assert len({sample["width"] > sample["height"] for sample in batch}) == 1


def test_test_loader_gives_each_sample_once():
    loader = build_detection_test_loader(_records(), mapper=_draw, batch_size=4)
    batches = [[sample["image_id"] for sample in batch] for batch in loader]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_crowds_only_are_left_out():
    name = "contract_crowds"
    annotations = [[], [{"iscrowd": 1, "category_id": 0}], [{"category_id": 0}]]
    records = [{"image_id": i, "annotations": a} for i, a in enumerate(annotations)]
    DatasetCatalog.register(name, lambda: records)
    try:
        kept = get_detection_dataset_dicts(name)
        assert [record["image_id"] for record in kept] == [2]
        assert len(get_detection_dataset_dicts(name, filter_empty=False)) == 3
    finally:
        DatasetCatalog.remove(name)


def test_catalogs_refuse_conflicts():
    metadata = MetadataCatalog.get("contract_metadata")
    try:
        metadata.set(thing_classes=["a"])
        metadata.thing_classes = ["a"]
        with pytest.raises(AssertionError):
            metadata.thing_classes = ["b"]
        with pytest.raises(AttributeError):
            _ = metadata.missing
        with pytest.raises(KeyError):
            DatasetCatalog.get("contract_no_such_data_set")
    finally:
        MetadataCatalog.remove("contract_metadata")


@pytest.mark.parametrize("grouping", [False, True])
def test_samples_do_not_depend_on_workers(only_standin, grouping):
    assert _content(_loader(grouping, 0), 8) == _content(_loader(grouping, 2), 8)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("grouping", [False, True])
def test_resumed_samples_are_the_same(only_standin, grouping, num_workers):
    from detectron2.engine.data_order import continue_order, order_seed

    whole = _content(_loader(grouping, 0), 12)
    for done in (1, 5):
        loader = _loader(grouping, num_workers)
        assert continue_order(loader, done, order_seed(loader))
        assert _content(loader, 12 - done) == whole[done:]


def test_resume_restores_the_seed(only_standin):
    from detectron2.engine.data_order import continue_order

    whole = _content(_loader(False, 0), 6)
    loader = build_detection_train_loader(
        _records(),
        mapper=_draw,
        sampler=TrainingSampler(9, seed=99),
        total_batch_size=2,
        aspect_ratio_grouping=False,
    )
    assert continue_order(loader, 2, 11)
    assert _content(loader, 4) == whole[2:]


def test_mapping_leaves_the_generators_of_the_process_alone(only_standin):
    iterator = iter(_loader(False, 0))
    next(iterator)  # the loader itself may draw when it starts
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    next(iterator)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
