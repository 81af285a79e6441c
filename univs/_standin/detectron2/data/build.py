"""Data loaders: data sets by name, mapped, sampled, and put into batches."""

from __future__ import annotations

import itertools
import logging
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from termcolor import colored
from torch.utils import data as torchdata

from detectron2.config import CfgNode, configurable
from detectron2.data.catalog import DatasetCatalog, MetadataCatalog
from detectron2.data.common import (
    AspectRatioGroupedDataset,
    DatasetFromList,
    MapDataset,
    ToIterableDataset,
)
from detectron2.data.dataset_mapper import DatasetMapper
from detectron2.data.detection_utils import check_metadata_consistency
from detectron2.data.samplers import (
    InferenceSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)
from detectron2.data.train_loader import (
    SkippingAspectRatioGroupedDataset,
    SkippingDataLoader,
)
from detectron2.utils.comm import get_world_size
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import log_first_n

__all__ = [
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "filter_images_with_only_crowd_annotations",
    "get_detection_dataset_dicts",
    "print_instances_class_histogram",
    "trivial_batch_collator",
    "worker_init_reset_seed",
]


def filter_images_with_only_crowd_annotations(dataset_dicts: list[dict]) -> list[dict]:
    """Leave out images that have no annotation, or only those of crowds.

    Args:
        dataset_dicts: in Detectron2's format, each with "annotations".

    Returns:
        A new list of the others.
    """
    kept = [
        dataset_dict
        for dataset_dict in dataset_dicts
        if any(annotation.get("iscrowd", 0) == 0 for annotation in dataset_dict["annotations"])
    ]
    logging.getLogger(__name__).info(
        "Removed %d images with no usable annotations. %d images left.",
        len(dataset_dicts) - len(kept),
        len(kept),
    )
    return kept


