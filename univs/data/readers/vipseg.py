"""VIPSeg: frames and 16-bit panoptic masks, read as they are.

A pixel of ``panomasks`` is 0 (void), the class from 1 (stuff), or ``class * 100 + k`` (the k-th
thing of the class). The RGB masks and colours of the evaluation kit are not needed: ids only have
to be consistent within a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from univs.data.mask_source import IdMaps, IdMasks, MapEncoding
from univs.data.readers.folders import (
    frame_size,
    list_frames,
    mask_names,
    presence,
    read_video_list,
)
from univs.data.readers.json_file import AnnotationError
from univs.data.record import ObjectRecord, VideoRecord

VOID = 0
_INSTANCES_PER_CLASS = 100
_LARGEST_STUFF = 124


def category_of(value: int) -> int:
    """The 0-based class of a pixel value other than void."""
    return (value if value <= _LARGEST_STUFF else value // _INSTANCES_PER_CLASS) - 1


def read_vipseg(
    list_file: str | Path,
    image_root: str | Path,
    mask_root: str | Path,
    *,
    dataset: str,
    domain: str,
    things: Sequence[int],
    num_classes: int,
    index_folder: str | Path | None = None,
) -> list[VideoRecord]:
    """Read the videos of a split.

    Args:
        list_file: ``train.txt``, ``val.txt`` or ``test.txt``.
        image_root: ``imgs``.
        mask_root: ``panomasks``; videos of the test split have none.
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
    names = read_video_list(list_file)
    frames = [list_frames(image_root, name) for name in names]
    maps = [
        IdMaps(
            root=str(mask_root),
            file_names=mask_names(video, mask_root, name),
            encoding=MapEncoding.VALUE,
            size=frame_size(video),
            void=VOID,
        )
        for name, video in zip(names, frames, strict=True)
    ]
    thing_set = set(things)
    records = []
    tables = presence(maps, index_folder=index_folder, name=dataset)
    for name, video, video_maps, table in zip(names, frames, maps, tables, strict=True):
        objects = []
        for value, shown in table.items():
            category = category_of(value)
            if not 0 <= category < num_classes:
                raise AnnotationError(
                    f"The masks of {mask_root}/{name} hold the value {value}, which is of class "
                    f"{category + 1}; {dataset} has {num_classes}."
                )
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=value,
                    category=category,
                    masks=IdMasks(video_maps, value),
                    frames=shown,
                    is_thing=category in thing_set,
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
