"""Videos in which every pixel has a class: VIPSeg, VSPW, KITTI-STEP, Cityscapes-VPS, VIPOSeg."""

from __future__ import annotations

from univs.data.catalog.entry import DatasetEntry, Location

_VIPSEG = "https://github.com/VIPSeg-Dataset/VIPSeg-Dataset"
_VSPW = "https://www.vspwdataset.com/"
_KITTI_STEP = "https://www.cvlibs.net/datasets/kitti/eval_step.php"
_CITYSCAPES_VPS = "https://github.com/mcahny/vps"
_VIPOSEG = "https://github.com/yoxu515/VIPOSeg-Benchmark"

#: Where TarViS keeps images and annotations of training and of inference.
_TRAINING = ("dataset_images/training", "dataset_annotations/training")
_INFERENCE = ("dataset_images/inference", "dataset_annotations/inference")


def dense_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        *_vipseg_entries(),
        *_vspw_entries(),
        *_kitti_step_entries(),
        *_cityscapes_vps_entries(),
        *_viposeg_entries(),
    ]


def _vipseg_entries() -> list[DatasetEntry]:
    entries = []
    for split, count in (("train", 2806), ("val", 343), ("test", 387)):
        # Published results are at 720 rows, which the official script makes; training is not.
        locations = _vipseg_places(split, with_720_rows=split != "train")
        if split == "train":
            images, annotations = (f"{root}/vipseg" for root in _TRAINING)
            locations.append(
                Location(
                    images,
                    masks=f"{annotations}/panoptic_masks",
                    videos=f"{annotations}/video_info.json",
                )
            )
        else:
            images, annotations = (f"{root}/vipseg" for root in _INFERENCE)
            locations.append(Location(images, videos=f"{annotations}/{split}.json"))
        entries.append(_vipseg(split, locations, count))
    for name, part in (("dev", "first 10%"), ("dev0.01", "first 1%")):
        entries.append(_vipseg(name, _vipseg_places("val", with_720_rows=True, part=part)))
    return entries


def _vipseg(split: str, locations: list[Location], count: int | None = None) -> DatasetEntry:
    return DatasetEntry(
        name=f"vipseg_{split}",
        layout="vipseg",
        locations=tuple(locations),
        evaluator_type="video_panoptic_seg",
        domain="vipseg",
        aliases=(f"vipseg_panoptic_{split}",),
        page=_VIPSEG,
        count=count,
    )


def _vipseg_places(split: str, *, with_720_rows: bool, part: str | None = None) -> list[Location]:
    places = [("VIPSeg", "imgs"), ("vipseg", "imgs")]
    if with_720_rows:
        folders = ("VIPSeg/VIPSeg_720P", "vipseg/VIPSeg_720P")
        places = [(f, images) for f in folders for images in ("imgs", "images")] + places
    return [
        Location(
            f"{folder}/{images}",
            masks=f"{folder}/panomasks",
            videos=f"{folder.split('/')[0]}/{split}.txt",
            part=part,
        )
        for folder, images in places
    ]


def _vspw_entries() -> list[DatasetEntry]:
    def entry(split: str, locations: tuple[Location, ...], count: int | None) -> DatasetEntry:
        return DatasetEntry(
            name=f"vspw_{split}",
            layout="vspw",
            locations=locations,
            evaluator_type="video_semantic_seg",
            domain="vspw",
            aliases=(f"vspw_vss_video_{split}",),
            page=_VSPW,
            count=count,
        )

    root = "VSPW_480p"
    dev = (
        Location(f"{root}/data", videos=f"{root}/dev.txt"),
        Location(f"{root}/data", videos=f"{root}/val.txt", part="first 51"),
    )
    counts = {"train": 2806, "val": 343, "test": 387}
    return [
        *(
            entry(split, (Location(f"{root}/data", videos=f"{root}/{split}.txt"),), count)
            for split, count in counts.items()
        ),
        entry("dev", dev, None),
    ]


def _kitti_step_entries() -> list[DatasetEntry]:
    entries = []
    for split, folder, count in (
        ("train", "training", 12),
        ("val", "training", 9),
        ("test", "testing", 29),
    ):
        masks = None if split == "test" else f"kitti_step/panoptic_maps/{split}"
        images = [f"kitti_step/image_02/{folder}", f"kitti_step/{folder}/image_02"]
        if split != "test":
            images.append(f"kitti_step/{split}")
        locations = [Location(place, masks=masks) for place in images]
        if split == "train":
            locations.append(_tarvis_json("kitti_step"))
        elif split == "val":
            locations.append(Location(f"{_INFERENCE[0]}/kitti_step_val"))
        entries.append(
            DatasetEntry(
                name=f"kitti_step_{split}",
                layout="kitti_step",
                locations=tuple(locations),
                evaluator_type="video_panoptic_seg",
                domain="kitti_step",
                page=_KITTI_STEP,
                count=count,
            )
        )
    return entries


def _tarvis_json(name: str) -> Location:
    """A training set in TarViS's form."""
    images, annotations = _TRAINING
    return Location(f"{images}/{name}", f"{annotations}/{name}.json", layout="tarvis_json")


def _cityscapes_vps_entries() -> list[DatasetEntry]:
    root = "cityscapes_vps"
    train = Location(
        f"{root}/train/img",
        f"{root}/panoptic_im_train_city_vps.json",
        masks=f"{root}/train/panoptic_video",
    )
    val = Location(
        f"{root}/val/img_all",
        f"{root}/panoptic_gt_val_city_vps.json",
        masks=f"{root}/val/panoptic_video",
        videos=f"{root}/im_all_info_val_city_vps.json",
    )
    test = Location(f"{root}/test/img_all", f"{root}/im_all_info_test_city_vps.json")
    images, annotations = _INFERENCE
    frames_only = Location(
        f"{images}/cityscapes_vps_val", f"{annotations}/{root}/im_all_info_val_city_vps.json"
    )
    return [
        DatasetEntry(
            name=f"cityscapes_vps_{split}",
            layout="cityscapes_vps",
            locations=places,
            evaluator_type="video_panoptic_seg",
            domain="cityscapes",
            page=_CITYSCAPES_VPS,
            count=count,
        )
        for split, places, count in (
            ("train", (train, _tarvis_json("cityscapes_vps")), 400),
            ("val", (val, frames_only), 50),
            ("test", (test,), 50),
        )
    ]


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
        domain="vipseg",
        aliases=(f"pvos_viposeg_{split}",),
        page=_VIPOSEG,
        count=count,
    )
