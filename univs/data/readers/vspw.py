"""VSPW: ``data/<video>/origin/*.jpg`` and ``data/<video>/mask/*.png``, 8-bit classes from 1."""

from __future__ import annotations

from pathlib import Path

from univs.data.mask_source import IdMaps, MapEncoding
from univs.data.readers.folders import frame_size, list_frames, mask_names, read_video_list
from univs.data.record import VideoRecord

VOID = 255


def read_vspw(
    list_file: str | Path, root: str | Path, *, dataset: str, domain: str
) -> list[VideoRecord]:
    """Read the videos of a split; label maps have 0-based classes and 255 for void and "others".

    Args:
        list_file: ``train.txt``, ``val.txt`` or ``test.txt``.
        root: folder ``data``.
        dataset: registered name.
        domain: name of the class list.

    Raises:
        FrameError: a video has no frames.
    """
    records = []
    for name in read_video_list(list_file):
        frames = list_frames(root, f"{name}/origin")
        masks = mask_names(frames, root, f"{name}/mask")
        size = frame_size(frames)
        maps = IdMaps(
            root=str(root),
            file_names=masks,
            encoding=MapEncoding.VALUE,
            size=size,
            void=VOID,
            offset=-1,
        )
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=domain,
                video_id=name,
                official_id=name,
                frames=frames,
                size=size,
                label_maps=maps if any(masks) else None,
            )
        )
    return records
