"""The table of public datasets: names, places, class lists, protocols.

Places follow the official downloads first, then the spellings of the projects that this one
re-implements. Counts are those of the official downloads.
"""

from __future__ import annotations

import json
from pathlib import Path

from univs.data.catalog.classes import class_table
from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.catalog.image_entries import image_entries
from univs.data.catalog.video_entries import video_entries

_YOUTUBE_VIS = "https://youtube-vos.org/dataset/vis/"
_YOUTUBE_VOS = "https://youtube-vos.org/dataset/vos/"
_OVIS = "https://songbai.site/ovis/"
_COCO = "https://cocodataset.org/#download"
_ADE20K = "http://sceneparsing.csail.mit.edu/"
_CITYSCAPES = "https://www.cityscapes-dataset.com/"
_VIPSEG = "https://github.com/VIPSeg-Dataset/VIPSeg-Dataset"
_VSPW = "https://www.vspwdataset.com/"
_DAVIS = "https://davischallenge.org/davis2017/code.html"
_MOSE = "https://henghuiding.github.io/MOSE/"
_BURST = "https://github.com/Ali2500/BURST-benchmark"
_REF_DAVIS = "https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research"

#: Per video domain: its 0-based category by COCO's category id.
COCO_TO_VIDEO: dict[str, dict[int, int]] = {
    domain: {int(coco): category for coco, category in table.items()}
    for domain, table in json.loads(
        Path(__file__).with_name("coco_to_video.json").read_text()
    ).items()
}


# --------------------------------------------------------------------------------------------------
# Video instance segmentation


def _youtube_vis(
    name: str,
    domain: str,
    *places: tuple[str, str],
    aliases: tuple[str, ...] = (),
    page: str = _YOUTUBE_VIS,
    remedy: str = "",
    count: int | None = None,
) -> DatasetEntry:
    """``places`` are pairs of image folder and json."""
    return DatasetEntry(
        name=name,
        layout="ytvis",
        locations=tuple(Location(*place) for place in places),
        evaluator_type="ytvis",
        classes=class_table(domain),
        domain=domain,
        aliases=aliases,
        page=page,
        remedy=remedy,
        count=count,
    )


def _youtube_vis_entries() -> list[DatasetEntry]:
    entries = []
    counts = {2019: (2238, 302, 343), 2021: (2985, 421, 453)}
    for year, domain in ((2019, "ytvis19"), (2021, "ytvis21")):
        for split, folder, count in zip(
            ("train", "val", "test"), ("train", "valid", "test"), counts[year], strict=True
        ):
            root = f"ytvis_{year}"
            images = f"{root}/{folder}/JPEGImages"
            places = [
                (images, f"{root}/{folder}.json"),
                (images, f"{root}/{folder}/instances.json"),
            ]
            if (year, split) == (2021, "val"):
                places.append((images, f"{root}/valid21.json"))
            if (year, split) == (2019, "train"):  # its frames are among those of 2021
                places.append(("ytvis_2021/train/JPEGImages", f"{root}/train.json"))
            entries.append(
                _youtube_vis(
                    f"{domain}_{split}",
                    domain,
                    *places,
                    aliases=(f"ytvis_{year}_{split}",),
                    count=count,
                )
            )
    entries.append(
        _youtube_vis(
            "ytvis22_val_long",
            "ytvis21",
            ("ytvis_2022/valid/JPEGImages", "ytvis_2022/valid.json"),
            ("ytvis_2022/valid/JPEGImages", "ytvis_2022/valid/instances.json"),
            ("ytvis_2021/valid22/JPEGImages", "ytvis_2021/valid22.json"),
            aliases=("ytvis_2022_val",),
        )
    )
    for split, folder, count in (
        ("train", "train", 607),
        ("val", "valid", 140),
        ("test", "test", 154),
    ):
        files = (
            f"ovis/annotations/annotations_{folder}.json",
            f"ovis/annotations/{folder}.json",
            f"ovis/{folder}.json",
            f"ovis/annotations_{folder}.json",
        )
        images = (f"ovis/{folder}/JPEGImages", f"ovis/{folder}")
        places = [(image, file) for image in images for file in files]
        aliases = ("ovis_train_full",) if split == "train" else ()
        entries.append(
            _youtube_vis(f"ovis_{split}", "ovis", *places, aliases=aliases, page=_OVIS, count=count)
        )
    return entries + _held_out_entries()


