"""Every dataset of the catalogue in its official layout: read, trained on, and scored.

A miniature has two videos, or four images, per split. Models are a few thousand parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch
from torch import nn

import univs.modeling  # noqa: F401  registers the architectures
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from reference.miniatures import FAMILY_OF, TARVIS_VOCABULARIES, config_of
from reference.toy_results import perfect_samples
from univs.data import build_train_loader, register_datasets
from univs.data.catalog import find_entry
from univs.data.catalog.entries import ENTRIES
from univs.data.mask_source import IdMasks, decode_masks
from univs.data.miniatures import FAMILIES, write_miniatures
from univs.data.record import record_of
from univs.engine.optimizer import build_optimizer
from univs.evaluation.build import build_evaluator


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
def test_official_layouts_are_read(family, name, miniatures):
    miniatures.ready(family)
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
    *(("tarvis", name) for name in TARVIS_VOCABULARIES),
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
def test_a_training_step(system, name, miniatures, model_of):
    miniatures.ready(FAMILY_OF[name])
    cfg = config_of(system, name)
    torch.manual_seed(0)
    batch = next(iter(build_train_loader(cfg)))
    model = model_of(system, cfg)
    optimizer = build_optimizer(cfg, model)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = model(batch)
    total = sum(losses.values())
    assert losses and total.isfinite(), losses
    total.backward()
    optimizer.step()
    optimizer.zero_grad()
    after = dict(model.named_parameters())
    assert all(parameter.isfinite().all() for parameter in after.values())
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("name", ["objects365_train", "flickr30k_entities_train"])
def test_boxes_are_not_trained_on(name, miniatures):
    miniatures.ready(FAMILY_OF[name])
    with pytest.raises(ValueError, match=f"{name} has boxes and no masks"):
        build_train_loader(config_of("univs", name))


@pytest.mark.parametrize(
    "name", [n for n in TARVIS_VOCABULARIES if n in FAMILIES["tarvis"].datasets]
)
def test_a_training_step_in_the_workspace_of_tarvis(name, miniatures, model_of, monkeypatch):
    workspace = miniatures.ready("tarvis")
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
    *("burst_val_mask", "burst_val_point", "viposeg_dev"),
    *("viposeg_val", "davis16_val", "davis17_val", "davis17_unsupervised_val"),
    *("refytvos_val", "refdavis_val_0", "mevis_val_u"),
]
_PERFECT = (1.0, 100.0)


@pytest.mark.parametrize("name", _SCORED)
def test_the_truth_is_scored_as_perfect(name, miniatures, tmp_path):
    miniatures.ready(FAMILY_OF[name])
    evaluator = build_evaluator(name, tmp_path / "results")
    evaluator.reset()
    for sample, output in perfect_samples(name):
        evaluator.process([sample], [output])
    (task, numbers), *_ = evaluator.evaluate().items()
    first = next(value for value in numbers.values() if not math.isnan(value))
    assert any(first == pytest.approx(best) for best in _PERFECT), (task, numbers)
