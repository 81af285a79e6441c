from __future__ import annotations

import json

import pytest
from PIL import Image

import univs  # noqa: F401
from detectron2.data import DatasetCatalog, MetadataCatalog
from univs.data.catalog import (
    DatasetEntry,
    DatasetNotFoundError,
    Location,
    all_entries,
    class_table,
    find_entry,
    register_dataset,
    register_datasets,
)

#: Names that configs of Mask2Former, VITA, GenVIS and UniVS use.
FOREIGN_NAMES = [
    *(f"ytvis_{year}_{split}" for year in (2019, 2021) for split in ("train", "val", "test")),
    "ytvis_2022_val",
    "ytvis_2021_dev",
    *(f"ovis_{split}" for split in ("train", "val", "test", "dev")),
    *(f"coco2{name}_train" for name in ("ytvis2019", "ytvis2021", "ovis")),
    "coco_2017_train",
    "coco_2017_val",
    "coco_2017_train_panoptic",
    "coco_2017_val_panoptic_with_sem_seg",
    "ade20k_sem_seg_train",
    "ade20k_sem_seg_val",
    "cityscapes_fine_sem_seg_val",
    "coco_panoptic_train",
    "vipseg_panoptic_train",
    "vipseg_panoptic_val",
    "vspw_vss_video_val",
    "sot_davis16_val",
    "sot_davis17_val",
    "sot_ytbvos18_train",
    "sot_ytbvos18_val",
    "mots_mose_train",
    "mots_mose_val",
    "mots_burst_train",
    "mots_burst_val_vos",
    "rvos-refytb-train",
    "rvos-refytb-val",
    *(f"rvos-refdavis-val-{number}" for number in range(4)),
]


@pytest.fixture
def registered(tmp_path):
    """An empty root with every dataset registered; the earlier registration comes back after."""
    before = {
        name: MetadataCatalog.get(name).image_root
        for name in ("toy_ytvis_train",)
        if name in DatasetCatalog.list()
    }
    register_datasets(tmp_path)
    yield tmp_path
    if before:
        root = before["toy_ytvis_train"].split("/toy/")[0]
        register_datasets(root)


@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_names_of_the_original_projects_resolve(registered, name):
    entry = find_entry(name)
    assert name in DatasetCatalog.list()
    assert MetadataCatalog.get(name).evaluator_type == entry.evaluator_type


def test_no_name_stands_for_two_datasets():
    entries = all_entries().values()
    names = [name for entry in entries for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


def test_unknown_names_are_an_error():
    with pytest.raises(KeyError, match="no dataset 'ytvis_2035'"):
        find_entry("ytvis_2035")


def test_a_missing_dataset_says_what_was_tried_and_how_to_get_it(registered):
    with pytest.raises(DatasetNotFoundError) as error:
        DatasetCatalog.get("ytvis_2019_val")
    message = str(error.value)
    assert f"{registered}/ytvis_2019/valid/JPEGImages" in message
    assert f"{registered}/ytvis_2019/valid/instances.json" in message
    assert "https://youtube-vos.org/dataset/vis/" in message
    assert "UNIVS_DATASETS" in message


def test_a_missing_toy_dataset_says_how_to_generate_it(registered):
    with pytest.raises(
        DatasetNotFoundError, match="python -m univs.data.toy --root .* --layouts vipseg"
    ):
        DatasetCatalog.get("toy_vipseg_val")


def test_every_toy_dataset_has_a_reader():
    from univs.data.toy.registration import TOY_DATASETS

    assert set(TOY_DATASETS) <= set(all_entries())


def test_metadata_of_instances(registered):
    metadata = MetadataCatalog.get("ytvis_2019_train")
    assert metadata.thing_classes == list(class_table("ytvis19").names)
    assert metadata.thing_dataset_id_to_contiguous_id == {i + 1: i for i in range(40)}
    assert metadata.json_file == f"{registered}/ytvis_2019/train.json"
    assert metadata.image_root == f"{registered}/ytvis_2019/train/JPEGImages"
    assert metadata.domain == "ytvis19"


def test_metadata_of_panoptic_sets_keeps_things_and_stuff_apart(registered):
    metadata = MetadataCatalog.get("vipseg_panoptic_val")
    assert len(metadata.thing_classes) == 58
    assert len(metadata.stuff_classes) == 66
    assert metadata.thing_dataset_id_to_contiguous_id[3] == 2  # door
    assert metadata.stuff_dataset_id_to_contiguous_id[1] == 0  # wall
    assert metadata.ignore_label == 255
    assert metadata.panoptic_root.endswith("panomasks")


def test_sets_without_classes_have_one_called_object(registered):
    assert MetadataCatalog.get("sot_davis17_val").thing_classes == ["object"]


def test_the_first_complete_place_is_used(tmp_path):
    entry = DatasetEntry(
        name="mine",
        layout="ytvis",
        locations=(Location("a", "a.json"), Location("b", "b.json"), Location("c", "c.json")),
        page="https://example.org",
    )
    for folder in "bc":
        (tmp_path / folder).mkdir()
        (tmp_path / f"{folder}.json").touch()
    (tmp_path / "a").mkdir()
    assert entry.locate(tmp_path).annotations == f"{tmp_path}/b.json"


def test_own_datasets_can_be_registered(tmp_path):
    (tmp_path / "frames" / "v").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "frames" / "v" / "0.jpg")
    (tmp_path / "mine.json").write_text(
        json.dumps(
            {
                "videos": [{"id": 1, "height": 6, "width": 8, "file_names": ["v/0.jpg"]}],
                "categories": [{"id": 1, "name": "thing"}],
                "annotations": None,
            }
        )
    )
    entry = DatasetEntry(
        name="mine_train",
        layout="ytvis",
        locations=(Location("frames", "mine.json"),),
        aliases=("also_mine",),
        evaluator_type="ytvis",
    )
    try:
        register_dataset(entry, tmp_path)
        (found,) = DatasetCatalog.get("also_mine")
        assert found["dataset_name"] == "mine_train"
        assert found["record"].frames[0].shape == (6, 8, 3)
    finally:
        for name in ("mine_train", "also_mine"):
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
