"""Miniatures of YouTube-VIS, OVIS, COCO and the sets of images with many classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from univs.data.miniatures.content import (
    Videos,
    Vocabulary,
    images_of,
    instance_json,
    write_frames,
    write_images,
    write_panoptic,
)
from univs.data.toy.layouts.base import write_files, write_json
from univs.data.toy.layouts.encoding import box_of, compressed_rle, uncompressed_rle
from univs.data.toy.video import ToyVideo, encode_jpeg

_FOLDERS = {"train": "train", "val": "valid", "test": "test"}


def video_json(
    videos: Sequence[ToyVideo], folders: Sequence[str], vocabulary: Vocabulary, *, is_test: bool
) -> dict[str, Any]:
    """The json of YouTube-VIS; without annotations for a test split."""
    listed, annotations = [], []
    for number, (video, folder) in enumerate(zip(videos, folders, strict=True), start=1):
        height, width = video.size
        names = [f"{folder}/{t:05d}.jpg" for t in range(video.num_frames)]
        listed.append(
            {
                "id": number,
                "height": height,
                "width": width,
                "length": len(names),
                "file_names": names,
            }
        )
        for shape, masks in zip(video.categories.tolist(), video.masks, strict=True):
            shown = masks.any(axis=(1, 2))
            frames = list(zip(masks, shown, strict=True))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": number,
                    "category_id": vocabulary.thing_id(shape),
                    "iscrowd": 0,
                    "bboxes": [box_of(m) if s else None for m, s in frames],
                    "areas": [int(m.sum()) if s else None for m, s in frames],
                    "segmentations": [uncompressed_rle(m) if s else None for m, s in frames],
                }
            )
    content = {"videos": listed, "categories": vocabulary.categories()}
    return {**content, "annotations": None if is_test else annotations}


def _write_videos(
    images: Path, json_file: Path, videos: Sequence[ToyVideo], domain: str, *, is_test: bool
) -> None:
    for video in videos:
        write_frames(images / video.name, video)
    folders = [video.name for video in videos]
    vocabulary = Vocabulary.of(domain)
    write_json(json_file, video_json(videos, folders, vocabulary, is_test=is_test))


def write_youtube_vis(root: Path, videos: Videos) -> None:
    """YouTube-VIS 2019, 2021 and 2022; the truth of validation videos is not hidden here."""
    for year, domain in ((2019, "ytvis19"), (2021, "ytvis21")):
        for split, folder in _FOLDERS.items():
            _write_videos(
                root / f"ytvis_{year}" / folder / "JPEGImages",
                root / f"ytvis_{year}" / f"{folder}.json",
                videos["train" if split == "train" else "val"],
                domain,
                is_test=split == "test",
            )
    long_videos = root / "ytvis_2022"
    images = long_videos / "valid" / "JPEGImages"
    _write_videos(images, long_videos / "valid.json", videos["val"], "ytvis21", is_test=False)


def write_ovis(root: Path, videos: Videos) -> None:
    """OVIS."""
    for split, folder in _FOLDERS.items():
        _write_videos(
            root / "ovis" / folder,
            root / "ovis" / f"annotations_{folder}.json",
            videos["train" if split == "train" else "val"],
            "ovis",
            is_test=split == "test",
        )


def write_coco(root: Path, videos: Videos) -> None:
    """COCO 2017 with instances and panoptic segments."""
    folder = root / "coco"
    for split, chosen in videos.items():
        names = [f"{n:012d}.jpg" for n in range(1, len(images_of(chosen)) + 1)]
        write_images(folder / f"{split}2017", chosen, names)
        content = instance_json(chosen, names, Vocabulary.of("coco"))
        write_json(folder / "annotations" / f"instances_{split}2017.json", content)
        write_panoptic(
            folder / "annotations" / f"panoptic_{split}2017.json",
            folder / f"panoptic_{split}2017",
            chosen,
            names,
            Vocabulary.of("coco_panoptic"),
        )


def write_lvis(root: Path, videos: Videos) -> None:
    """LVIS v1 on its own images, which have an address in place of a file name."""
    for split, chosen in videos.items():
        folder = f"{split}2017"
        names = [f"{n:012d}.jpg" for n in range(501, 501 + len(images_of(chosen)))]
        write_images(root / "coco" / folder, chosen, names)
        content = instance_json(chosen, names, Vocabulary.of_shapes(), neg_category_ids=[])
        for image in content["images"]:
            name = image.pop("file_name")
            image["coco_url"] = f"http://images.cocodataset.org/{folder}/{name}"
        write_json(root / "lvis" / f"lvis_v1_{split}.json", content)


def write_objects365(root: Path, videos: Videos) -> None:
    """Objects365, which has boxes only."""
    for split, chosen in videos.items():
        names = [f"patch0/{n:08d}.jpg" for n in range(len(images_of(chosen)))]
        write_images(root / "objects365" / split, chosen, names)
        content = instance_json(chosen, names, Vocabulary.of_shapes(), with_masks=False)
        write_json(root / "objects365" / f"zhiyuan_objv2_{split}.json", content)


def write_entityseg(root: Path, videos: Videos) -> None:
    """EntitySeg: annotations in parts, and images at half the size that is annotated."""
    folder = root / "entityseg"
    for split, chosen in videos.items():
        names = [f"{split}_{n:04d}.jpg" for n in range(len(images_of(chosen)))]
        for name, (video, t) in zip(names, images_of(chosen), strict=True):
            height, width = video.size
            small = cv2.resize(video.frames[t], (width // 2, height // 2))
            write_files(folder / "images" / "entity_01_11580", [name], [encode_jpeg(small)])
        content = instance_json(chosen, names, Vocabulary())
        write_json(folder / "annotations" / f"entityseg_insseg_{split}.json", content)
        half = len(names) // 2
        for part, image_ids in (
            ("01", range(1, half + 1)),
            ("02", range(half + 1, len(names) + 1)),
        ):
            write_json(
                folder / "annotations" / f"entityseg_{split}_{part}.json",
                {
                    "images": [i for i in content["images"] if i["id"] in image_ids],
                    "annotations": [
                        {**a, "category_id": 1, "category_id_ori": str(a["category_id"])}
                        for a in content["annotations"]
                        if a["image_id"] in image_ids
                    ],
                    "categories": content["categories"],
                },
            )


def write_segment_anything(root: Path, videos: Videos) -> None:
    """SA-1B with UniVS's two lists of it."""
    folder = root / "sa_1b"
    for part, chosen in zip((1, 2), videos.values(), strict=True):
        names = [f"sa_{part}{n:03d}" for n in range(len(images_of(chosen)))]
        write_images(folder / "images", chosen, [f"{name}.jpg" for name in names])
        for name, (video, t) in zip(names, images_of(chosen), strict=True):
            height, width = video.size
            masks = [m for m in (*video.masks[:, t], video.stuff[t] == 0) if m.any()]
            annotations = [
                {
                    "id": number,
                    "segmentation": compressed_rle(mask),
                    "predicted_iou": 0.95,
                    "stability_score": 0.98,
                }
                for number, mask in enumerate(masks)
            ]
            image = {"file_name": f"{name}.jpg", "height": height, "width": width}
            content = {"image": image, "annotations": annotations}
            write_json(folder / "annotations" / f"{name}.json", content)
        listed = {"annotation_names": [f"{name}.json" for name in names]}
        write_json(folder / "annotations_250k" / f"annotations_250k_{part}.json", listed)
