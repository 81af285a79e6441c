"""Registers every dataset in Detectron2's catalogues.

Nothing is read before it is asked for, but for class lists that only the annotations hold, of
which a few megabytes are looked at if they are there.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog
from univs.data.catalog.classes import ClassTable
from univs.data.catalog.entries import ENTRIES
from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.catalog.file_classes import known_file_classes, with_file_classes
from univs.data.catalog.reading import READERS, load_records
from univs.data.catalog.toy import toy_entries
from univs.data.catalog.unsupported import unsupported_names, why_unsupported
from univs.data.custom import registered_entries
from univs.data.toy.registration import datasets_root


def all_entries(root: str | Path | None = None) -> dict[str, DatasetEntry]:
    """Every dataset by canonical name, those that users registered included.

    Args:
        root: root of all datasets; None takes :func:`datasets_root`.
    """
    root = datasets_root() if root is None else Path(root)
    entries = [*ENTRIES, *toy_entries(set(READERS)), *registered_entries(root)]
    return {entry.name: entry for entry in entries}


def find_entry(name: str, root: str | Path | None = None) -> DatasetEntry:
    """The dataset of this canonical name or alias.

    Args:
        name: of the dataset.
        root: as for :func:`all_entries`.

    Raises:
        KeyError: there is none, or it is known but cannot be read; the message says which.
    """
    entries = all_entries(root)
    if name in entries:
        return entries[name]
    for entry in entries.values():
        if name in entry.aliases:
            return entry
    why = why_unsupported(name)
    if why is not None:
        raise KeyError(
            f"Dataset {name!r} is not supported yet: {why}. Not supported are: "
            f"{', '.join(unsupported_names())}."
        )
    known = [name for entry in entries.values() for name in (entry.name, *entry.aliases)]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise KeyError(f"There is no dataset {name!r}.{hint} `univs data list` shows all of them.")


def register_datasets(root: str | Path | None = None) -> None:
    """Register every dataset under its name and its aliases.

    May be called again, for example with another root; what was registered before under the same
    names, by Detectron2 itself too, is replaced.

    Args:
        root: root of all datasets; None takes :func:`datasets_root`.
    """
    root = datasets_root() if root is None else Path(root)
    for entry in all_entries(root).values():
        for name in (entry.name, *entry.aliases):
            _register(name, entry, root)


def register_dataset(entry: DatasetEntry, root: str | Path | None = None) -> None:
    """Register a dataset of one's own, under its name and its aliases."""
    root = datasets_root() if root is None else Path(root)
    for name in (entry.name, *entry.aliases):
        _register(name, entry, root)


def _register(name: str, entry: DatasetEntry, root: Path) -> None:
    if name in DatasetCatalog.list():
        DatasetCatalog.remove(name)
    if name in MetadataCatalog.list():
        MetadataCatalog.remove(name)
    DatasetCatalog.register(name, lambda: _load(name, entry, root))
    place = entry.preferred(root)
    MetadataCatalog.get(name).set(**_metadata(known_file_classes(entry, place), place))


def _load(name: str, entry: DatasetEntry, root: Path) -> list[dict]:
    records = load_records(entry, root)
    if entry.has_classes_in_file:  # they may have been out of reach, or absent, before
        read = with_file_classes(entry, entry.locate(root))
        MetadataCatalog.get(name).set(**_class_metadata(read.classes))
    return [record.as_dataset_dict() for record in records]


def _metadata(entry: DatasetEntry, location: Location) -> dict:
    metadata = {
        "evaluator_type": entry.evaluator_type,
        "layout": location.layout or entry.layout,
        "image_root": location.image_root,
    }
    if entry.domain is not None:
        metadata["domain"] = entry.domain
    panoptic = entry.evaluator_type in ("video_panoptic_seg", "coco_panoptic_seg")
    for key, value in (
        ("json_file", location.annotations),
        ("panoptic_json" if panoptic else "", location.annotations),
        ("panoptic_root" if panoptic else "mask_root", location.masks),
        ("truth", location.truth),
        ("split_txt", location.videos),
        ("part", location.part),
    ):
        if key and value is not None:
            metadata[key] = value
    if entry.has_classes_in_file:
        return metadata
    if entry.classes is None:
        return {**metadata, "thing_classes": ["object"]}
    return {**metadata, **_class_metadata(entry.classes)}


def _class_metadata(classes: ClassTable) -> dict:
    """Keys by Detectron2's convention: contiguous ids are positions in the whole class list."""
    metadata: dict = {"class_names": list(classes.names), "class_ids": list(classes.ids)}
    for kind, positions in (("thing", classes.things), ("stuff", classes.stuff)):
        if not positions:
            continue
        metadata[f"{kind}_classes"] = [classes.names[i] for i in positions]
        metadata[f"{kind}_dataset_id_to_contiguous_id"] = {classes.ids[i]: i for i in positions}
        if classes.colors:
            metadata[f"{kind}_colors"] = [list(classes.colors[i]) for i in positions]
    if classes.stuff:
        metadata["ignore_label"] = 255
    return metadata
