"""Every name that the original projects register resolves, or says why it does not."""

from __future__ import annotations

import json
import logging

import pytest
from PIL import Image

import univs  # noqa: F401
from univs.data.catalog import find_entry, load_records, training_name

#: UniVS's training and evaluation sets.
UNIVS_NAMES = [
    *("lvis_v1_train512p", "lvis_v1_train_video", "coco_panoptic_train", "ade20k_panoptic_train"),
    *("entityseg_instance_train", "entityseg_panoptic_train", "vipseg_panoptic_train"),
    *("ytvis_2019_train", "ytvis_2021_train", "ovis_train", "sot_ytbvos18_train"),
    *("sot_davis16_train", "sot_davis17_train", "mots_mose_train", "mots_burst_train"),
    *("rvos-refytb-train", "rvos_refcoco-mixed"),
    *("ytvis_2019_val", "ytvis_2021_val", "ytvis_2022_val", "ytvis_2021_test"),
    *("ytvis_2021_dev", "ytvis_2021_dev0.01", "ovis_val", "ovis_test", "ovis_dev", "ovis_dev0.01"),
    *("vipseg_panoptic_val", "vipseg_panoptic_dev", "vipseg_panoptic_dev0.01"),
    *("vspw_vss_video_val", "vspw_vss_video_dev", "sot_davis16_val", "sot_davis17_val"),
    *("sot_ytbvos18_val", "mots_mose_val", "mots_mose_dev", "mots_mose_test"),
    *("mots_burst_val_vos", "pvos_viposeg_val", "pvos_viposeg_dev", "pvos_viposeg_dev0.25"),
    *("rvos-refytb-val", *(f"rvos-refdavis-val-{number}" for number in range(4))),
    *(
        f"{name}-unc-{split}"
        for name in ("refcoco", "refcocoplus")
        for split in ("train", "val", "testA", "testB")
    ),
    *(f"refcocog-umd-{split}" for split in ("train", "val", "test")),
    *("custom_images", "custom_videos", "custom_videos_text", "custom_videos_text_internvid"),
    *("sa_1b_train_250k_1", "sa_1b_train_250k_2", "flickr30k_entity-train", "msr-vtt-test"),
    *("ytvis_2021_dev_merge", "ovis_dev_merge", "mots_burst_val_det"),
]
VITA_NAMES = [
    *(f"ytvis_{year}_{split}" for year in (2019, 2021) for split in ("train", "val", "test")),
    *("ytvis_2019_val_all_frames", "ovis_train", "ovis_val", "ovis_test"),
    *(
        f"coco2{target}_{split}"
        for target in ("ytvis2019", "ytvis2021", "ovis")
        for split in ("train", "val")
    ),
]
TARVIS_NAMES = [
    *("kitti_step_train", "kitti_step_val", "mapillary_train", "cityscapes_train"),
    *(f"cityscapes_vps_{split}" for split in ("train", "val", "test")),
]
UNSUPPORTED_NAMES = ["internvid-1", "pexel-len6-48"]


@pytest.mark.parametrize("name", sorted({*UNIVS_NAMES, *VITA_NAMES, *TARVIS_NAMES}))
def test_names_resolve(name):
    entry = find_entry(name)
    assert name in (entry.name, *entry.aliases)
    assert entry.page or entry.remedy


@pytest.mark.parametrize("name", UNSUPPORTED_NAMES)
def test_names_that_are_not_supported_say_why(name):
    with pytest.raises(KeyError, match=f"{name}' is not supported yet: .*Not supported are: "):
        find_entry(name)


def test_misspelt_names_are_answered_with_close_ones():
    with pytest.raises(KeyError, match="Did you mean ytvis_2021_train"):
        find_entry("ytvis_2021_trian")


@pytest.mark.parametrize("architecture", ["UniVS_Prompt", "UniVS_Prompt_LongVideo"])
def test_univs_trains_without_the_held_out_part(architecture, caplog):
    with caplog.at_level(logging.WARNING):
        assert training_name("ytvis_2021_train", architecture) == "ytvis21_train_sub"
    assert "Write ytvis21_train to train on all of it" in caplog.text
    assert training_name("ovis_train", architecture) == "ovis_train_sub"
    assert find_entry("ovis_train_full").name == "ovis_train"
    assert training_name("vipseg_train", architecture) == "vipseg_train"


@pytest.mark.parametrize("architecture", ["Vita", "Genvis", "VideoMaskFormer"])
def test_others_train_on_everything(architecture, caplog):
    assert training_name("ytvis_2021_train", architecture) == "ytvis_2021_train"
    assert not caplog.records


@pytest.fixture
def ovis(tmp_path):
    """Two hundred videos of OVIS, one object each, all of category 1."""
    folder = tmp_path / "ovis" / "train"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(folder / "0.jpg")
    segmentation = {"size": [6, 8], "counts": [0, 5, 43]}
    content = {
        "videos": [
            {"id": n, "height": 6, "width": 8, "file_names": ["0.jpg"]} for n in range(1, 201)
        ],
        "categories": [{"id": n, "name": str(n)} for n in range(1, 26)],
        "annotations": [
            {"id": n, "video_id": n, "category_id": 1, "segmentations": [segmentation]}
            for n in range(1, 201)
        ],
    }
    path = tmp_path / "ovis" / "annotations_train.json"
    path.write_text(json.dumps(content))
    return tmp_path, content


def test_parts_follow_from_the_rule_without_the_published_lists(ovis):
    root, _ = ovis
    dev = load_records(find_entry("ovis_dev"), root)
    # The cap is 2 * (2 * 20 // 25) = 2 for OVIS.
    assert [record.official_id for record in dev] == [1, 2, 3]
    rest = load_records(find_entry("ovis_train_sub"), root)
    assert [record.official_id for record in rest] == list(range(4, 201))


def test_published_lists_come_first(ovis):
    root, content = ovis
    content["videos"], content["annotations"] = content["videos"][7:8], []
    (root / "ovis" / "valid_sub.json").write_text(json.dumps(content))
    (only,) = load_records(find_entry("ovis_dev"), root)
    assert only.official_id == 8
