"""KITTI-STEP: RGB masks whose red channel is the class; green and blue are the instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.mask_source import INSTANCES_PER_STEP_CLASS, MapEncoding
from univs.data.readers.folders import list_folders
from univs.data.readers.mask_videos import mask_videos, panoptic_records
from univs.data.record import VideoRecord


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
    return panoptic_records(
        videos,
        class_of,
        dataset=dataset,
        domain=domain,
        things=things,
        num_classes=num_classes,
        index_folder=index_folder,
    )


def class_of(value: int) -> tuple[int, bool]:
    """The 0-based class of a value of an id map, and whether it has no instance number."""
    category, instance = divmod(value, INSTANCES_PER_STEP_CLASS)
    return category - 1, instance == 0
