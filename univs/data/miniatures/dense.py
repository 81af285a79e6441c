"""Miniatures of sets in which every pixel has a class: images and videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from univs.data.miniatures.content import (
    Videos,
    Vocabulary,
    class_values,
    images_of,
    panoptic_ids,
    segments_of,
    write_frames,
    write_images,
    write_panoptic,
)
from univs.data.toy.layouts.base import frame_names, write_files, write_json, write_lines
from univs.data.toy.layouts.encoding import encode_png, rgb_ids
from univs.data.toy.video import ToyVideo

_LABELLED_EVERY = 5  # of Cityscapes-VPS
_VIPSEG_FACTOR = 100  # a thing is its class, from 1, times this, and its number


def write_ade20k(root: Path, videos: Videos) -> None:
    """ADE20K with class maps, and the panoptic masks that Mask2Former's script makes."""
    folder = root / "ADEChallengeData2016"
    vocabulary = Vocabulary.of("ade20k")
    for split, name in (("train", "training"), ("val", "validation")):
        chosen = videos[split]
        stems = [f"ADE_{split}_{n:08d}" for n in range(1, len(images_of(chosen)) + 1)]
        names = [f"{stem}.jpg" for stem in stems]
        write_images(folder / "images" / name, chosen, names)
        for stem, (video, t) in zip(stems, images_of(chosen), strict=True):
            labels = class_values(video, t, vocabulary, void=0, values=range(1, 151))
            write_files(folder / "annotations" / name, [f"{stem}.png"], [encode_png(labels)])
        stem = f"ade20k_panoptic_{split}"
        write_panoptic(
            folder / f"{stem}.json", folder / stem, chosen, names, _from_zero(vocabulary)
        )


def _from_zero(vocabulary: Vocabulary) -> Vocabulary:
    from dataclasses import replace

    classes = vocabulary.classes
    return Vocabulary(replace(classes, ids=tuple(range(len(classes)))))


def write_cityscapes(root: Path, videos: Videos) -> None:
    """Cityscapes with the class maps that its scripts make."""
    folder = root / "cityscapes"
    vocabulary = Vocabulary.of("cityscapes")
    for split, chosen in videos.items():
        for number, (video, t) in enumerate(images_of(chosen)):
            stem = f"aachen_{number:06d}_000019"
            image = encode_png(video.frames[t])
            write_files(
                folder / "leftImg8bit" / split / "aachen", [f"{stem}_leftImg8bit.png"], [image]
            )
            labels = class_values(video, t, vocabulary, void=255, values=range(19))
            write_files(
                folder / "gtFine" / split / "aachen",
                [f"{stem}_gtFine_labelTrainIds.png"],
                [encode_png(labels)],
            )


def write_mapillary(root: Path, videos: Videos) -> None:
    """Mapillary Vistas v1.2."""
    for split, name in (("train", "training"), ("val", "validation")):
        folder = root / "mapillary" / name
        names = [f"m{n:04d}.jpg" for n in range(len(images_of(videos[split])))]
        write_images(folder / "images", videos[split], names)
        write_panoptic(
            folder / "panoptic" / "panoptic_2018.json",
            folder / "panoptic",
            videos[split],
            names,
            Vocabulary(),
        )


def write_vipseg(root: Path, videos: Videos) -> None:
    """VIPSeg with what its scripts make for evaluation."""
    folder = root / "VIPSeg"
    vocabulary = Vocabulary.of("vipseg")
    categories = [{**c, "id": c["id"] - 1} for c in vocabulary.categories()]
    write_json(folder / "panoVIPSeg_categories.json", categories)
    for split, chosen in videos.items():
        listed, annotations = [], []
        for video in chosen:
            names = write_frames(folder / "imgs" / video.name, video)
            maps = [vipseg_values(video, t, vocabulary) for t in range(video.num_frames)]
            masks = frame_names(video, ".png")
            write_files(folder / "panomasks" / video.name, masks, [encode_png(m) for m in maps])
            colors = [encode_png(rgb_ids(m.astype(np.int32))) for m in maps]
            write_files(folder / "panomasksRGB" / video.name, masks, colors)
            height, width = video.size
            images = [
                {"id": Path(n).stem, "file_name": n, "height": height, "width": width}
                for n in names
            ]
            listed.append({"video_id": video.name, "images": images})
            frames = [
                {"file_name": name, "segments_info": _vipseg_segments(values)}
                for name, values in zip(masks, maps, strict=True)
            ]
            annotations.append({"video_id": video.name, "annotations": frames})
        write_lines(folder / f"{split}.txt", [video.name for video in chosen])
        content = {"videos": listed, "annotations": annotations, "categories": categories}
        write_json(folder / f"panoptic_gt_VIPSeg_{split}.json", content)
    for video in videos["val"]:  # the test split has no masks
        write_frames(folder / "imgs" / f"test_{video.name}", video)
    write_lines(folder / "test.txt", [f"test_{video.name}" for video in videos["val"]])


