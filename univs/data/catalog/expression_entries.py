"""Targets given by expressions: Ref-YouTube-VOS, Ref-DAVIS, MeViS, RefCOCO, Flickr30k Entities."""

from __future__ import annotations

from univs.data.catalog.entry import DatasetEntry, Location

_REF_YOUTUBE_VOS = "https://youtube-vos.org/dataset/rvos/"
_REF_DAVIS = "https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research"
_MEVIS = "https://henghuiding.github.io/MeViS/"
_REFCOCO = "https://github.com/lichengunc/refer"
_FLICKR30K = "https://github.com/ashkamath/mdetr/blob/main/.github/pretrain.md"


def expression_entries() -> list[DatasetEntry]:
    """All of them."""
    return [
        *_ref_davis_entries(),
        *_ref_youtube_vos_entries(),
        *_mevis_entries(),
        *_refcoco_entries(),
        *_flickr30k_entries(),
    ]


def _ref_davis_entries() -> list[DatasetEntry]:
    entries = []
    texts = (
        "Davis17_annot1.txt",
        "Davis17_annot1_full_video.txt",
        "Davis17_annot2.txt",
        "Davis17_annot2_full_video.txt",
    )
    places = (
        ("DAVIS", "ref_davis"),
        ("ref_davis/DAVIS", "ref_davis"),
        ("ref-davis/DAVIS", "ref-davis"),
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
                    for root, folder in places
                ),
                evaluator_type="davis",
                aliases=(f"rvos-refdavis-val-{number}",),
                page=_REF_DAVIS,
                count=30,
            )
        )
    return entries


def _ref_youtube_vos_entries() -> list[DatasetEntry]:
    entries = []
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
                page=_REF_YOUTUBE_VOS,
                count=count,
            )
        )
    return entries


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


def _refcoco_entries() -> list[DatasetEntry]:
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
    mixed = "refcoco/refcoco-mixed/instances_train_video360p.json"
    entries.append(
        DatasetEntry(
            name="refcoco_mixed_train",
            layout="refcoco_mixed",
            locations=(Location("coco/train2017", mixed), Location("coco/train2017", "refcoco")),
            aliases=("rvos_refcoco-mixed",),
            page=_REFCOCO,
        )
    )
    return entries


def _flickr30k_entries() -> list[DatasetEntry]:
    root, images = "flickr30k", "flickr30k/flickr30k-images"
    return [
        DatasetEntry(
            name=f"flickr30k_entities_{split}",
            layout="flickr30k",
            locations=tuple(
                Location(images, f"{root}/{file}.json")
                for file in (
                    f"mdetr/final_flickr_mergedGT_{split}",
                    f"mdetr_annotations/final_flickr_mergedGT_{split}",
                    f"mdetr/final_flickr_mergedGT_{split}_cocovid",
                )
            ),
            aliases=(f"flickr30k_entity-{split}",),
            page=_FLICKR30K,
        )
        for split in ("train", "val")
    ]
