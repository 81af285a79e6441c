"""Every dataset of the catalogue in its official layout: read, trained on, and evaluated.

A miniature has two videos, or four images, per split. Models are a few thousand parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from reference.models import CONFIGS
from reference.toy_results import perfect_samples
from univs.config import load_config
from univs.data import build_train_loader, register_datasets
from univs.data.catalog import find_entry
from univs.data.catalog.entries import ENTRIES
from univs.data.mask_source import IdMasks, decode_masks
from univs.data.miniatures import FAMILIES, write_miniatures
from univs.data.record import record_of
from univs.evaluation.build import build_evaluator

FAMILY_OF = {
    name: family
    for family in sorted(FAMILIES, key=lambda name: name != "tarvis")  # others have precedence
    for name in FAMILIES[family].datasets
} | {"ovis_train_full": "ovis"}


@pytest.fixture(scope="module")
def root_of(tmp_path_factory) -> Callable[[str], Path]:
    """Writes the miniature of a family, once, and registers it."""

    @cache
    def write(family: str) -> Path:
        root = tmp_path_factory.mktemp(family) / "datasets"
        write_miniatures(root, [family])
        return root

    def ready(family: str) -> Path:
        register_datasets(write(family))
        return write(family)

    return ready


def test_every_dataset_of_the_catalogue_has_a_miniature():
    # Selections of datasets that have one; their files come with UniVS only.
    selections = ("*_dev0.01", "*_dev_merge", "*_train_sub", "*_all_frames", "lvis_v1_train512p")
    written = {name for family in FAMILIES.values() for name in family.datasets}
    missing = [
        entry.name
        for entry in ENTRIES
        if entry.name not in written
        and not any(fnmatchcase(entry.name, pattern) for pattern in selections)
    ]
    assert missing == []


def test_miniatures_overwrite_nothing(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_miniatures(tmp_path, ["davis"])
    with pytest.raises(ValueError, match="no family 'cats'; known are youtube_vis"):
        write_miniatures(tmp_path / "new", ["cats"])


# --------------------------------------------------------------------------------------------------
# Reading


@pytest.mark.parametrize(
    ("family", "name"), [(f, n) for f, content in FAMILIES.items() for n in content.datasets]
)
def test_official_layouts_are_read(family, name, root_of):
    root_of(family)
    entries = DatasetCatalog.get(name)
    entry, metadata = find_entry(name), MetadataCatalog.get(name)
    assert entries
    for item in entries:
        record = record_of(item)
        assert record.frames[len(record) - 1].shape == (*record.size, 3)
        for frame in {0, len(record) - 1}:
            shown = [o for o in record.objects if frame in o.frames and o.masks is not None]
            given = {p.object_id for p in record.prompts}
            for o, mask in zip(
                shown,
                decode_masks([o.masks for o in shown], frame, record.size),
                strict=True,
            ):
                has_file = not isinstance(o.masks, IdMasks) or o.masks.maps.file_names[frame]
                # Of validation sets only the frames in which objects are given have masks.
                if has_file and not (given and frame):
                    assert mask.any(), (record.video_id, o.official_id, frame)
            if record.label_maps is not None:
                labels = record.label_maps.decode(frame)
                assert set(np.unique(labels)) <= {*range(len(metadata.class_names)), 255}
        if entry.domain is not None:
            count = len(metadata.class_names)
            assert all(0 <= o.category < count for o in record.objects)
    if entry.domain is not None:
        things, stuff = metadata.get("thing_classes", []), metadata.get("stuff_classes", [])
        assert len(things) + len(stuff) == len(metadata.class_names) > 0


# --------------------------------------------------------------------------------------------------
# Training


_NUM_CLASSES = 150  # of models whose classes are numbered; no dataset that they train on has more
_TARVIS = {  # vocabulary by dataset
    "coco_panoptic_train": "coco_panoptic",
    "cityscapes_panoptic_train": "cityscapes_panoptic",
    "mapillary_train": "mapillary",
    "ade20k_panoptic_train": "ade20k",
    "ytvis21_train": "ytvis21",
    "ovis_train": "ovis",
    "kitti_step_train": "kitti_step",
    "cityscapes_vps_train": "cityscapes",
    "vipseg_train": "vipseg",
    "burst_train": "",
    "davis17_train": "",
}
_UNIVS = (
    *("lvis_v1_train", "coco_panoptic_train", "refcoco_mixed_train", "entityseg_panoptic_train"),
    *("entityseg_instance_train", "sa1b_250k_1", "ade20k_panoptic_train"),
    *(
        "ovis_train_full",
        "ytvis19_train",
        "ytvis21_dev",
        "vipseg_train",
        "refytvos_train",
        "youtubevos18_train",
    ),
    *("youtubevos19_train", "davis16_train", "davis17_train", "mose_train", "burst_train"),
    *("viposeg_train", "mevis_train", "refcoco_train", "refcocoplus_train", "refcocog_train"),
)
_TRAINED = [
    *(("univs", name) for name in _UNIVS),
    *(("tarvis", name) for name in _TARVIS),
    *(("vita", name) for name in ("ytvis19_train", "ytvis21_train", "ovis_train")),
    *(("vita", f"coco_as_{domain}_train") for domain in ("ytvis19", "ytvis21", "ovis")),
    ("vita", "coco_instance_train"),
    *(("genvis_online", name) for name in ("ytvis21_train", "ovis_train")),
    *(("mask2former_video", name) for name in ("ytvis19_train", "coco_as_ovis_train")),
    *(
        ("mask2former_image", f"{name}_train")
        for name in ("coco_instance", "coco_panoptic", "mapillary", "ade20k_panoptic")
    ),
    *(("semantic", name) for name in ("ade20k_semantic_train", "cityscapes_semantic_train")),
]


def config_of(system: str, name: str) -> CfgNode:
    """A tiny config of a system for one dataset."""
    file = {"univs": "univs_stage2", "semantic": "mask2former_image"}.get(system, system)
    cfg = load_config(CONFIGS / "toy" / f"{file}.yaml")
    cfg.merge_from_list(
        [
            *("DATASETS.TRAIN", (name,), "DATASETS.DATASET_RATIO", []),
            *("MODEL.WEIGHTS", "", "SOLVER.IMS_PER_BATCH", 2, "DATALOADER.NUM_WORKERS", 0),
            *("INPUT.SAMPLING_FRAME_NUM", 2, "INPUT.MIN_SIZE_TRAIN", (64,)),
            *("MODEL.SEM_SEG_HEAD.NUM_CLASSES", _NUM_CLASSES),
            *("INPUT.PSEUDO.MIN_SIZE_TRAIN", (64,), "INPUT.IMAGE_SIZE", 64),
            *("MODEL.MASK_FORMER.DEC_LAYERS", 4, "MODEL.MASK_FORMER.TRAIN_NUM_POINTS", 64),
        ]
    )
    if system == "semantic":
        cfg.INPUT.DATASET_MAPPER_NAME = "mask_former_semantic"
        cfg.MODEL.MASK_FORMER.TEST.SEMANTIC_ON = True
    if system == "univs":
        cfg.MODEL.UniVS.CONCEPTS = [
            [domain, [f"class {index}" for index in range(count)]]
            for domain, count in (
                *(("lvis", 10), ("coco_panoptic", 133), ("entityseg_panoptic", 10)),
                *(("entityseg_instance", 10), ("ade20k", 150), ("ovis", 25), ("ytvis19", 40)),
                *(("ytvis21", 40), ("vipseg", 124)),
            )
        ]
    if system == "tarvis":
        tables = {d: find_entry(n).classes for n, d in _TARVIS.items() if d}
        options = cfg.MODEL.TARVIS
        options.VOCABULARIES = sorted(tables)
        options.VOCABULARY_SIZES = [len(tables[d]) if tables[d] else 10 for d in sorted(tables)]
        options.THING_CLASSES = [
            tables[d].things if tables[d] and tables[d].stuff else [] for d in sorted(tables)
        ]
        cfg.DATASETS.TRAIN_VOCABULARIES = [_TARVIS[name]]
        cfg.INPUT.FRAME_RANGE_FACTORS = []
        cfg.INPUT.CROP_FRACTIONS = [[0.75, 0.75]]
    return cfg


@pytest.fixture(scope="module")
def model_of() -> Callable[[str, CfgNode], nn.Module]:
    """The model of a system, built once."""
    models: dict[str, nn.Module] = {}

    def model(system: str, cfg: CfgNode) -> nn.Module:
        if system not in models:
            torch.manual_seed(0)
            models[system] = build_model(cfg).train()
        return models[system]

    return model


@pytest.mark.parametrize(("system", "name"), _TRAINED)
def test_a_training_step(system, name, root_of, model_of):
    root_of(FAMILY_OF[name])
    cfg = config_of(system, name)
    torch.manual_seed(0)
    batch = next(iter(build_train_loader(cfg)))
    model = model_of(system, cfg)
    losses = model(batch)
    total = sum(losses.values())
    assert losses and total.isfinite(), losses
    model.zero_grad()
    total.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", ["objects365_train", "flickr30k_entities_train"])
def test_boxes_are_not_trained_on(name, root_of):
    root_of(FAMILY_OF[name])
    with pytest.raises(ValueError, match=f"{name} has boxes and no masks"):
        build_train_loader(config_of("univs", name))


@pytest.mark.parametrize(
    "name", [n for n, d in _TARVIS.items() if n in FAMILIES["tarvis"].datasets]
)
def test_a_training_step_in_the_workspace_of_tarvis(name, root_of, model_of, monkeypatch):
    workspace = root_of("tarvis")
    monkeypatch.delenv("UNIVS_DATASETS", raising=False)
    monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    monkeypatch.setenv("TARVIS_WORKSPACE_DIR", str(workspace))
    register_datasets()
    cfg = config_of("tarvis", name)
    torch.manual_seed(0)
    losses = model_of("tarvis", cfg)(next(iter(build_train_loader(cfg))))
    assert sum(losses.values()).isfinite()


# --------------------------------------------------------------------------------------------------
# Evaluation


_SCORED = [
    *("ytvis19_val", "ytvis21_dev", "ytvis22_val_long", "ovis_val", "ovis_dev"),
    *("coco_instance_val", "coco_panoptic_val", "lvis_v1_val", "ade20k_semantic_val"),
    *("ade20k_panoptic_val", "mapillary_val", "cityscapes_semantic_val", "vipseg_val"),
    *("vipseg_dev", "vspw_val", "vspw_dev", "kitti_step_val", "cityscapes_vps_val"),
    *("viposeg_val", "davis16_val", "davis17_val", "davis17_unsupervised_val"),
    *("refytvos_val", "refdavis_val_0", "mevis_val_u"),
]
_PERFECT = (1.0, 100.0)


@pytest.mark.parametrize("name", _SCORED)
def test_the_truth_is_scored_as_perfect(name, root_of, tmp_path):
    root_of(FAMILY_OF[name])
    evaluator = build_evaluator(name, tmp_path / "results")
    evaluator.reset()
    for sample, output in perfect_samples(name):
        evaluator.process([sample], [output])
    (task, numbers), *_ = evaluator.evaluate().items()
    first = next(value for value in numbers.values() if not math.isnan(value))
    assert any(first == pytest.approx(best) for best in _PERFECT), (task, numbers)


@pytest.mark.parametrize("name", ["youtubevos19_val", "mose_val", "burst_val_mask"])
def test_hidden_truth_is_not_scored(name, root_of, tmp_path):
    """The official validation masks of YouTube-VOS and MOSE are on a server; so they are here."""
    root_of(FAMILY_OF[name])
    evaluator = build_evaluator(name, tmp_path / "results")
    assert evaluator is not None