def print_instances_class_histogram(dataset_dicts: list[dict], class_names: list[str]) -> None:
    """Log how many annotated instances each class has, crowds not counted.

    Args:
        dataset_dicts: in Detectron2's format, each with "annotations".
        class_names: by ``category_id``.
    """
    num_classes = len(class_names)
    counts = np.zeros(num_classes, dtype=int)
    for dataset_dict in dataset_dicts:
        classes = np.asarray(
            [x["category_id"] for x in dataset_dict["annotations"] if not x.get("iscrowd", 0)],
            dtype=int,
        )
        if len(classes):
            assert classes.min() >= 0, f"Got an invalid category_id={classes.min()}"
            assert classes.max() < num_classes, (
                f"Got an invalid category_id={classes.max()} for a dataset of {num_classes} classes"
            )
        counts += np.bincount(classes, minlength=num_classes)

    cells: list[Any] = list(
        itertools.chain.from_iterable(
            (name if len(name) <= 13 else name[:11] + "..", int(count))
            for name, count in zip(class_names, counts, strict=True)
        )
    )
    num_columns = min(6, len(cells))
    if num_classes > 1:
        cells += [None] * (-len(cells) % num_columns)
        cells += ["total", int(counts.sum())] + [None] * (num_columns - 2)
    table = tabulate(
        [cells[start : start + num_columns] for start in range(0, len(cells), num_columns)],
        headers=["category", "#instances"] * (num_columns // 2),
        tablefmt="pipe",
        numalign="left",
        stralign="center",
    )
    log_first_n(
        logging.INFO,
        f"Distribution of instances among all {num_classes} categories:\n" + colored(table, "cyan"),
        key="message",
    )


def get_detection_dataset_dicts(
    names: str | list[str],
    filter_empty: bool = True,
    min_keypoints: int = 0,
    proposal_files: list[str] | None = None,
    check_consistency: bool = True,
) -> list[dict]:
    """Load registered data sets and join them.

    Args:
        names: one or several names of :data:`DatasetCatalog`.
        filter_empty: leave out images without an annotation other than of crowds.
        min_keypoints: not supported; must be 0.
        proposal_files: not supported; must be empty.
        check_consistency: whether the classes of the data sets must agree.

    Returns:
        One dictionary per image; or, if all data sets are torch data sets, their concatenation.
    """
    if min_keypoints > 0 or proposal_files:
        raise NotImplementedError(
            "Keypoints and precomputed proposals need an installed Detectron2; set "
            "MODEL.KEYPOINT_ON and MODEL.LOAD_PROPOSALS to False."
        )
    names = [names] if isinstance(names, str) else list(names)
    assert len(names), names
    datasets = [DatasetCatalog.get(name) for name in names]

    if isinstance(datasets[0], torchdata.Dataset):
        return torchdata.ConcatDataset(datasets) if len(datasets) > 1 else datasets[0]

    for name, dicts in zip(names, datasets, strict=True):
        assert len(dicts), f"Dataset '{name}' is empty!"
    dataset_dicts = list(itertools.chain.from_iterable(datasets))

    has_instances = "annotations" in dataset_dicts[0]
    if filter_empty and has_instances:
        dataset_dicts = filter_images_with_only_crowd_annotations(dataset_dicts)
    if check_consistency and has_instances:
        try:
            class_names = MetadataCatalog.get(names[0]).thing_classes
            check_metadata_consistency("thing_classes", names)
            print_instances_class_histogram(dataset_dicts, class_names)
        except AttributeError:  # the classes are not known
            pass
    assert len(dataset_dicts), f"No valid data found in {','.join(names)}."
    return dataset_dicts


def build_batch_data_loader(
    dataset: torchdata.Dataset,
    sampler: torchdata.Sampler | None,
    total_batch_size: int,
    *,
    aspect_ratio_grouping: bool = False,
    num_workers: int = 0,
    collate_fn: Callable | None = None,
    drop_last: bool = True,
    single_gpu_batch_size: int | None = None,
    prefetch_factor: int | None = None,
    persistent_workers: bool = False,
    pin_memory: bool = False,
    seed: int | None = None,
    **kwargs: Any,
) -> Iterable:
    """A loader of training batches, of this process's share of the total batch size.

    Batches and their samples come in the same order whatever the number of workers.

    Args:
        dataset: map-style, or iterable without a sampler.
        sampler: indices of this process.
        total_batch_size: of all processes together; a multiple of their number.
        aspect_ratio_grouping: put wide and high images into different batches; samples must have
            "width" and "height".
        num_workers: worker processes.
        collate_fn: makes a batch of a list of samples; by default the list is the batch.
        drop_last: drop what does not fill a batch.
        single_gpu_batch_size: give the batch size of each process instead of ``total_batch_size``.
        prefetch_factor: batches each worker prepares in advance.
        persistent_workers: keep workers when an iterator ends.
        pin_memory: put tensors into pinned memory.
        seed: of torch's generator that seeds workers; by default that of the sampler if it has
            one, so that starting the loader draws nothing from the process's own generator.
        **kwargs: for torch's ``DataLoader``.

    Returns:
        An iterable of batches.
    """
    world_size = get_world_size()
    if single_gpu_batch_size:
        if total_batch_size:
            raise ValueError(
                "total_batch_size and single_gpu_batch_size are mutually incompatible. "
                "Please specify only one."
            )
        batch_size = single_gpu_batch_size
    else:
        assert total_batch_size > 0 and total_batch_size % world_size == 0, (
            f"Total batch size ({total_batch_size}) must be divisible by the number of processes "
            f"({world_size})."
        )
        batch_size = total_batch_size // world_size

    skips = False
    if isinstance(dataset, torchdata.IterableDataset):
        assert sampler is None, "sampler must be None if dataset is IterableDataset"
    else:
        # With grouping, the loader below gives single samples.
        chunk_size = 1 if aspect_ratio_grouping else batch_size
        records = dataset
        while isinstance(records, MapDataset):
            records = records._dataset
        # Of other samplers, neither a seed nor positions are known.
        skips = hasattr(sampler, "iterate_with_positions")
        dataset = ToIterableDataset(
            dataset, sampler, shard_chunk_size=chunk_size, seed_samples=skips
        )

    if seed is None and skips:
        seed = sampler._seed
    generator = None
    if seed is not None:
        generator = torch.Generator()
        generator.manual_seed(seed)
    kwargs.update(
        num_workers=num_workers,
        worker_init_fn=worker_init_reset_seed,
        prefetch_factor=prefetch_factor if num_workers > 0 else None,
        persistent_workers=persistent_workers,
        pin_memory=pin_memory,
        generator=generator,
    )
    if not aspect_ratio_grouping:
        loader_class = SkippingDataLoader if skips else torchdata.DataLoader
        return loader_class(
            dataset,
            batch_size=batch_size,
            drop_last=drop_last,
            collate_fn=trivial_batch_collator if collate_fn is None else collate_fn,
            **kwargs,
        )
    assert drop_last, "Aspect ratio grouping will drop incomplete batches."
    samples = torchdata.DataLoader(dataset, collate_fn=operator.itemgetter(0), **kwargs)
    if skips:
        return SkippingAspectRatioGroupedDataset(samples, batch_size, records, collate_fn)
    batches = AspectRatioGroupedDataset(samples, batch_size)
    return batches if collate_fn is None else MapDataset(batches, collate_fn)


def _build_train_sampler(cfg: CfgNode, dataset: Any) -> torchdata.Sampler | None:
    if isinstance(dataset, torchdata.IterableDataset):
        return None
    name = cfg.DATALOADER.SAMPLER_TRAIN
    logging.getLogger(__name__).info("Using training sampler %s", name)
    if name == "TrainingSampler":
        return TrainingSampler(len(dataset))
    if name == "RepeatFactorTrainingSampler":
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            dataset, cfg.DATALOADER.REPEAT_THRESHOLD, sqrt=cfg.DATALOADER.REPEAT_SQRT
        )
        return RepeatFactorTrainingSampler(factors)
    raise ValueError(
        f"Unknown training sampler: {name}. DATALOADER.SAMPLER_TRAIN is one of TrainingSampler, "
        "RepeatFactorTrainingSampler."
    )


