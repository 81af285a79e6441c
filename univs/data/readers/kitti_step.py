"""KITTI-STEP: RGB masks whose red channel is the class; green and blue are the instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.mask_source import INSTANCES_PER_STEP_CLASS, IdMaps, IdMasks, MapEncoding
from univs.data.readers.folders import frame_size, list_folders, list_frames, mask_names, presence
from univs.data.readers.json_file import AnnotationError
from univs.data.record import ObjectRecord, VideoRecord


def read_kitti_step(
    image_root: str | Path,
    mask_root: str | Path | None,
    *,
    dataset: str,
    domain: str,
    things: Sequence[int],
    num_classes: int,
    index_folder: str | Path | None = None,
) -> list[VideoRecord]:
    """Read the sequences of a split, sorted by name.

    Pixels of a thing class without an instance number are crowds. Stuff has one object per class.

    Args:
        image_root: folder with one folder of frames per sequence; train and validation share it.
        mask_root: folder with one folder of masks per sequence of the split; None for the test
            split, which then is every sequence of ``image_root``.
        dataset: registered name.
        domain: name of the class list.
        things: 0-based classes that are things.
        num_classes: number of classes.
        index_folder: where the table of ids is kept, see
            :func:`~univs.data.readers.folders.presence`.

    Raises:
        AnnotationError: a mask holds a class that there is not.
        FrameError: a sequence has no frames.
    """
    names = list_folders(image_root if mask_root is None else mask_root)
    frames = [list_frames(image_root, name) for name in names]
    maps = [
        IdMaps(
            root=str(mask_root),
            file_names=(None,) * len(video)
            if mask_root is None
            else mask_names(video, mask_root, name),
            encoding=MapEncoding.STEP,
            size=frame_size(video),
            void=0,
        )
        for name, video in zip(names, frames, strict=True)
    ]
    tables = presence(maps, index_folder=index_folder, name=dataset)
    records = []
    for name, video, video_maps, table in zip(names, frames, maps, tables, strict=True):
        objects = []
        for value, shown in table.items():
            category, instance = (
                value // INSTANCES_PER_STEP_CLASS - 1,
                value % INSTANCES_PER_STEP_CLASS,
            )
            if category >= num_classes:
                raise AnnotationError(
                    f"The masks of {mask_root}/{name} hold class {category}; {dataset} has "
                    f"{num_classes}, and 255 for void."
                )
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=value,
                    category=category,
                    masks=IdMasks(video_maps, value),
                    frames=shown,
                    is_thing=category in things,
                    is_crowd=category in things and instance == 0,
                )
            )
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=domain,
                video_id=name,
                official_id=name,
                frames=video,
                size=video_maps.size,
                objects=tuple(objects),
            )
        )
    return records
