"""What the catalogue knows of a dataset before any of its files is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from univs.data.catalog.classes import ClassTable, class_table, domains

#: Environment variable of the root of TarViS's own folders.
TARVIS_WORKSPACE = "TARVIS_WORKSPACE_DIR"
_TARVIS_FOLDER = "dataset_images/"


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
        layout: how these files are read, if not as the entry says.
    """

    image_root: str
    annotations: str | None = None
    masks: str | None = None
    videos: str | None = None
    categories: str | None = None
    truth: str | None = None
    part: str | None = None
    layout: str | None = None

    def below(self, root: Path) -> Location:
        """The same location with absolute paths, or paths that start with ``root``."""
        others = ("part", "layout")
        paths = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in others}
        below = {name: path and str(root / path) for name, path in paths.items()}
        return Location(**below, part=self.part, layout=self.layout)

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
        "sa_1b",
        "flickr30k",
        "univs_images",
        "label_studio",
        "cvat_images",
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
        classes: the class list. If it is left out, that of ``domain``, where the catalogue has it.
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

    def __post_init__(self) -> None:
        if self.classes is None and self.domain in domains():
            object.__setattr__(self, "classes", class_table(self.domain))

    @property
    def has_classes_in_file(self) -> bool:
        """Whether the class list is known from the annotations only."""
        return self.classes is None and self.domain is not None

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
        for candidate in self.candidates(root):
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

    def candidates(self, root: Path) -> Iterator[Location]:
        """Every place below ``root``, then those in TarViS's folders if they lie elsewhere."""
        yield from (location.below(root) for location in self.locations)
        workspace = os.environ.get(TARVIS_WORKSPACE)
        if workspace and Path(workspace) != root:
            for location in self.locations:
                if location.image_root.startswith(_TARVIS_FOLDER):
                    yield location.below(Path(workspace))

    def preferred(self, root: Path) -> Location:
        """The first complete location below ``root``, or the first one if none is complete."""
        try:
            return self.locate(root)
        except DatasetNotFoundError:
            return self.locations[0].below(root)