def vipseg_values(video: ToyVideo, t: int, vocabulary: Vocabulary) -> np.ndarray:
    """Values of a 16-bit mask ``[H, W]``."""
    values = np.zeros(video.size, np.uint16)
    for position, number, mask in segments_of(video, t, vocabulary):
        label = position + 1
        values[mask] = label if number == 0 else label * _VIPSEG_FACTOR + number - 1
    return values


def _vipseg_segments(values: np.ndarray) -> list[dict]:
    segments = []
    for value in np.setdiff1d(values, [0]).tolist():
        label = value // _VIPSEG_FACTOR if value >= 125 else value
        area = int((values == value).sum())
        segments.append({"id": value, "category_id": label - 1, "iscrowd": 0, "area": area})
    return segments


def write_vspw(root: Path, videos: Videos) -> None:
    """VSPW at 480p."""
    folder = root / "VSPW_480p"
    vocabulary = Vocabulary.of("vipseg")  # the same classes, of which some count as things
    for split, chosen in {**videos, "test": videos["val"]}.items():
        names = []
        for video in chosen:
            name = f"{split}_{video.name}"
            names.append(name)
            write_frames(folder / "data" / name / "origin", video)
            masks = [
                class_values(video, t, vocabulary, void=255, values=range(1, 125))
                for t in range(video.num_frames)
            ]
            files = frame_names(video, ".png")
            if split != "test":
                write_files(folder / "data" / name / "mask", files, [encode_png(m) for m in masks])
        write_lines(folder / f"{split}.txt", names)


def write_kitti_step(root: Path, videos: Videos) -> None:
    """KITTI-STEP: training and validation sequences share a folder of images."""
    folder = root / "kitti_step"
    vocabulary = Vocabulary.of("kitti_step")
    for split, chosen in videos.items():
        for number, video in enumerate(chosen):
            name = f"{number + 10 * (split == 'val'):04d}"
            files = [f"{t:06d}.png" for t in range(video.num_frames)]
            frames = [encode_png(frame) for frame in video.frames]
            write_files(folder / "image_02" / "training" / name, files, frames)
            maps = [encode_png(_step_colors(video, t, vocabulary)) for t in range(video.num_frames)]
            write_files(folder / "panoptic_maps" / split / name, files, maps)
    for number, video in enumerate(videos["val"]):
        files = [f"{t:06d}.png" for t in range(video.num_frames)]
        frames = [encode_png(frame) for frame in video.frames]
        write_files(folder / "image_02" / "testing" / f"{number:04d}", files, frames)


def _step_colors(video: ToyVideo, t: int, vocabulary: Vocabulary) -> np.ndarray:
    """Class in the red channel, instance in green and blue; uint8 ``[H, W, 3]``."""
    colors = np.zeros((*video.size, 3), np.uint8)
    colors[..., 0] = 255
    for position, number, mask in segments_of(video, t, vocabulary):
        colors[mask] = (position, number // 256, number % 256)
    return colors


def write_cityscapes_vps(root: Path, videos: Videos) -> None:
    """Cityscapes-VPS, of whose validation videos every fifth frame has truth."""
    folder = root / "cityscapes_vps"
    vocabulary = Vocabulary.of("cityscapes")
    for split, chosen in {**videos, "test": videos["val"]}.items():
        every, annotated, annotations = [], [], []
        images = folder / split / ("img" if split == "train" else "img_all")
        step = 1 if split == "train" else min(_LABELLED_EVERY, chosen[0].num_frames - 1)
        for number, video in enumerate(chosen, start=1):
            height, width = video.size
            for t in range(video.num_frames):
                name = f"{number:04d}_{t + 1:04d}_toy_leftImg8bit.png"
                write_files(images, [name], [encode_png(video.frames[t])])
                item = {
                    "id": 10000 * number + t + 1,
                    "file_name": name,
                    "height": height,
                    "width": width,
                }
                every.append(item)
                if t % step or split == "test":
                    continue
                annotated.append(item)
                ids, infos = panoptic_ids(video, t, vocabulary)
                mask = name.replace("leftImg8bit", "final_mask")
                content = encode_png(rgb_ids(ids))
                write_files(folder / split / "panoptic_video", [mask], [content])
                annotations.append(
                    {"image_id": item["id"], "file_name": mask, "segments_info": infos}
                )
        content = {"images": annotated, "annotations": annotations}
        content["categories"] = vocabulary.categories()
        if split == "train":
            write_json(folder / "panoptic_im_train_city_vps.json", content)
            continue
        write_json(folder / f"im_all_info_{split}_city_vps.json", {"images": every})
        if split == "val":
            write_json(folder / "panoptic_gt_val_city_vps.json", content)
