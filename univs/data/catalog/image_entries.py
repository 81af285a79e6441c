"""Still images that video models are trained on: large vocabularies, panoptic sets, expressions."""

from __future__ import annotations

from univs.data.catalog.entry import DatasetEntry, Location

_LVIS = "https://www.lvisdataset.org/dataset"
_OBJECTS365 = "https://www.objects365.org/"
_ENTITYSEG = "https://github.com/adobe-research/EntitySeg-Dataset"
_MAPILLARY = "https://www.mapillary.com/dataset/vistas"
_REFCOCO = "https://github.com/lichengunc/refer"
_TARVIS = "https://github.com/Ali2500/TarViS"


def image_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        *_large_vocabulary_entries(),
        *_panoptic_entries(),
        *_expression_entries(),
        DatasetEntry(
            name="custom_images",
            layout="raw_images",
            locations=(Location("custom_images/raw"),),
            remedy="Put your images into that folder.",
        ),
    ]


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
            layout="entityseg",
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
    entries += [
        DatasetEntry(
            name=f"entityseg_{kind}_train",
            layout="entityseg",
            locations=(
                Location("entityseg/images", f"entityseg/annotations/{file}_train_cocovid.json"),
            ),
            domain=f"entityseg_{kind}",
            page=_ENTITYSEG,
            remedy=f"Download it from {_ENTITYSEG} and join its json files to one in the form of "
            "YouTube-VIS (a video of one frame per image), as the conversion script of UniVS does.",
        )
        for kind, file in (("instance", "entityseg_insseg"), ("panoptic", "entityseg_panseg"))
    ]
    return entries


def _panoptic_entries() -> list[DatasetEntry]:
    entries = []
    for split, folder in (("train", "training"), ("val", "validation")):
        root = "ADEChallengeData2016"
        entries.append(
            DatasetEntry(
                name=f"ade20k_panoptic_{split}",
                layout="mapillary",
                locations=(
                    Location(
                        f"{root}/images/{folder}",
                        f"{root}/ade20k_panoptic_{split}.json",
                        masks=f"{root}/ade20k_panoptic_{split}",
                    ),
                ),
                evaluator_type="coco_panoptic_seg",
                domain="ade20k",
                page="http://sceneparsing.csail.mit.edu/",
                remedy="Prepare the panoptic masks with Mask2Former's script "
                "datasets/prepare_ade20k_pan_seg.py.",
                count={"train": 20210, "val": 2000}[split],
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
                domain="mapillary",
                page=_MAPILLARY,
                count=count,
            )
        )
    entries.append(
        DatasetEntry(
            name="cityscapes_panoptic_train",
            layout="mapillary",
            locations=(_tarvis_place("cityscapes"),),
            domain="cityscapes_panoptic",
            aliases=("cityscapes_train",),
            page=_TARVIS,
            remedy=f"Download the annotations that TarViS provides ({_TARVIS}).",
        )
    )
    return entries


def _tarvis_place(name: str) -> Location:
    """Where TarViS keeps a panoptic image set."""
    masks = f"dataset_annotations/training/{name}_panoptic"
    return Location(
        f"dataset_images/training/{name}", f"{masks}/segments.json", masks=f"{masks}/pan_maps"
    )


def _expression_entries() -> list[DatasetEntry]:
    entries = []
    for name, folder, splitter, splits in (
        ("refcoco", "refcoco", "unc", ("train", "val", "testA", "testB")),
        ("refcocoplus", "refcoco+", "unc", ("train", "val", "testA", "testB")),
        ("refcocog", "refcocog", "umd", ("train", "val", "test")),
    ):
        for split in splits:
            entries.append(
                DatasetEntry(
                    name=f"{name}_{split}",
                    layout="refcoco",
                    locations=tuple(
                        Location(
                            images,
                            f"refcoco/{folder}/refs({splitter}).{suffix}",
                            categories=f"refcoco/{folder}/instances.json",
                        )
                        for images in ("coco/train2017", "coco/train2014")
                        for suffix in ("p", "json")
                    ),
                    aliases=(f"{name}-{splitter}-{split}",),
                    page=_REFCOCO,
                )
            )
    entries.append(
        DatasetEntry(
            name="refcoco_mixed_train",
            layout="refcoco_mixed",
            locations=(
                Location("coco/train2017", "refcoco/refcoco-mixed/instances_train_video360p.json"),
                Location("coco/train2017", "refcoco"),
            ),
            aliases=("rvos_refcoco-mixed",),
            page=_REFCOCO,
        )
    )
    return entries
