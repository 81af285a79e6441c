"""Files that are missing, damaged or of another kind are found before training starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from univs.data.catalog import find_entry
from univs.data.catalog.reading import load_records
from univs.data.file_check import check_files
from univs.data.miniatures import write_miniatures


@pytest.fixture
def root(tmp_path) -> Path:
    write_miniatures(tmp_path / "datasets", ["coco", "ade20k"])
    return tmp_path / "datasets"


def check(root: Path, name: str) -> None:
    check_files(name, load_records(find_entry(name, root), root))


def smaller(path: Path) -> None:
    with Image.open(path) as image:
        changed = image.resize((20, 10), Image.Resampling.NEAREST)
    changed.save(path)


def converted(mode: str) -> Callable[[Path], None]:
    def convert(path: Path) -> None:
        with Image.open(path) as image:
            changed = image.convert(mode)
        changed.save(path)

    return convert


def test_whole_datasets_pass(root):
    for name in ("coco_panoptic_train", "ade20k_semantic_train", "coco_instance_train"):
        check(root, name)


@pytest.mark.parametrize(
    ("name", "files", "damage", "message"),
    [
        ("coco_panoptic_train", "coco/train2017/*.jpg", Path.unlink, "missing frame"),
        ("coco_panoptic_train", "coco/panoptic_train2017/*.png", Path.unlink, "missing mask"),
        ("coco_panoptic_train", "coco/train2017/*.jpg", smaller, "size mismatch.*is 10x20"),
        ("coco_panoptic_train", "coco/panoptic_train2017/*.png", smaller, "size mismatch.*10x20"),
        (
            *("coco_panoptic_train", "coco/train2017/*.jpg"),
            *(lambda path: path.write_text("no image"), "unreadable frame"),
        ),
        (
            *("coco_panoptic_train", "coco/panoptic_train2017/*.png"),
            *(lambda path: path.write_text("no image"), "unreadable mask"),
        ),
        (
            *("coco_panoptic_train", "coco/panoptic_train2017/*.png"),
            *(converted("L"), "wrong palette.*it is a L image; an RGB image is expected"),
        ),
        (
            *("ade20k_semantic_train", "ADEChallengeData2016/annotations/training/*.png"),
            *(converted("RGB"), "wrong palette.*it is a RGB image; one with a single value"),
        ),
    ],
)
def test_faults_are_refused(root, name, files, damage, message):
    path = sorted(root.glob(files))[1]
    damage(path)
    with pytest.raises(ValueError, match=message) as caught:
        check(root, name)
    text = str(caught.value)
    assert text.startswith(f"{name} cannot be trained on: 1 of ") and str(path) in text
    assert f"`univs data check {name}` names all of them" in text
