"""VIPSeg: frames and 16-bit panoptic masks, read as they are.

A pixel of ``panomasks`` is 0 (void), the class from 1 (stuff), or ``class * 100 + k`` (the k-th
thing of the class). The RGB masks and colours of the evaluation kit are not needed: ids only have
to be consistent within a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.readers.folders import list_folders, read_video_list
from univs.data.readers.mask_videos import mask_videos, panoptic_records
from univs.data.record import VideoRecord

VOID = 0
_INSTANCES_PER_CLASS = 100
_LARGEST_STUFF = 124


def category_of(value: int) -> int:
    """The 0-based class of a pixel value other than void."""
    return (value if value <= _LARGEST_STUFF else value // _INSTANCES_PER_CLASS) - 1


def read_vipseg(
    list_file: str | Path | None,
    image_root: str | Path,
    mask_root: str | Path | None,
    *,
    dataset: str,
    domain: str,
    things: Sequence[int],
    num_classes: int,
    index_folder: str | Path | None = None,
) -> list[VideoRecord]:
    """Read the videos of a split.

    Args:
        list_file: ``train.txt``, ``val.txt`` or ``test.txt``; None: every folder of images.
        image_root: ``imgs``.
        mask_root: ``panomasks``; videos of the test split have none. None: no video has masks.
        dataset: registered name.
        domain: name of the class list.
        things: 0-based classes that are things.
        num_classes: number of classes.
        index_folder: where the table of ids is kept, see
            :func:`~univs.data.readers.folders.presence`.

    Raises:
        AnnotationError: a mask holds a value that no class has.
        FrameError: a video has no frames.
    """
    names = list_folders(image_root) if list_file is None else read_video_list(list_file)
    videos = mask_videos(names, image_root, mask_root, void=VOID)
    return panoptic_records(
        videos,
        # Values of things always have an instance.
        lambda value: (category_of(value), False),
        dataset=dataset,
        domain=domain,
        things=things,
        num_classes=num_classes,
        index_folder=index_folder,
    )
