"""A miniature of the workspace of TarViS, with its own forms of annotations."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from univs.data.miniatures.content import (
    Videos,
    Vocabulary,
    images_of,
    segments_of,
    write_frames,
    write_images,
    write_panoptic,
)
from univs.data.miniatures.dense import vipseg_values
from univs.data.miniatures.instances import video_json
from univs.data.miniatures.prompted import write_toy_layout
from univs.data.toy.layouts.base import frame_names, write_files, write_json
from univs.data.toy.layouts.encoding import compressed_rle, encode_png
from univs.data.toy.video import ToyVideo


def write_tarvis(root: Path, videos: Videos) -> None:
    """All training sets, and those of inference whose layout is TarViS's own."""
    images, annotations = root / "dataset_images", root / "dataset_annotations"
    train, val = videos["train"], videos["val"]
    for name, domain in (("coco", "coco_panoptic"), ("cityscapes", "cityscapes_panoptic")):
        _panoptic(images, annotations, name, train, Vocabulary.of(domain))
    _panoptic(images, annotations, "mapillary", train, Vocabulary())
    for name, vocabulary in (
        ("kitti_step", Vocabulary.of("kitti_step")),
        ("cityscapes_vps", Vocabulary.of("cityscapes")),
        ("davis", None),
    ):
        for video in train:
            write_frames(images / "training" / name / video.name, video)
        file = "davis_semisupervised" if name == "davis" else name
        write_json(annotations / "training" / f"{file}.json", _sequences(train, vocabulary))
    for name, short, file, domain in (
        ("youtube_vis_2021", "youtube_vis", "valid_2021", "ytvis21"),
        ("ovis", "ovis", "valid", "ovis"),
    ):
        for split, chosen in (("training", train), ("inference", val)):
            for video in chosen:
                write_frames(images / split / name / video.name, video)
        vocabulary = Vocabulary.of(domain)
        for path, chosen in (
            (annotations / "training" / f"{name}.json", train),
            (annotations / "inference" / short / f"{file}.json", val),
        ):
            folders = [video.name for video in chosen]
            write_json(path, video_json(chosen, folders, vocabulary, is_test=False))
    _vipseg(images, annotations, train)
    _burst(root, images, annotations, videos)


def _panoptic(
    images: Path,
    annotations: Path,
    name: str,
    videos: Sequence[ToyVideo],
    vocabulary: Vocabulary,
) -> None:
    names = [f"{n:06d}.jpg" for n in range(len(images_of(videos)))]
    write_images(images / "training" / name, videos, names)
    folder = annotations / "training" / f"{name}_panoptic"
    write_panoptic(folder / "segments.json", folder / "pan_maps", videos, names, vocabulary)


def _sequences(videos: Sequence[ToyVideo], vocabulary: Vocabulary | None) -> dict[str, Any]:
    """TarViS's generic form; without classes if there is no vocabulary."""
    sequences = []
    for video in videos:
        instances = [{} for _ in range(video.num_frames)]
        for number, masks in enumerate(video.masks, start=1):
            for t in range(video.num_frames):
                if masks[t].any():
                    instances[t][str(number)] = compressed_rle(masks[t])["counts"]
        categories = {
            str(n): 1 if vocabulary is None else vocabulary.thing_id(shape)
            for n, shape in enumerate(video.categories.tolist(), start=1)
        }
        height, width = video.size
        sequence = {
            "id": video.name,
            "height": height,
            "width": width,
            "image_paths": [f"{video.name}/{name}" for name in frame_names(video)],
            "categories": categories,
            "segmentations": instances,
        }
        if vocabulary is not None:
            sequence["semantic_segmentations"] = [
                {
                    str(vocabulary.classes.ids[position]): compressed_rle(mask)["counts"]
                    for position, number, mask in segments_of(video, t, vocabulary)
                    if number == 0
                }
                for t in range(video.num_frames)
            ]
        sequences.append(sequence)
    table = None if vocabulary is None else vocabulary.classes
    labels = {"1": "object"}
    if table is not None:
        labels = {str(n): name for n, name in zip(table.ids, table.names, strict=True)}
    return {"meta": {"category_labels": labels}, "sequences": sequences}


def _vipseg(images: Path, annotations: Path, videos: Sequence[ToyVideo]) -> None:
    vocabulary = Vocabulary.of("vipseg")
    folder = annotations / "training" / "vipseg"
    for video in videos:
        write_frames(images / "training" / "vipseg" / video.name, video)
        masks = [encode_png(vipseg_values(video, t, vocabulary)) for t in range(video.num_frames)]
        write_files(folder / "panoptic_masks" / video.name, frame_names(video, ".png"), masks)
    listed = [
        {"name": video.name, "filenames": [Path(n).stem for n in frame_names(video)]}
        for video in videos
    ]
    write_json(folder / "video_info.json", {"sequences": listed})


def _burst(root: Path, images: Path, annotations: Path, videos: Videos) -> None:
    """The official files, elsewhere."""
    folder = write_toy_layout(root, videos, "burst", ".burst")
    for split, target in (("train", "training/burst"), ("val", "inference/burst/val")):
        shutil.copytree(folder / "frames" / split, images / target, dirs_exist_ok=True)
    official = folder / "annotations"
    for source, target in (
        (official / "train" / "all_classes.json", annotations / "training" / "burst.json"),
        (
            official / "val" / "first_frame_annotations.json",
            annotations / "inference" / "burst" / "first_frame_annotations_val.json",
        ),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.rmtree(folder)
