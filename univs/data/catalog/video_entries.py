"""Further video datasets, and the parts of datasets that projects develop on."""

from __future__ import annotations

from univs.data.catalog.classes import class_table
from univs.data.catalog.entry import DatasetEntry, Location

_KITTI_STEP = "https://www.cvlibs.net/datasets/kitti/eval_step.php"
_CITYSCAPES_VPS = "https://github.com/mcahny/vps"
_VIPOSEG = "https://github.com/yoxu515/VIPOSeg-Benchmark"
_MEVIS = "https://henghuiding.github.io/MeViS/"
_UNPUBLISHED = "The list of these videos comes with UniVS only; put it there."


def video_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        *_street_entries(),
        *_viposeg_entries(),
        *_mevis_entries(),
        *_development_entries(),
        *_raw_entries(),
    ]


def _street_entries() -> list[DatasetEntry]:
    entries = []
    for split, folder, count in (
        ("train", "training", 12),
        ("val", "training", 9),
        ("test", "testing", 29),
    ):
        masks = None if split == "test" else f"kitti_step/panoptic_maps/{split}"
        images = [
            f"kitti_step/image_02/{folder}",
            f"kitti_step/{folder}/image_02",
        ]
        if split != "test":
            images.append(f"kitti_step/{split}")
        entries.append(
            DatasetEntry(
                name=f"kitti_step_{split}",
                layout="kitti_step",
                locations=tuple(Location(place, masks=masks) for place in images),
                evaluator_type="video_panoptic_seg",
                classes=class_table("kitti_step"),
                domain="kitti_step",
                page=_KITTI_STEP,
                count=count,
            )
        )
    root = "cityscapes_vps"
    places = {
        "train": Location(
            f"{root}/train/img",
            f"{root}/panoptic_im_train_city_vps.json",
            masks=f"{root}/train/panoptic_video",
        ),
        "val": Location(
            f"{root}/val/img_all",
            f"{root}/panoptic_gt_val_city_vps.json",
            masks=f"{root}/val/panoptic_video",
            videos=f"{root}/im_all_info_val_city_vps.json",
        ),
        "test": Location(f"{root}/test/img_all", f"{root}/im_all_info_test_city_vps.json"),
    }
    for split, place in places.items():
        entries.append(
            DatasetEntry(
                name=f"cityscapes_vps_{split}",
                layout="cityscapes_vps",
                locations=(place,),
                evaluator_type="video_panoptic_seg",
                classes=class_table("cityscapes"),
                domain="cityscapes",
                page=_CITYSCAPES_VPS,
                count=400 if split == "train" else 50,
            )
        )
    return entries


def _viposeg_entries() -> list[DatasetEntry]:
    train = Location(
        "viposeg/train/JPEGImages",
        masks="viposeg/train/Annotations",
        categories="viposeg/train/obj_class.json",
    )
    entries = [_viposeg("train", train, 2806)]
    for split, part in (("val", None), ("dev", "first 10%"), ("dev0.25", "first 25%")):
        place = Location(
            "viposeg/valid/JPEGImages",
            "viposeg/valid/meta.json",
            masks="viposeg/valid/Annotations",
            categories="viposeg/valid/obj_class.json",
            truth="viposeg/valid/Annotations_gt",
            part=part,
        )
        entries.append(_viposeg(split, place, 343 if part is None else None))
    return entries


def _viposeg(split: str, place: Location, count: int | None) -> DatasetEntry:
    return DatasetEntry(
        name=f"viposeg_{split}",
        layout="viposeg",
        locations=(place,),
        evaluator_type="pvos",
        classes=class_table("vipseg"),
        domain="vipseg",
        aliases=(f"pvos_viposeg_{split}",),
        page=_VIPOSEG,
        count=count,
    )


def _mevis_entries() -> list[DatasetEntry]:
    entries = []
    for split, folder, count in (
        ("train", "train", 1662),
        ("val_u", "valid_u", 50),
        ("val", "valid", 140),
    ):
        root = f"mevis/{folder}"
        entries.append(
            DatasetEntry(
                name=f"mevis_{split}",
                layout="mevis",
                locations=(
                    Location(
                        f"{root}/JPEGImages",
                        f"{root}/meta_expressions.json",
                        masks=None if split == "val" else f"{root}/mask_dict.json",
                    ),
                ),
                evaluator_type="vos",
                page=_MEVIS,
                count=count,
            )
        )
    return entries


