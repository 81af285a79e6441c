"""What has to be made of an official download before it can be read quickly: index files.

Where annotations do not say which frames show an object, all masks are looked through once. Reading
a dataset does that by itself; this does it ahead of time, shows how far it is, and goes on where it
was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from univs.data.catalog.entry import DatasetEntry
from univs.data.catalog.reading import load_records
from univs.data.readers import folders

#: What is found out, by layout.
_WORK = {
    **dict.fromkeys(
        (
            "davis",
            "davis_binary",
            "davis_unsupervised",
            "mose",
            "vipseg",
            "kitti_step",
            "viposeg",
            "refytvos",
            "refdavis",
        ),
        "which frames show which object",
    ),
    "ytvis": "which videos are held out",
}


@dataclass(frozen=True)
class Preparation:
    """What was done.

    Attributes:
        work: what was found out; None if the dataset needs no preparation.
        index_files: files of the index folder that were added.
        num_videos: videos of the dataset.
    """

    work: str | None
    index_files: tuple[Path, ...]
    num_videos: int


def needs_preparation(entry: DatasetEntry, root: Path) -> bool:
    """Whether an index is made for a dataset when it is first read."""
    place = entry.locate(root)
    if entry.layout == "ytvis":
        return place.part in ("dev", "train_sub")
    return (place.layout or entry.layout) in _WORK


def prepare_dataset(
    entry: DatasetEntry,
    root: Path,
    *,
    on_video: Callable[[int, int], None] = lambda done, total: None,
) -> Preparation:
    """Make the index of a dataset, unless it is there.

    Args:
        entry: what the catalogue knows of it.
        root: root of all datasets; the index lies in its folder ``.index``.
        on_video: called with the number of videos done and of all.

    Raises:
        DatasetNotFoundError: files are missing.
        AnnotationError: files are damaged.
    """
    if not needs_preparation(entry, root):
        entry.locate(root)
        return Preparation(None, (), 0)
    index = root / ".index"
    before = set(index.glob("*.json"))
    with _watched(on_video):
        records = load_records(entry, root)
    added = sorted(set(index.glob("*.json")) - before)
    return Preparation(_WORK[entry.layout], tuple(added), len(records))


@contextmanager
def _watched(on_video: Callable[[int, int], None]) -> Iterator[None]:
    """Have ``on_video`` called while masks are looked through."""
    token = folders.progress.set(on_video)
    try:
        yield
    finally:
        folders.progress.reset(token)
