"""Still images that image models, and video models beside videos, are trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from univs.data.catalog.classes import class_table
from univs.data.catalog.entry import DatasetEntry, Location

_COCO = "https://cocodataset.org/#download"
_LVIS = "https://www.lvisdataset.org/dataset"
_OBJECTS365 = "https://www.objects365.org/"
_ENTITYSEG = "https://github.com/adobe-research/EntitySeg-Dataset"
_SEGMENT_ANYTHING = "https://ai.meta.com/datasets/segment-anything/"
_ADE20K = "http://sceneparsing.csail.mit.edu/"
_CITYSCAPES = "https://www.cityscapes-dataset.com/"
_MAPILLARY = "https://www.mapillary.com/dataset/vistas"
_TARVIS = "https://github.com/Ali2500/TarViS"

#: Per video domain: its 0-based category by COCO's category id.
COCO_TO_VIDEO: dict[str, dict[int, int]] = {
    domain: {int(coco): category for coco, category in table.items()}
    for domain, table in json.loads(
        Path(__file__).with_name("coco_to_video.json").read_text()
    ).items()
}


def image_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        *_coco_entries(),
        *_ade20k_entries(),
        *_street_entries(),
        *_large_vocabulary_entries(),
        *_entity_entries(),
        DatasetEntry(
            name="custom_images",
            layout="raw_images",
            locations=(Location("custom_images/raw"),),
            remedy="Put your images into that folder.",
        ),
    ]


def _tarvis_place(name: str) -> Location:
    """Where TarViS keeps a panoptic image set."""
    masks = f"dataset_annotations/training/{name}_panoptic"
    return Location(
        f"dataset_images/training/{name}", f"{masks}/segments.json", masks=f"{masks}/pan_maps"
    )


def _coco_entries() -> list[DatasetEntry]:
    entries = []
    for split, count in (("train", 118287), ("val", 5000)):
        images = f"coco/{split}2017"
        instances = Location(images, f"coco/annotations/instances_{split}2017.json")
        panoptic = Location(
            images,
            f"coco/annotations/panoptic_{split}2017.json",
            masks=f"coco/panoptic_{split}2017",
        )
        entries += [
            DatasetEntry(
                name=f"coco_instance_{split}",
                layout="coco_instance",
                locations=(instances,),
                evaluator_type="coco",
                domain="coco",
                aliases=(f"coco_2017_{split}",),
                page=_COCO,
                count=count,
            ),
            DatasetEntry(
                name=f"coco_panoptic_{split}",
                layout="coco_panoptic",
                locations=(panoptic, _tarvis_place("coco")) if split == "train" else (panoptic,),
                evaluator_type="coco_panoptic_seg",
                domain="coco_panoptic",
                aliases=(
                    f"coco_2017_{split}_panoptic",
                    f"coco_2017_{split}_panoptic_with_sem_seg",
                ),
                page=_COCO,
                count=count,
            ),
        ]
        # Only trained on: results in the classes of a video set are not those of COCO's truth.
        entries += [
            DatasetEntry(
                name=f"coco_as_{domain}_{split}",
                layout="coco_instance",
                locations=(instances,),
                domain=domain,
                aliases=(f"coco2{alias}_{split}",),
                page=_COCO,
                category_map=COCO_TO_VIDEO[domain],
            )
            for domain, alias in (
                ("ytvis19", "ytvis2019"),
                ("ytvis21", "ytvis2021"),
                ("ovis", "ovis"),
            )
        ]
    return entries


def _ade20k_entries() -> list[DatasetEntry]:
    entries = []
    root = "ADEChallengeData2016"
    from_zero = replace(class_table("ade20k"), ids=tuple(range(150)))
    for split, folder, count in (("train", "training", 20210), ("val", "validation", 2000)):
        images = f"{root}/images/{folder}"
        panoptic = Location(
            images,
            f"{root}/ade20k_panoptic_{split}.json",
            masks=f"{root}/ade20k_panoptic_{split}",
        )
        entries += [
            DatasetEntry(
                name=f"ade20k_semantic_{split}",
                layout="ade20k",
                locations=(Location(images, masks=f"{root}/annotations/{folder}"),),
                evaluator_type="sem_seg",
                domain="ade20k",
                aliases=(f"ade20k_sem_seg_{split}",),
                page=_ADE20K,
                count=count,
            ),
            DatasetEntry(
                name=f"ade20k_panoptic_{split}",
                layout="coco_panoptic",
                locations=(panoptic, _tarvis_place("ade20k")) if split == "train" else (panoptic,),
                evaluator_type="coco_panoptic_seg",
                classes=from_zero,
                domain="ade20k",
                page=_ADE20K,
                remedy="Prepare the panoptic masks with Mask2Former's script "
                "datasets/prepare_ade20k_pan_seg.py.",
                count=count,
            ),
        ]
    return entries


def _street_entries() -> list[DatasetEntry]:
    entries = [
        DatasetEntry(
            name=f"cityscapes_semantic_{split}",
            layout="cityscapes",
            locations=(
                Location(f"cityscapes/leftImg8bit/{split}", masks=f"cityscapes/gtFine/{split}"),
            ),
            evaluator_type="sem_seg",
            domain="cityscapes",
            aliases=(f"cityscapes_fine_sem_seg_{split}",),
            page=_CITYSCAPES,
            count=count,
        )
        for split, count in (("train", 2975), ("val", 500))
    ]
    entries.append(
        DatasetEntry(
            name="cityscapes_panoptic_train",
            layout="coco_panoptic",
            locations=(_tarvis_place("cityscapes"),),
            domain="cityscapes_panoptic",
            aliases=("cityscapes_train",),
            page=_TARVIS,
            remedy=f"Download the annotations that TarViS provides ({_TARVIS}).",
        )
    )
    for split, folder, count in (("train", "training", 18000), ("val", "validation", 2000)):
        root = f"mapillary/{folder}"
        places = [
            Location(
                f"{root}/images", f"{root}/panoptic/panoptic_2018.json", masks=f"{root}/panoptic"
            )
        ]
        if split == "train":
            places.append(_tarvis_place("mapillary"))
        entries.append(
            DatasetEntry(
                name=f"mapillary_{split}",
                layout="mapillary",
                locations=tuple(places),
                evaluator_type="coco_panoptic_seg",
                domain="mapillary",
                page=_MAPILLARY,
                count=count,
            )
        )
    return entries


def _large_vocabulary_entries() -> list[DatasetEntry]:
    """Their class lists are read from their files."""
    entries = [
        DatasetEntry(
            name=f"lvis_v1_{split}",
            layout="lvis",
            locations=(
                Location("coco", f"lvis/lvis_v1_{split}.json"),
                Location("coco", f"coco/annotations/lvis_v1_{split}.json"),
            ),
            evaluator_type="lvis",
            domain="lvis",
            aliases=("lvis_v1_train_video",) if split == "train" else (),
            page=_LVIS,
            count=count,
        )
        for split, count in (("train", 100170), ("val", 19809))
    ]
    entries.append(
        DatasetEntry(
            name="lvis_v1_train512p",
            layout="univs_images",
            locations=(Location("coco", "lvis/lvis_v1_train_video_512p.json"),),
            domain="lvis",
            page=_LVIS,
            remedy="This selection of LVIS was never published; train on lvis_v1_train instead.",
        )
    )
    entries += [
        DatasetEntry(
            name=f"objects365_{split}",
            layout="objects365",
            locations=(
                Location(f"objects365/{split}", f"objects365/zhiyuan_objv2_{split}.json"),
                Location(
                    f"objects365/{split}", f"objects365/annotations/zhiyuan_objv2_{split}.json"
                ),
            ),
            domain="objects365",
            page=_OBJECTS365,
        )
        for split in ("train", "val")
    ]
    return entries


def _entity_entries() -> list[DatasetEntry]:
    """EntitySeg as downloaded or as UniVS converts it, and SA-1B."""
    entries = []
    for kind, file in (("instance", "insseg"), ("panoptic", "panseg")):
        for split in ("train", "val"):
            places = []
            for folder in ("entityseg/annotations", "entityseg"):
                places.append(
                    Location("entityseg/images", f"{folder}/entityseg_{file}_{split}.json")
                )
                if kind == "panoptic":
                    places.append(
                        Location("entityseg/images", f"{folder}/entityseg_{split}_01.json")
                    )
            if split == "train":
                converted = f"entityseg/annotations/entityseg_{file}_train_cocovid.json"
                places.insert(0, Location("entityseg/images", converted, layout="univs_images"))
            entries.append(
                DatasetEntry(
                    name=f"entityseg_{kind}_{split}",
                    layout="entityseg",
                    locations=tuple(places),
                    domain=f"entityseg_{kind}",
                    page=_ENTITYSEG,
                )
            )
    entries += [
        DatasetEntry(
            name=f"sa1b_250k_{part}",
            layout="sa_1b",
            locations=(
                Location(
                    "sa_1b/images",
                    f"sa_1b/annotations_250k/annotations_250k_{part}.json",
                    masks="sa_1b/annotations",
                ),
            ),
            aliases=(f"sa_1b_train_250k_{part}",),
            page=_SEGMENT_ANYTHING,
            remedy=f"Download it from {_SEGMENT_ANYTHING}; the list is UniVS's and holds, under "
            "annotation_names, the names of json files. sa1b_train takes all that is there.",
        )
        for part in (1, 2)
    ]
    entries.append(
        DatasetEntry(
            name="sa1b_train",
            layout="sa_1b",
            locations=(
                Location("sa_1b/images", masks="sa_1b/annotations"),
                Location("sa_1b", masks="sa_1b"),
            ),
            page=_SEGMENT_ANYTHING,
        )
    )
    return entries