def _train_loader_from_config(
    cfg: CfgNode,
    mapper: Callable | None = None,
    *,
    dataset: Any = None,
    sampler: torchdata.Sampler | None = None,
) -> dict[str, Any]:
    if dataset is None:
        dataset = get_detection_dataset_dicts(
            cfg.DATASETS.TRAIN,
            filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS,
            min_keypoints=_min_keypoints(cfg),
            proposal_files=cfg.DATASETS.PROPOSAL_FILES_TRAIN if cfg.MODEL.LOAD_PROPOSALS else None,
        )
    return {
        "dataset": dataset,
        "sampler": _build_train_sampler(cfg, dataset) if sampler is None else sampler,
        "mapper": DatasetMapper(cfg, True) if mapper is None else mapper,
        "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "aspect_ratio_grouping": cfg.DATALOADER.ASPECT_RATIO_GROUPING,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
    }


def _min_keypoints(cfg: CfgNode) -> int:
    if not cfg.MODEL.KEYPOINT_ON:
        return 0
    return cfg.MODEL.ROI_KEYPOINT_HEAD.MIN_KEYPOINTS_PER_IMAGE


@configurable(from_config=_train_loader_from_config)
def build_detection_train_loader(
    dataset: list | torchdata.Dataset,
    *,
    mapper: Callable | None,
    sampler: torchdata.Sampler | None = None,
    total_batch_size: int,
    aspect_ratio_grouping: bool = True,
    num_workers: int = 0,
    collate_fn: Callable | None = None,
    **kwargs: Any,
) -> Iterable:
    """An endless loader of training batches, from these arguments or from a config.

    ``build_detection_train_loader(cfg, mapper=..., dataset=..., sampler=...)`` takes the rest from
    the config. Samples are reproducible, see :mod:`detectron2.data.sample_seed`.

    Args:
        dataset: dictionaries, or a torch data set (map-style or iterable).
        mapper: turns a dictionary into what the model takes; or returns None to have another
            sample taken.
        sampler: endless indices; a :class:`TrainingSampler` by default. Must be None for an
            iterable data set, which must shuffle and share itself among the processes.
        total_batch_size: of all processes together.
        aspect_ratio_grouping: put wide and high images into different batches.
        num_workers: worker processes of each process.
        collate_fn: makes a batch of a list of samples; by default the list is the batch.
        **kwargs: for :func:`build_batch_data_loader`.

    Returns:
        An iterable of batches of this process.
    """
    if isinstance(dataset, list):
        dataset = DatasetFromList(dataset, copy=False)
    if mapper is not None:
        dataset = MapDataset(dataset, mapper)
    if isinstance(dataset, torchdata.IterableDataset):
        assert sampler is None, "sampler must be None if dataset is IterableDataset"
    else:
        if sampler is None:
            sampler = TrainingSampler(len(dataset))
        assert isinstance(sampler, torchdata.Sampler), f"Expect a Sampler but got {type(sampler)}"
    return build_batch_data_loader(
        dataset,
        sampler,
        total_batch_size,
        aspect_ratio_grouping=aspect_ratio_grouping,
        num_workers=num_workers,
        collate_fn=collate_fn,
        **kwargs,
    )


