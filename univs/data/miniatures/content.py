"""What the files of a miniature hold: toy shapes in the classes of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from univs.data.catalog.classes import ClassTable, class_table
from univs.data.toy.classes import STUFF_CLASSES, THING_CLASSES
from univs.data.toy.layouts.base import frame_names, write_files, write_json
from univs.data.toy.layouts.encoding import box_of, compressed_rle, encode_png, rgb_ids
from univs.data.toy.video import ToyVideo, encode_jpeg

#: Videos by split, ``train`` and ``val``.
Videos = dict[str, list[ToyVideo]]


class Vocabulary:
    """Which classes of a dataset the shapes and regions of toy videos stand for.

    Args:
        classes: of the dataset; None: shapes and regions themselves, with ids that have gaps.
    """

    def __init__(self, classes: ClassTable | None = None) -> None:
        if classes is None:
            names = (*STUFF_CLASSES, *THING_CLASSES)
            classes = ClassTable(
                names=names,
                ids=tuple(range(2, 2 + 3 * len(names), 3)),
                is_thing=(False,) * len(STUFF_CLASSES) + (True,) * len(THING_CLASSES),
            )
        self.classes = classes

    @classmethod
    def of_shapes(cls) -> Vocabulary:
        """The shapes themselves, without stuff."""
        ids = tuple(range(1, len(THING_CLASSES) + 1))
        return cls(ClassTable(names=THING_CLASSES, ids=ids, is_thing=(True,) * len(ids)))

    @classmethod
    def of(cls, domain: str) -> Vocabulary:
        """That of a class list of the catalogue."""
        return cls(class_table(domain))

    def thing(self, shape: int) -> int:
        """Position of the class that a shape stands for."""
        positions = self.classes.things or self.classes.stuff
        return positions[shape % len(positions)]

    def stuff(self, region: int) -> int:
        """Position of the class that a region stands for."""
        return self.classes.stuff[region % len(self.classes.stuff)]

    def thing_id(self, shape: int) -> int:
        """Official id of the class that a shape stands for."""
        return self.classes.ids[self.thing(shape)]

    def categories(self) -> list[dict[str, Any]]:
        """The ``categories`` of a json."""
        table = self.classes
        return [
            {"id": number, "name": name, "isthing": int(thing), "supercategory": "-"}
            for number, name, thing in zip(table.ids, table.names, table.is_thing, strict=True)
        ]


def segments_of(
    video: ToyVideo, t: int, vocabulary: Vocabulary
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Class (position), number within the class, and mask ``[H, W]`` of everything in a frame.

    Regions of stuff that stand for the same class are one, and have the number 0; things are
    numbered from 1, alike in all frames.
    """
    if vocabulary.classes.stuff and vocabulary.classes.things:
        regions: dict[int, np.ndarray] = {}
        for region in range(len(STUFF_CLASSES)):
            mask = video.stuff[t] == region
            if mask.any():
                position = vocabulary.stuff(region)
                regions[position] = regions.get(position, False) | mask
        for position, mask in regions.items():
            yield position, 0, mask
    met: dict[int, int] = {}
    for masks, shape in zip(video.masks, video.categories.tolist(), strict=True):
        position = vocabulary.thing(shape)
        met[position] = met.get(position, 0) + 1
        if masks[t].any():
            yield position, met[position], masks[t]


def write_frames(folder: Path, video: ToyVideo) -> list[str]:
    """Write the frames of a video; gives their file names."""
    names = frame_names(video)
    write_files(folder, names, video.jpegs)
    return names


def images_of(videos: Sequence[ToyVideo]) -> list[tuple[ToyVideo, int]]:
    """Frames that become still images: the first and the last of every video."""
    return [(video, t) for video in videos for t in (0, video.num_frames - 1)]


def write_images(folder: Path, videos: Sequence[ToyVideo], names: Sequence[str]) -> None:
    """Write the still images of videos, ``names`` being paths below the folder."""
    for name, (video, t) in zip(names, images_of(videos), strict=True):
        path = folder / name
        if path.suffix == ".png":
            content = encode_png(video.frames[t])
        else:
            content = encode_jpeg(video.frames[t])
        write_files(path.parent, [path.name], [content])


def instance_json(
    videos: Sequence[ToyVideo],
    names: Sequence[str],
    vocabulary: Vocabulary,
    *,
    with_masks: bool = True,
    **of_image: Any,
) -> dict[str, Any]:
    """The json of COCO instances of still images.

    Args:
        videos: whose images they are.
        names: their files.
        vocabulary: their classes; stuff has masks as well.
        with_masks: otherwise boxes only.
        of_image: further keys of every image.
    """
    images, annotations = [], []
    for number, (name, (video, t)) in enumerate(
        zip(names, images_of(videos), strict=True), start=1
    ):
        height, width = video.size
        item = {"id": number, "file_name": name, "height": height, "width": width, **of_image}
        images.append(item)
        for position, _, mask in segments_of(video, t, vocabulary):
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": vocabulary.classes.ids[position],
                "iscrowd": 0,
                "bbox": box_of(mask),
                "area": int(mask.sum()),
            }
            if with_masks:
                annotation["segmentation"] = compressed_rle(mask)
            annotations.append(annotation)
    return {"images": images, "annotations": annotations, "categories": vocabulary.categories()}


def write_panoptic(
    json_file: Path,
    mask_folder: Path,
    videos: Sequence[ToyVideo],
    names: Sequence[str],
    vocabulary: Vocabulary,
) -> None:
    """Write the json of COCO panoptic and its RGB masks for still images."""
    images, annotations = [], []
    for number, (name, (video, t)) in enumerate(
        zip(names, images_of(videos), strict=True), start=1
    ):
        height, width = video.size
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        ids, infos = panoptic_ids(video, t, vocabulary)
        mask_name = f"{Path(name).stem}.png"
        write_files(mask_folder, [mask_name], [encode_png(rgb_ids(ids))])
        annotations.append({"image_id": number, "file_name": mask_name, "segments_info": infos})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": vocabulary.categories(),
    }
    write_json(json_file, content)


def panoptic_ids(
    video: ToyVideo, t: int, vocabulary: Vocabulary
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Ids ``[H, W]`` of a frame, ``1000 * (position + 1) + number``, and ``segments_info``."""
    ids = np.zeros(video.size, np.int32)
    infos = []
    for position, number, mask in segments_of(video, t, vocabulary):
        value = 1000 * (position + 1) + number
        ids[mask] = value
        infos.append(
            {
                "id": value,
                "category_id": vocabulary.classes.ids[position],
                "iscrowd": 0,
                "bbox": box_of(mask),
                "area": int(mask.sum()),
            }
        )
    return ids, infos


def class_values(
    video: ToyVideo, t: int, vocabulary: Vocabulary, *, void: int, values: Iterable[int]
) -> np.ndarray:
    """Classes ``[H, W]`` uint8 of a frame, ``values`` being those of the class positions."""
    values = list(values)
    labels = np.full(video.size, void, np.uint8)
    for position, _, mask in segments_of(video, t, vocabulary):
        labels[mask] = values[position]
    return labels
