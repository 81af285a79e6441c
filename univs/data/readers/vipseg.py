"""VIPSeg: frames and 16-bit panoptic masks, read as they are.

A pixel of ``panomasks`` is 0 (void), the class from 1 (stuff), or ``class * 100 + k`` (the k-th
thing of the class). The RGB masks and colours of the evaluation kit are not needed: ids only have
to be consistent within a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.mask_source import IdMasks
from univs.data.readers.folders import list_folders, read_video_list
from univs.data.readers.json_file import AnnotationError
from univs.data.readers.mask_videos import mask_videos, shown_ids
from univs.data.record import ObjectRecord, VideoRecord

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
    thing_set = set(things)
    records = []
    tables = shown_ids(videos, dataset=dataset, index_folder=index_folder)
    for video, table in zip(videos, tables, strict=True):
        objects = []
        for value, frames in table.items():
            category = category_of(value)
            if not 0 <= category < num_classes:
                raise AnnotationError(
                    f"The masks of {mask_root}/{video.name} hold the value {value}, which is of "
                    f"class {category + 1}; {dataset} has {num_classes}."
                )
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=value,
                    category=category,
                    masks=IdMasks(video.maps, value),
                    frames=frames,
                    is_thing=category in thing_set,
                )
            )
        records.append(video.record(objects, dataset=dataset, domain=domain))
    return records