def _held_out_entries() -> list[DatasetEntry]:
    """The parts that UniVS divides the training sets of YouTube-VIS 2021 and OVIS into."""
    entries = []
    for domain, root in (("ytvis21", "ytvis_2021"), ("ovis", "ovis")):
        for part, file in (("train_sub", "train_sub"), ("dev", "valid_sub")):
            images = [f"{root}/train/JPEGImages"] + ["ovis/train"] * (domain == "ovis")
            whole = [f"{root}/train.json"]
            if domain == "ytvis21":
                whole.append(f"{root}/train/instances.json")
            else:
                whole += [
                    f"{root}/annotations/{name}.json" for name in ("annotations_train", "train")
                ]
                whole.append(f"{root}/annotations_train.json")
            # The authors' file if it is there, else the rule that made it.
            locations = [Location(image, f"{root}/{file}.json") for image in images]
            locations += [Location(i, w, part=part) for i in images for w in whole]
            entries.append(
                DatasetEntry(
                    name=f"{domain}_{part}",
                    layout="ytvis",
                    locations=tuple(locations),
                    evaluator_type="ytvis",
                    classes=class_table(domain),
                    domain=domain,
                    aliases=(f"{root}_{part}",) if domain == "ytvis21" else (),
                    page=_YOUTUBE_VIS if domain == "ytvis21" else _OVIS,
                )
            )
    return entries


# --------------------------------------------------------------------------------------------------
# Still images


