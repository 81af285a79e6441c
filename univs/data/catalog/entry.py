"""What the catalogue knows of a dataset before any of its files is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from univs.data.catalog.classes import ClassTable


class DatasetNotFoundError(FileNotFoundError):
    """Files of a dataset are missing; the message says which were tried and how to get them."""


@dataclass(frozen=True)
class Location:
    """Where the files of a dataset lie, relative to the root of all datasets.

    Attributes:
        image_root: folder that file names of frames are relative to.
        annotations: annotation file.
        masks: folder of mask images.
        videos: text file that lists the videos of the split.
        categories: file of the classes or objects, if ``annotations`` does not hold them.
        truth: file or folder to score results against, if ``annotations`` or ``masks`` do not hold
            it.
        part: which part of the videos in the annotations the split is: ``dev`` or ``train_sub``
            (see :mod:`univs.data.readers.held_out`), ``first 50`` or ``first 10%``; None: all.
    """

    image_root: str
    annotations: str | None = None
    masks: str | None = None
    videos: str | None = None
    categories: str | None = None
    truth: str | None = None
    part: str | None = None

    def below(self, root: Path) -> Location:
        """The same location with absolute paths, or paths that start with ``root``."""
        paths = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "part"}
        below = {name: path and str(root / path) for name, path in paths.items()}
        return Location(**below, part=self.part)

    def missing(self) -> list[str]:
        """Paths (already below a root) that do not exist; ``truth`` may be absent."""
        paths = (self.image_root, self.annotations, self.masks, self.videos, self.categories)
        return [path for path in paths if path is not None and not Path(path).exists()]


#: Layouts whose videos are single images.
STILL_IMAGE_LAYOUTS = frozenset(
    (
        "coco_instance",
        "coco_panoptic",
        "lvis",
        "objects365",
        "refcoco",
        "refcoco_mixed",
        "raw_images",
        "ade20k",
        "cityscapes",
        "mapillary",
        "entityseg",
    )
)


@dataclass(frozen=True)
class DatasetEntry:
    """One dataset split.

    Attributes:
        name: canonical name.
        layout: key of ``univs.data.catalog.reading.READERS``: how its files are read.
        locations: candidates in order of preference; the first that is complete is used.
        evaluator_type: what its results are scored with; empty for training sets without a
            protocol.
        classes: the class list; None if targets are not given by class.
        domain: name of the class list; None if targets are not given by class.
        aliases: further names, such as those of the original projects.
        page: where to get it.
        remedy: what to do if it is missing; empty: download it from ``page``.
        count: number of videos or images of the official download, for verification.
        category_map: 0-based category by the file's category id, for a dataset that is read with
            the classes of another one; its other categories are left out. None: positions in
            ``classes``.
    """

    name: str
    layout: str
    locations: tuple[Location, ...]
    evaluator_type: str = ""
    classes: ClassTable | None = None
    domain: str | None = None
    aliases: tuple[str, ...] = ()
    page: str = ""
    remedy: str = ""
    count: int | None = None
    category_map: Mapping[int, int] | None = None

    @property
    def has_still_images(self) -> bool:
        """Whether its videos are single images."""
        return self.layout in STILL_IMAGE_LAYOUTS

    def locate(self, root: Path) -> Location:
        """The first complete location below ``root``.

        Raises:
            DatasetNotFoundError: there is none.
        """
        tried = []
        for location in self.locations:
            candidate = location.below(root)
            missing = candidate.missing()
            if not missing:
                return candidate
            tried.append(f"  missing: {', '.join(missing)}")
        remedy = self.remedy or f"Download it from {self.page} and unpack it there."
        raise DatasetNotFoundError(
            f"Dataset {self.name!r} was not found. Tried, in this order:\n"
            + "\n".join(tried)
            + f"\n{remedy}\nThe root of all datasets is {root}; set UNIVS_DATASETS to use another "
            "one."
        )

    def preferred(self, root: Path) -> Location:
        """The first complete location below ``root``, or the first one if none is complete."""
        try:
            return self.locate(root)
        except DatasetNotFoundError:
            return self.locations[0].below(root)