def _test_loader_from_config(
    cfg: CfgNode, dataset_name: str | list[str], mapper: Callable | None = None
) -> dict[str, Any]:
    names = [dataset_name] if isinstance(dataset_name, str) else list(dataset_name)
    proposal_files = None
    if cfg.MODEL.LOAD_PROPOSALS:
        known = list(cfg.DATASETS.TEST)
        proposal_files = [cfg.DATASETS.PROPOSAL_FILES_TEST[known.index(name)] for name in names]
    dataset = get_detection_dataset_dicts(names, filter_empty=False, proposal_files=proposal_files)
    iterable = isinstance(dataset, torchdata.IterableDataset)
    return {
        "dataset": dataset,
        "mapper": DatasetMapper(cfg, False) if mapper is None else mapper,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
        "sampler": None if iterable else InferenceSampler(len(dataset)),
    }


@configurable(from_config=_test_loader_from_config)
def build_detection_test_loader(
    dataset: list | torchdata.Dataset,
    *,
    mapper: Callable | None,
    sampler: torchdata.Sampler | None = None,
    batch_size: int = 1,
    num_workers: int = 0,
    collate_fn: Callable | None = None,
) -> torchdata.DataLoader:
    """A loader that gives each sample once, from these arguments or from a config.

    ``build_detection_test_loader(cfg, dataset_name, mapper=...)`` takes the rest from the config.

    Args:
        dataset: dictionaries, or a torch data set (map-style or iterable).
        mapper: turns a dictionary into what the model takes.
        sampler: indices; an :class:`InferenceSampler` by default, which deals consecutive ranges
            out to the processes. Must be None for an iterable data set.
        batch_size: samples per batch.
        num_workers: worker processes of each process.
        collate_fn: makes a batch of a list of samples; by default the list is the batch.

    Returns:
        A loader of the samples of this process.
    """
    if isinstance(dataset, list):
        dataset = DatasetFromList(dataset, copy=False)
    if mapper is not None:
        dataset = MapDataset(dataset, mapper)
    if isinstance(dataset, torchdata.IterableDataset):
        assert sampler is None, "sampler must be None if dataset is IterableDataset"
    elif sampler is None:
        sampler = InferenceSampler(len(dataset))
    return torchdata.DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=False,
        num_workers=num_workers,
        collate_fn=trivial_batch_collator if collate_fn is None else collate_fn,
    )


def trivial_batch_collator(batch: list) -> list:
    """A batch is the list of its samples."""
    return batch


def worker_init_reset_seed(worker_id: int) -> None:
    """Seed the generators of a worker process differently from those of the others."""
    initial_seed = torch.initial_seed() % 2**31
    seed_all_rng(initial_seed + worker_id)
