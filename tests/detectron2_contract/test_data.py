"""Catalogs, data sets made of others, and loaders."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

from detectron2.config import get_cfg
from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    MapDataset,
    MetadataCatalog,
    ToIterableDataset,
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data.build import trivial_batch_collator, worker_init_reset_seed
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.data.samplers import TrainingSampler

# Wide and high images in no regular order.
RECORDS = [{"image_id": i, "width": 10 + (i * i) % 7, "height": 12} for i in range(23)]


@pytest.fixture
def registered():
    """Registers data sets and forgets them again."""
    names = []

    def register(name, records, **metadata):
        DatasetCatalog.register(name, lambda: records)
        MetadataCatalog.get(name).set(**metadata)
        names.append(name)
        return name

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def _draw(record: dict) -> dict:
    """A mapper with random numbers of every kind."""
    draws = [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002
    return {**record, "draws": draws}


def _ids(batches) -> list[list[int]]:
    return [[sample["image_id"] for sample in batch] for batch in batches]


def test_catalog(registered):
    name = registered("contract_a", RECORDS, thing_classes=["x"])
    assert DatasetCatalog.get(name) is RECORDS
    assert name in DatasetCatalog and name in DatasetCatalog.list()
    with pytest.raises(AssertionError, match="already registered"):
        DatasetCatalog.register(name, list)
    with pytest.raises(KeyError, match="contract_missing"):
        DatasetCatalog.get("contract_missing")


def test_metadata(registered):
    metadata = MetadataCatalog.get(registered("contract_b", RECORDS, thing_classes=["x"]))
    assert metadata.name == "contract_b" and metadata.thing_classes == ["x"]
    assert MetadataCatalog.get("contract_b") is metadata
    assert metadata.set(ignore_label=255) is metadata
    metadata.ignore_label = 255  # the same again is fine
    with pytest.raises(AssertionError, match="ignore_label"):
        metadata.ignore_label = 0
    with pytest.raises(AttributeError, match="stuff_classes"):
        _ = metadata.stuff_classes
    assert metadata.get("stuff_classes") is None
    assert metadata.get("stuff_classes", 3) == 3
    assert metadata.as_dict() == {
        "name": "contract_b",
        "thing_classes": ["x"],
        "ignore_label": 255,
    }


@pytest.mark.parametrize("serialize", [True, False])
def test_elements_of_a_list_are_safe_from_changes(serialize):
    dataset = DatasetFromList([{"a": [1]}, {"a": [2, 3]}], serialize=serialize)
    dataset[0]["a"].append(5)
    assert [dataset[i] for i in range(len(dataset))] == [{"a": [1]}, {"a": [2, 3]}]
    with pytest.raises(IndexError):
        dataset[2]
    assert DatasetFromList([1, 2], copy=False, serialize=False)[1] == 2


def test_elements_without_result_are_replaced():
    dataset = MapDataset(DatasetFromList(list(range(6))), lambda x: x if x % 2 else None)
    assert len(dataset) == 6
    assert [dataset[i] for i in (1, 3)] == [1, 3]
    assert all(dataset[i] in (1, 3, 5) for i in (0, 2, 4))
    stream = ToIterableDataset(DatasetFromList(list(range(6))), range(6))
    assert list(MapDataset(stream, lambda x: x if x % 2 else None)) == [1, 3, 5]


def test_nothing_but_elements_without_result(only_standin):
    dataset = MapDataset(DatasetFromList(list(range(4))), lambda x: None)
    with pytest.raises(ValueError, match="every sample"):
        dataset[0]


def test_groups_by_aspect_ratio():
    batches = list(AspectRatioGroupedDataset(RECORDS, 3))
    for batch in batches:
        assert len({sample["width"] > sample["height"] for sample in batch}) == 1
    seen = [image_id for batch in _ids(batches) for image_id in batch]
    assert len(seen) == len(set(seen)) >= len(RECORDS) - 4


def test_records_of_data_sets(registered):
    crowd = {"annotations": [{"iscrowd": 1, "category_id": 0}]}
    object_ = {"annotations": [{"iscrowd": 0, "category_id": 0}, {"iscrowd": 1}]}
    a = registered("contract_c", [crowd, object_, {"annotations": []}], thing_classes=["x"])
    b = registered("contract_d", [object_], thing_classes=["x"])
    assert len(get_detection_dataset_dicts([a, b])) == 2
    assert len(get_detection_dataset_dicts([a, b], filter_empty=False)) == 4
    assert len(get_detection_dataset_dicts(a, filter_empty=False)) == 3
    c = registered("contract_e", [object_], thing_classes=["y"])
    with pytest.raises(ValueError, match="thing_classes"):
        get_detection_dataset_dicts([a, c])
    assert len(get_detection_dataset_dicts([a, c], check_consistency=False)) == 2


def _loader(num_workers: int = 0, grouped: bool = False, mapper=_draw, seed: int = 3, **options):
    return build_detection_train_loader(
        RECORDS,
        mapper=mapper,
        sampler=TrainingSampler(len(RECORDS), seed=seed),
        total_batch_size=4,
        aspect_ratio_grouping=grouped,
        num_workers=num_workers,
        **options,
    )


def test_training_batches_follow_the_sampler():
    order = list(itertools.islice(TrainingSampler(len(RECORDS), seed=3), 24))
    batches = _ids(itertools.islice(_loader(), 6))
    assert batches == [order[i : i + 4] for i in range(0, 24, 4)]


def test_training_batches_by_aspect_ratio():
    order = itertools.islice(TrainingSampler(len(RECORDS), seed=3), 60)
    expected = _ids(AspectRatioGroupedDataset((RECORDS[i] for i in order), 4))[:8]
    assert _ids(itertools.islice(_loader(grouped=True), 8)) == expected


@pytest.mark.parametrize("grouped", [True, False])
def test_batches_are_collated(grouped):
    loader = _loader(grouped=grouped, collate_fn=len)
    assert list(itertools.islice(loader, 3)) == [4, 4, 4]


def test_loaders_by_config(registered):
    cfg = get_cfg()
    cfg.DATASETS.TRAIN = (registered("contract_f", RECORDS),)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SOLVER.IMS_PER_BATCH = 2
    batch = next(iter(build_detection_train_loader(cfg, mapper=_draw)))
    assert len(batch) == 2 and len(batch[0]["draws"]) == 3
    batch = next(iter(build_detection_train_loader(cfg, dataset=RECORDS[:1], mapper=_draw)))
    assert _ids([batch]) == [[0, 0]]
    loader = build_detection_test_loader(cfg, "contract_f", mapper=lambda record: record)
    assert _ids(loader) == [[i] for i in range(len(RECORDS))]
    assert len(loader) == len(RECORDS)
    cfg.DATALOADER.SAMPLER_TRAIN = "NoSampler"
    with pytest.raises(ValueError, match="NoSampler"):
        build_detection_train_loader(cfg, mapper=_draw)


def test_repeat_factors_by_config(registered):
    records = [{**r, "annotations": [{"category_id": int(r["image_id"] == 0)}]} for r in RECORDS]
    cfg = get_cfg()
    cfg.DATASETS.TRAIN = (registered("contract_g", records),)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.5
    cfg.DATALOADER.ASPECT_RATIO_GROUPING = False
    loader = build_detection_train_loader(cfg, mapper=lambda record: record)
    ids = [i for batch in _ids(itertools.islice(loader, 40)) for i in batch]
    assert 3 < ids.count(0) / (len(ids) / len(records)) < 5  # sqrt(0.5 * 23) = 3.39, of 25.4


def test_incomplete_batches_of_a_test_loader_come_last():
    loader = build_detection_test_loader(RECORDS[:5], mapper=None, batch_size=2)
    assert _ids(loader) == [[0, 1], [2, 3], [4]]


def test_batch_sizes_are_checked():
    sampler = TrainingSampler(4)
    dataset = DatasetFromList(RECORDS[:4])
    with pytest.raises(ValueError):
        build_batch_data_loader(dataset, sampler, 4, single_gpu_batch_size=2)
    loader = build_batch_data_loader(dataset, sampler, None, single_gpu_batch_size=3)
    assert len(next(iter(loader))) == 3


def test_functions_of_loaders():
    batch = [1, 2]
    assert trivial_batch_collator(batch) is batch
    torch.manual_seed(5)
    worker_init_reset_seed(2)
    assert torch.initial_seed() == 7


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_skipped_batches_leave_exactly_the_others(only_standin, grouped, num_workers):
    whole = list(itertools.islice(_loader(grouped=grouped), 22))
    for skipped in (0, 5, 15):
        loader = _loader(num_workers, grouped)
        loader.skip_batches(skipped)
        rest = list(itertools.islice(loader, 6))
        assert rest == whole[skipped : skipped + 6]  # ids and random numbers


@pytest.mark.parametrize("grouped", [True, False])
def test_random_numbers_of_a_sample_follow_from_its_position(only_standin, grouped):
    samples = [s for batch in itertools.islice(_loader(grouped=grouped), 12) for s in batch]
    draws = np.array([sample["draws"] for sample in samples])
    assert len(np.unique(draws)) == draws.size  # also when the same image comes again
    other_seed = next(iter(_loader(grouped=grouped, seed=4)))
    assert other_seed[0]["draws"] not in draws.tolist()


def test_loading_leaves_the_generators_of_the_process_alone(only_standin):
    def state():
        return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002

    results = []
    for load in (False, True):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
        if load:
            next(iter(_loader()))
        results.append(state())
    assert results[0] == results[1]


def test_replacement_of_a_sample_follows_from_its_position(only_standin):
    def mapper(record):
        return record if record["image_id"] % 3 else None

    whole = list(itertools.islice(_loader(mapper=mapper), 12))
    loader = _loader(mapper=mapper)
    loader.skip_batches(7)
    assert list(itertools.islice(loader, 5)) == whole[7:]


@pytest.mark.parametrize("grouped", [True, False])
def test_trainer_continues_the_order(only_standin, grouped):
    from detectron2.engine.data_order import continue_order, order_seed

    whole = list(itertools.islice(_loader(grouped=grouped, seed=11), 9))
    resumed = _loader(grouped=grouped, seed=12)  # another seed, as without SEED
    assert order_seed(_loader(grouped=grouped, seed=11)) == 11
    assert continue_order(resumed, 4, 11)
    assert list(itertools.islice(resumed, 5)) == whole[4:]
