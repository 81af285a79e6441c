from __future__ import annotations

import logging

import numpy as np
import pytest
import yaml
from data.readers.miniatures import SIZE, box_mask, rle, write_frame, write_ids, write_json

import univs  # noqa: F401
from detectron2.data import DatasetCatalog, MetadataCatalog
from univs.data.catalog import all_entries, find_entry, load_records, register_datasets
from univs.data.custom import CustomDatasetError, read_custom, registered_entries, write_custom

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def _write(path, **content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def form(tmp_path):
    """Writes data of one's own in some form; gives the description."""
    folder = tmp_path / "mine"

    def write(kind: str):
        described = {"name": "mine", "format": kind, "images": "frames"}
        write_frame(folder / "frames" / "v" / "0.png")
        size = {"height": SIZE[0], "width": SIZE[1]}
        mask = box_mask(0, 0, 3, 3)
        if kind == "youtube_vis":
            content = {
                "videos": [{"id": 1, "file_names": ["v/0.png"], **size}],
                "annotations": [
                    {"id": 1, "video_id": 1, "category_id": 7, "segmentations": [rle(mask)]}
                ],
                "categories": CATEGORIES,
            }
        else:
            image = {"id": 1, "file_name": "v/0.png", **size}
            annotation = {"id": 1, "image_id": 1, "category_id": 7, "segmentation": rle(mask)}
            content = {"images": [image], "annotations": [annotation], "categories": CATEGORIES}
        if kind == "panoptic":
            segments = [{"id": 9, "category_id": 7}]
            content["annotations"] = [
                {"image_id": 1, "file_name": "0.png", "segments_info": segments}
            ]
            content["categories"] = [{**c, "isthing": int(c["id"] == 7)} for c in CATEGORIES]
            pixels = np.zeros((*SIZE, 3), int)
            pixels[mask] = (9, 0, 0)
            write_ids(folder / "masks" / "0.png", pixels)
        if kind == "davis":
            write_ids(folder / "masks" / "v" / "0.png", 4 * mask)
        if kind in ("youtube_vis", "coco", "panoptic"):
            write_json(folder / "mine.json", content)
            described["annotations"] = "mine.json"
        if kind in ("davis", "panoptic"):
            described["masks"] = "masks"
        return _write(folder / "mine.yaml", **described)

    return write


@pytest.mark.parametrize("kind", ["youtube_vis", "coco", "panoptic", "davis"])
def test_every_form_is_read(form, tmp_path, kind):
    entry = read_custom(form(kind))
    (record,) = load_records(entry, tmp_path)
    (item,) = record.objects
    np.testing.assert_array_equal(item.masks.decode(0), box_mask(0, 0, 3, 3))
    if kind == "davis":
        assert entry.classes is None
        return
    assert entry.classes.names == ("cat", "dog")  # in the order of their ids
    assert entry.classes.ids == (3, 7)
    assert item.category == 1
    if kind == "panoptic":
        assert entry.classes.things == [1]


def test_unannotated_videos_and_images(form, tmp_path):
    (record,) = load_records(read_custom(form("videos")), tmp_path)
    assert (record.video_id, record.objects) == ("v", ())
    path = _write(tmp_path / "mine" / "i.yaml", name="i", format="images", images="frames/v")
    (record,) = load_records(read_custom(path), tmp_path)
    assert record.video_id == "0"


def test_registered_datasets_are_remembered(form, tmp_path):
    root = tmp_path / "root"
    target = write_custom(form("youtube_vis"), root)
    assert target == root / "registered" / "mine.yaml"
    (tmp_path / "mine" / "mine.yaml").unlink()
    assert find_entry("mine", root).classes.names == ("cat", "dog")
    assert "mine" in all_entries(root)
    earlier = set(DatasetCatalog.list())
    image_roots = {n: MetadataCatalog.get(n).image_root for n in earlier if n == "toy_ytvis_train"}
    try:
        register_datasets(root)
        (entry,) = DatasetCatalog.get("mine")
        assert entry["dataset_name"] == "mine"
        assert MetadataCatalog.get("mine").thing_classes == ["cat", "dog"]
    finally:
        DatasetCatalog.remove("mine")
        MetadataCatalog.remove("mine")
        for image_root in image_roots.values():
            register_datasets(image_root.split("/toy/")[0])


def test_classes_are_kept_so_that_the_annotations_are_not_opened(form, tmp_path):
    write_custom(form("coco"), tmp_path)
    (tmp_path / "mine" / "mine.json").unlink()
    (entry,) = registered_entries(tmp_path)
    assert entry.classes.ids == (3, 7)


def test_a_damaged_registration_is_left_out(form, tmp_path, caplog):
    write_custom(form("davis"), tmp_path)
    (tmp_path / "registered" / "bad.yaml").write_text("name: [")
    with caplog.at_level(logging.WARNING):
        assert [entry.name for entry in registered_entries(tmp_path)] == ["mine"]
    assert "bad.yaml is left out" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "a", "format": "voc", "images": "x"}, "'format' is 'voc'; it must be one of"),
        ({"format": "davis", "images": "x", "masks": "y"}, "needs the key 'name'"),
        ({"name": "a", "format": "davis", "images": "x"}, "format 'davis' needs the key 'masks'"),
        ({"name": "a/b", "format": "videos", "images": "x"}, "the name 'a/b' may have letters"),
        ({"name": "a", "format": "videos", "image": "x"}, "unknown key 'image'; known are"),
        (
            {"name": "a", "format": "coco", "images": "x", "annotations": "y.json"},
            "y.json do not exist; mend the path",
        ),
    ],
)
def test_wrong_descriptions_are_named(tmp_path, content, message):
    path = _write(tmp_path / "wrong.yaml", **content)
    with pytest.raises(CustomDatasetError, match=message) as error:
        read_custom(path)
    assert "wrong.yaml" in str(error.value)


@pytest.mark.parametrize(("text", "message"), [("- 1", "must hold keys"), ("a: [", "is not YAML")])
def test_files_that_are_no_descriptions(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(CustomDatasetError, match=message):
        read_custom(path)
    with pytest.raises(CustomDatasetError, match="does not exist"):
        read_custom(tmp_path / "nowhere.yaml")
