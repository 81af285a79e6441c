"""Both published stages of TarViS: their loaders, as configured, and steps on every data set."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
import torch

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.modeling import build_model
from reference.models import CONFIGS
from univs.config import load_config
from univs.data import build_train_loader, register_datasets
from univs.data.miniatures import write_miniatures

# Of the network and of pictures; nothing that says which clips are drawn.
SMALL = [
    *("MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.BACKBONE.NAME", "SmallCNN"),
    *("MODEL.SEM_SEG_HEAD.CONVS_DIM", 32, "MODEL.SEM_SEG_HEAD.MASK_DIM", 32),
    *("MODEL.SEM_SEG_HEAD.NORM", "", "MODEL.SEM_SEG_HEAD.TRANSFORMER_ENC_LAYERS", 1),
    *("MODEL.MASK_FORMER.HIDDEN_DIM", 32, "MODEL.MASK_FORMER.NHEADS", 2),
    *("MODEL.MASK_FORMER.DIM_FEEDFORWARD", 16, "MODEL.MASK_FORMER.DEC_LAYERS", 2),
    *("MODEL.MASK_FORMER.TRAIN_NUM_POINTS", 32, "MODEL.TARVIS.OBJECT_ENCODER_LAYERS", 1),
    *("MODEL.TARVIS.LOSS.PANOPTIC_SEMANTIC_NUM_POINTS", 32),
    *("INPUT.MIN_SIZES_TRAIN", [], "INPUT.MAX_SIZES_TRAIN", [], "INPUT.MIN_SIZE_TRAIN", (64,)),
    *("INPUT.CROP.SIZE", (64, 64), "SOLVER.IMS_PER_BATCH", 2, "DATALOADER.NUM_WORKERS", 0),
]


def config_of(stage: str, *options):
    return load_config(CONFIGS / "tarvis" / stage / "r50.yaml", [*SMALL, *options])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("tarvis")
    write_miniatures(root, ["ade20k", "tarvis"])
    register_datasets(root)
    return root


def first_of_each(loader) -> dict[str, list[dict]]:
    """The first batch of every data set."""
    first: dict[str, list[dict]] = {}
    batches = iter(loader)
    while len(first) < len(loader.loaders):
        samples = next(batches)
        first.setdefault(samples[0]["dataset_name"], samples)
    return first


@pytest.mark.parametrize("stage", ["pretrain", "video"])
def test_every_data_set_of_a_stage_gives_batches_that_train(workspace, stage):
    torch.manual_seed(0)
    config = config_of(stage, "MODEL.TARVIS.TASK_WEIGHTS", [])
    loader = build_train_loader(config)
    loader.run_length = 1
    model = build_model(config).train()
    vocabularies = dict(zip(config.DATASETS.TRAIN, config.DATASETS.TRAIN_VOCABULARIES, strict=True))
    batches = first_of_each(loader)
    assert len(batches) == len(vocabularies)
    stuff = set()
    for samples in batches.values():
        assert len(samples) == 2
        for sample in samples:
            assert len(sample["image"]) == len(sample["instances"]) == 3
            if "sem_seg" in sample:
                stuff.add(sample["vocabulary"])
        losses = model(samples)
        total = sum(losses.values())
        assert torch.isfinite(total) and total > 0
        total.backward()
    assert {samples[0]["vocabulary"] for samples in batches.values()} == set(vocabularies.values())
    expected = {"video": {"KITTI_STEP", "CITYSCAPES_VPS", "VIPSEG"}}
    assert stuff == expected.get(stage, set(vocabularies.values()))


@pytest.mark.parametrize("stage", ["pretrain", "video"])
def test_data_sets_come_in_runs_of_eight_and_by_their_published_shares(workspace, stage):
    config = config_of(stage, "SOLVER.MAX_ITER", 8000, "MODEL.TARVIS.TASK_WEIGHTS", [])
    loader = build_train_loader(config)
    order = list(islice(loader.draws(), 8000))
    assert all(len(set(order[start : start + 8])) == 1 for start in range(0, 8000, 8))
    counts = Counter(order)
    for number, share in enumerate(config.DATASETS.DATASET_RATIO):
        assert counts[number] / 8000 == pytest.approx(share, abs=0.002)


def test_pre_training_draws_a_task_for_every_run(workspace):
    loader = build_train_loader(config_of("pretrain"))
    kinds = []
    for number, samples in enumerate(islice(loader, 24)):
        has_stuff, has_names = "sem_seg" in samples[0], bool(samples[0]["vocabulary"])
        kinds.append((has_stuff, has_names))
        assert kinds[-1] == ((False, True), (True, True), (False, False))[loader.task(number)]
    assert all(len(set(kinds[start : start + 8])) == 1 for start in range(0, 24, 8))
