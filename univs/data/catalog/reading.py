"""From an entry of the catalogue to the records of its videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.readers.youtube_vis import read_youtube_vis
from univs.data.record import VideoRecord

Reader = Callable[[DatasetEntry, Location], list[VideoRecord]]


def _youtube_vis(entry: DatasetEntry, location: Location) -> list[VideoRecord]:
    return read_youtube_vis(
        location.annotations,
        location.image_root,
        dataset=entry.name,
        domain=entry.domain,
        category_ids=entry.classes.ids if entry.classes else None,
    )


#: How a layout is read, by ``DatasetEntry.layout``.
READERS: dict[str, Reader] = {"ytvis": _youtube_vis}


def load_records(entry: DatasetEntry, root: Path) -> list[VideoRecord]:
    """Read the records of a dataset.

    Args:
        entry: what the catalogue knows of it.
        root: root of all datasets.

    Raises:
        DatasetNotFoundError: files are missing.
        AnnotationError: files are damaged or contradict themselves.
    """
    return READERS[entry.layout](entry, entry.locate(root))
