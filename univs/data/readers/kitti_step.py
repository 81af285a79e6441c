"""KITTI-STEP: RGB masks whose red channel is the class; green and blue are the instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.mask_source import INSTANCES_PER_STEP_CLASS, IdMasks, MapEncoding
from univs.data.readers.folders import list_folders
from univs.data.readers.json_file import AnnotationError
from univs.data.readers.mask_videos import mask_videos, shown_ids
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
    videos = mask_videos(names, image_root, mask_root, encoding=MapEncoding.STEP, void=0)
    records = []
    tables = shown_ids(videos, dataset=dataset, index_folder=index_folder)
    for video, table in zip(videos, tables, strict=True):
        objects = []
        for value, frames in table.items():
            category, instance = divmod(value, INSTANCES_PER_STEP_CLASS)
            category -= 1
            if category >= num_classes:
                raise AnnotationError(
                    f"The masks of {mask_root}/{video.name} hold class {category}; {dataset} has "
                    f"{num_classes}, and 255 for void."
                )
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=value,
                    category=category,
                    masks=IdMasks(video.maps, value),
                    frames=frames,
                    is_thing=category in things,
                    is_crowd=category in things and instance == 0,
                )
            )
        records.append(video.record(objects, dataset=dataset, domain=domain))
    return records