def _image_entries() -> list[DatasetEntry]:
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
                classes=class_table("coco"),
                domain="coco",
                aliases=(f"coco_2017_{split}",),
                page=_COCO,
                count=count,
            ),
            DatasetEntry(
                name=f"coco_panoptic_{split}",
                layout="coco_panoptic",
                locations=(panoptic,),
                evaluator_type="coco_panoptic_seg",
                classes=class_table("coco_panoptic"),
                domain="coco_panoptic",
                aliases=(
                    f"coco_2017_{split}_panoptic",
                    f"coco_2017_{split}_panoptic_with_sem_seg",
                ),
                page=_COCO,
                count=count,
            ),
        ]
        entries += [
            DatasetEntry(
                name=f"coco_as_{domain}_{split}",
                layout="coco_instance",
                locations=(instances,),
                evaluator_type="ytvis",
                classes=class_table(domain),
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
    for split, folder, count in (("train", "training", 20210), ("val", "validation", 2000)):
        root = "ADEChallengeData2016"
        entries.append(
            DatasetEntry(
                name=f"ade20k_semantic_{split}",
                layout="ade20k",
                locations=(
                    Location(f"{root}/images/{folder}", masks=f"{root}/annotations/{folder}"),
                ),
                evaluator_type="sem_seg",
                classes=class_table("ade20k"),
                domain="ade20k",
                aliases=(f"ade20k_sem_seg_{split}",),
                page=_ADE20K,
                count=count,
            )
        )
    for split, count in (("train", 2975), ("val", 500)):
        entries.append(
            DatasetEntry(
                name=f"cityscapes_semantic_{split}",
                layout="cityscapes",
                locations=(
                    Location(f"cityscapes/leftImg8bit/{split}", masks=f"cityscapes/gtFine/{split}"),
                ),
                evaluator_type="sem_seg",
                classes=class_table("cityscapes"),
                domain="cityscapes",
                aliases=(f"cityscapes_fine_sem_seg_{split}",),
                page=_CITYSCAPES,
                count=count,
            )
        )
    return entries


# --------------------------------------------------------------------------------------------------
# Every pixel of a video


def _dense_entries() -> list[DatasetEntry]:
    entries = []
    for split, count in (("train", 2806), ("val", 343), ("test", 387)):
        # Published results are at 720 rows, which the official script makes; training is not.
        folders = ("VIPSeg", "vipseg")
        if split != "train":
            folders = ("VIPSeg/VIPSeg_720P", "vipseg/VIPSeg_720P", *folders)
        locations = []
        for folder in folders:
            top = folder.split("/")[0]
            for images in ("imgs", "images")[: 2 if "/" in folder else 1]:
                locations.append(
                    Location(
                        f"{folder}/{images}",
                        masks=f"{folder}/panomasks",
                        videos=f"{top}/{split}.txt",
                    )
                )
        entries.append(
            DatasetEntry(
                name=f"vipseg_{split}",
                layout="vipseg",
                locations=tuple(locations),
                evaluator_type="video_panoptic_seg",
                classes=class_table("vipseg"),
                domain="vipseg",
                aliases=(f"vipseg_panoptic_{split}",),
                page=_VIPSEG,
                count=count,
            )
        )
    for split, count in (("train", 2806), ("val", 343), ("test", 387)):
        entries.append(
            DatasetEntry(
                name=f"vspw_{split}",
                layout="vspw",
                locations=(Location("VSPW_480p/data", videos=f"VSPW_480p/{split}.txt"),),
                evaluator_type="video_semantic_seg",
                classes=class_table("vspw"),
                domain="vspw",
                aliases=(f"vspw_vss_video_{split}",),
                page=_VSPW,
                count=count,
            )
        )
    return entries


# --------------------------------------------------------------------------------------------------
# Targets given by masks, points or expressions


def _prompted_entries() -> list[DatasetEntry]:
    return [*_davis_entries(), *_youtube_vos_entries(), *_mose_and_burst_entries()]


def _davis_entries() -> list[DatasetEntry]:
    entries = []
    for year, layout in ((16, "davis_binary"), (17, "davis")):
        for split, count in (
            ("train", 30 if year == 16 else 60),
            ("val", 20 if year == 16 else 30),
        ):
            entries.append(
                DatasetEntry(
                    name=f"davis{year}_{split}",
                    layout=layout,
                    locations=tuple(
                        Location(
                            f"DAVIS/JPEGImages/{resolution}",
                            masks=f"DAVIS/Annotations/{resolution}",
                            videos=f"DAVIS/ImageSets/20{year}/{split}.txt",
                        )
                        for resolution in ("Full-Resolution", "480p")
                    ),
                    evaluator_type="davis",
                    aliases=(f"sot_davis{year}_{split}",),
                    page=_DAVIS,
                    count=count,
                )
            )
    texts = (
        "Davis17_annot1.txt",
        "Davis17_annot1_full_video.txt",
        "Davis17_annot2.txt",
        "Davis17_annot2_full_video.txt",
    )
    for number, text in enumerate(texts):
        entries.append(
            DatasetEntry(
                name=f"refdavis_val_{number}",
                layout="refdavis",
                locations=tuple(
                    Location(
                        f"{root}/JPEGImages/480p",
                        f"{folder}/davis_text_annotations/{text}",
                        masks=f"{root}/Annotations_unsupervised/480p",
                        videos=f"{root}/ImageSets/2017/val.txt",
                    )
                    for root, folder in (
                        ("DAVIS", "ref_davis"),
                        ("ref_davis/DAVIS", "ref_davis"),
                        ("ref-davis/DAVIS", "ref-davis"),
                    )
                ),
                evaluator_type="davis",
                aliases=(f"rvos-refdavis-val-{number}",),
                page=_REF_DAVIS,
                count=30,
            )
        )
    return entries


def _youtube_vos_entries() -> list[DatasetEntry]:
    entries = []
    for year, counts in ((18, (3471, 474)), (19, (3471, 507))):
        for (split, folder), count in zip(
            (("train", "train"), ("val", "valid")), counts, strict=True
        ):
            roots = [f"youtube_vos/20{year}/{folder}"]
            roots += [f"ytbvos/{folder}"] if year == 18 or split == "train" else ["ytbvos/valid19"]
            entries.append(
                DatasetEntry(
                    name=f"youtubevos{year}_{split}",
                    layout="youtube_vos",
                    locations=tuple(
                        Location(f"{r}/JPEGImages", f"{r}/meta.json", masks=f"{r}/Annotations")
                        for r in roots
                    ),
                    evaluator_type="vos",
                    aliases=(f"sot_ytbvos{year}_{split}",),
                    page=_YOUTUBE_VOS,
                    count=count,
                )
            )
    for split, folder, video_folder, count in (
        ("train", "train", "train", 3471),
        ("val", "valid", "valid19", 202),
    ):
        places = (
            (f"youtube_vos/2019/{folder}", "ref_youtube_vos"),
            (f"ytbvos/{video_folder}", "ytbvos"),
        )
        entries.append(
            DatasetEntry(
                name=f"refytvos_{split}",
                layout="refytvos",
                locations=tuple(
                    Location(
                        f"{root}/JPEGImages",
                        f"{texts}/meta_expressions/{folder}/meta_expressions.json",
                        masks=f"{root}/Annotations",
                    )
                    for root, texts in places
                ),
                evaluator_type="vos",
                aliases=(f"rvos-refytb-{split}",),
                page="https://youtube-vos.org/dataset/rvos/",
                count=count,
            )
        )
    return entries


def _mose_and_burst_entries() -> list[DatasetEntry]:
    entries = []
    for split, folder, count in (
        ("train", "train", 1507),
        ("val", "valid", 311),
        ("test", "test", 331),
    ):
        entries.append(
            DatasetEntry(
                name=f"mose_{split}",
                layout="mose",
                locations=(
                    Location(f"mose/{folder}/JPEGImages", masks=f"mose/{folder}/Annotations"),
                ),
                evaluator_type="vos",
                aliases=(f"mots_mose_{split}",),
                page=_MOSE,
                count=count,
            )
        )
    kinds = [("train", "train", "vos", "all_classes", "mots_burst_train")]
    for split in ("val", "test"):
        file = "first_frame_annotations"
        kinds.append((split, f"{split}_mask", "vos", file, f"mots_burst_{split}_vos"))
        kinds.append((split, f"{split}_point", "burst_point", file, ""))
    counts = {"train": 500, "val": 993, "test": 1421}
    for split, name, evaluator, file, alias in kinds:
        entries.append(
            DatasetEntry(
                name=f"burst_{name}",
                layout="burst",
                locations=(
                    Location(f"burst/frames/{split}", f"burst/annotations/{split}/{file}.json"),
                ),
                evaluator_type=evaluator,
                aliases=(alias,) if alias else (),
                page=_BURST,
                count=counts[split],
            )
        )
    return entries


ENTRIES: tuple[DatasetEntry, ...] = (
    *_youtube_vis_entries(),
    *_image_entries(),
    *_dense_entries(),
    *_prompted_entries(),
    *image_entries(),
    *video_entries(),
)