def _development_entries() -> list[DatasetEntry]:
    """Small parts of validation sets, by the rule of UniVS where it has one."""
    entries = []
    for share, part in (("dev", "first 10%"), ("dev0.01", "first 1%")):
        entries.append(
            DatasetEntry(
                name=f"vipseg_{share}",
                layout="vipseg",
                locations=tuple(
                    Location(
                        f"{folder}/{images}",
                        masks=f"{folder}/panomasks",
                        videos=f"{folder.split('/')[0]}/val.txt",
                        part=part,
                    )
                    for folder, images in (
                        ("VIPSeg/VIPSeg_720P", "imgs"),
                        ("VIPSeg/VIPSeg_720P", "images"),
                        ("vipseg/VIPSeg_720P", "imgs"),
                        ("VIPSeg", "imgs"),
                        ("vipseg", "imgs"),
                    )
                ),
                evaluator_type="video_panoptic_seg",
                classes=class_table("vipseg"),
                domain="vipseg",
                aliases=(f"vipseg_panoptic_{share}",),
                page="https://github.com/VIPSeg-Dataset/VIPSeg-Dataset",
            )
        )
    entries.append(
        DatasetEntry(
            name="vspw_dev",
            layout="vspw",
            locations=(
                Location("VSPW_480p/data", videos="VSPW_480p/dev.txt"),
                Location("VSPW_480p/data", videos="VSPW_480p/val.txt", part="first 51"),
            ),
            evaluator_type="video_semantic_seg",
            classes=class_table("vspw"),
            domain="vspw",
            aliases=("vspw_vss_video_dev",),
            page="https://www.vspwdataset.com/",
        )
    )
    entries.append(
        DatasetEntry(
            name="mose_dev",
            layout="mose",
            locations=(
                Location("mose/valid/JPEGImages", masks="mose/valid/Annotations", part="first 50"),
            ),
            evaluator_type="vos",
            aliases=("mots_mose_dev",),
            page="https://henghuiding.github.io/MOSE/",
        )
    )
    for domain, root in (("ytvis21", "ytvis_2021"), ("ovis", "ovis")):
        images = [f"{root}/train/JPEGImages"] + ["ovis/train"] * (domain == "ovis")
        entries.append(
            DatasetEntry(
                name=f"{domain}_dev0.01",
                layout="ytvis",
                locations=tuple(Location(i, f"{root}/valid_sub_0.01.json") for i in images),
                evaluator_type="ytvis",
                classes=class_table(domain),
                domain=domain,
                aliases=(f"{root}_dev0.01",) if domain == "ytvis21" else (),
                page=(
                    "https://youtube-vos.org/dataset/vis/"
                    if domain == "ytvis21"
                    else "https://songbai.site/ovis/"
                ),
                remedy=_UNPUBLISHED,
            )
        )
    entries.append(
        DatasetEntry(
            name="ytvis19_val_all_frames",
            layout="ytvis",
            locations=(
                Location(
                    "ytvis_2019/valid_all_frames/JPEGImages", "ytvis_2019/valid_all_frames.json"
                ),
            ),
            evaluator_type="ytvis",
            classes=class_table("ytvis19"),
            domain="ytvis19",
            aliases=("ytvis_2019_val_all_frames",),
            page="https://youtube-vos.org/dataset/vis/",
        )
    )
    return entries


def _raw_entries() -> list[DatasetEntry]:
    return [
        DatasetEntry(
            name="custom_videos",
            layout="raw_videos",
            locations=(Location("custom_videos/raw"),),
            remedy="Put video files, or one folder of images per video, into that folder.",
        ),
        DatasetEntry(
            name="custom_videos_text",
            layout="ytvis",
            locations=(Location("custom_videos/raw_text", "custom_videos/raw_text/test.json"),),
            remedy="Put folders of images there, and a json in the form of YouTube-VIS whose "
            "annotations have 'expressions'.",
        ),
    ]
