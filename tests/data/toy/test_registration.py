"""The table of toy data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from univs.data.toy import LAYOUTS, PRESETS
from univs.data.toy.classes import STUFF_CLASSES, THING_CLASSES
from univs.data.toy.registration import TOY_DATASETS, ToyDataset, datasets_root, toy_root

DEFAULT = [entry for entry in TOY_DATASETS.values() if entry.preset == "default"]


@pytest.mark.parametrize("entry", DEFAULT, ids=lambda entry: entry.name)
def test_paths_exist_once_generated(entry: ToyDataset, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue("toy_root")
    paths = [
        getattr(entry, key)
        for key in ("image_root", "annotations", "masks", "videos", "categories", "truth")
    ]
    for path in filter(None, paths):
        assert (root / Path(path).relative_to("toy")).exists(), path


def test_names() -> None:
    assert {"toy_ytvis_train", "toy_ytvis_val", "toy_ytvis_occlusion_val"} <= set(TOY_DATASETS)
    assert all(name == entry.name for name, entry in TOY_DATASETS.items())
    kinds = {(entry.preset, entry.split, entry.layout) for entry in TOY_DATASETS.values()}
    assert kinds == {(p, s, k) for p in PRESETS for s in ("train", "val") for k in LAYOUTS}


def test_presets_do_not_share_files() -> None:
    entry = TOY_DATASETS["toy_coco_panoptic_occlusion_val"]
    assert entry.masks == "toy/occlusion/coco/panoptic_val2017"
    assert TOY_DATASETS["toy_coco_panoptic_val"].masks == "toy/coco/panoptic_val2017"


@pytest.mark.parametrize(
    ("name", "things", "stuff"),
    [
        ("toy_ytvis_val", THING_CLASSES, ()),
        ("toy_vipseg_val", THING_CLASSES, STUFF_CLASSES),
        ("toy_davis_val", (), ()),
        ("toy_burst_point_train", (), ()),
    ],
)
def test_classes(name: str, things: tuple, stuff: tuple) -> None:
    entry = TOY_DATASETS[name]
    assert entry.thing_classes == things
    assert entry.stuff_classes == stuff
    assert len(entry.thing_colors) == len(things)
    assert len(entry.stuff_colors) == len(stuff)


def test_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNIVS_DATASETS", raising=False)
    monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    assert datasets_root() == Path("datasets")
    monkeypatch.setenv("DETECTRON2_DATASETS", "/two")
    assert toy_root() == Path("/two/toy")
    monkeypatch.setenv("UNIVS_DATASETS", "/one")
    assert toy_root() == Path("/one/toy")
