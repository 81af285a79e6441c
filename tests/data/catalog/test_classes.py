from __future__ import annotations

import pytest

from univs.data.catalog import ClassTable, class_table, domains
from univs.data.catalog.image_entries import COCO_TO_VIDEO


@pytest.mark.parametrize(
    ("domain", "count", "things", "first", "last"),
    [
        ("ytvis19", 40, 40, "person", "tennis_racket"),
        ("ytvis21", 40, 40, "airplane", "zebra"),
        ("ovis", 25, 25, "Person", "Vehical"),
        ("coco", 80, 80, "person", "toothbrush"),
        ("coco_panoptic", 133, 80, "person", "rug-merged"),
        ("ade20k", 150, 100, "wall", "flag"),
        ("vipseg", 124, 58, "wall", "train"),
        ("vspw", 124, 0, "wall", "train"),
        ("cityscapes", 19, 8, "road", "bicycle"),
        ("kitti_step", 19, 2, "road", "bicycle"),
    ],
)
def test_class_lists(domain, count, things, first, last):
    table = class_table(domain)
    assert len(table) == count
    assert len(table.things) == things
    assert len(table.stuff) == count - things
    assert (table.names[0], table.names[-1]) == (first, last)
    assert len(set(table.names)) >= count - 1  # ADE20K has two screens


def test_coco_ids_have_gaps():
    assert class_table("coco").ids[-1] == 90
    assert class_table("coco_panoptic").ids[-5:] == (196, 197, 198, 199, 200)
    assert class_table("coco_panoptic").ids[:80] == class_table("coco").ids
    assert class_table("kitti_step").things == [11, 13]


@pytest.mark.parametrize("domain", ["ytvis19", "ytvis21", "ovis"])
def test_coco_classes_map_to_classes_of_the_same_meaning(domain):
    coco, target = class_table("coco"), class_table(domain)
    named = dict(zip(coco.ids, coco.names, strict=True))
    same = 0
    for coco_id, category in COCO_TO_VIDEO[domain].items():
        same += named[coco_id].replace(" ", "_") == target.names[category].lower()
    # The others are broader or narrower: car -> sedan, skis -> snowboard, bus -> Vehical ...
    assert same >= len(COCO_TO_VIDEO[domain]) - 8
    assert target.names[COCO_TO_VIDEO[domain][1]].lower() == "person"


def test_unknown_domains_are_named():
    with pytest.raises(ValueError, match="no class list 'toys'; known are .*ytvis19"):
        class_table("toys")
    assert "ovis" in domains()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"names": ("a",), "ids": (1, 2), "is_thing": (True,)}, "one name, one id"),
        ({"names": ("a", "b"), "ids": (2, 1), "is_thing": (True, True)}, "ascending"),
        ({"names": ("a",), "ids": (1,), "is_thing": (True,), "colors": ((0, 0, 0),) * 2}, "colour"),
    ],
)
def test_inconsistent_tables_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ClassTable(**fields)
