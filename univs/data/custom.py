"""Datasets of one's own, described by a small YAML file instead of Python.

    name: birds_train
    format: youtube_vis      # or coco, panoptic, davis, cvat, label_studio, videos, images
    images: birds/frames     # relative to the YAML file
    annotations: birds/train.json

``register`` checks such a file and keeps it, with absolute paths and the classes, in the folder
``registered`` of the root of all datasets, where the catalogue finds it from then on.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from univs.data.catalog.classes import ClassTable, table_of_categories
from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.readers.cvat import cvat_labels, is_video
from univs.data.readers.json_file import read_json, require
from univs.data.readers.label_studio import label_studio_labels

logger = logging.getLogger(__name__)

FOLDER = "registered"


@dataclass(frozen=True)
class Format:
    """A form that data of one's own may have.

    Attributes:
        layout: how it is read, see ``univs.data.catalog.reading``.
        evaluator_type: what results are scored with.
        keys: keys that the YAML file must have besides ``name`` and ``format``.
        labels: reads the categories, as a list of ``id``, ``name`` and perhaps ``isthing``, from
            ``annotations``; None: targets have no classes.
    """

    layout: str
    evaluator_type: str
    keys: tuple[str, ...]
    labels: Callable[[str], list[dict[str, Any]]] | None = None


def read_categories(path: str | Path) -> list[dict[str, Any]]:
    """The ``categories`` of a json, without keeping its annotations in memory."""
    content = read_json(path, keys=("categories",), convert={"annotations": lambda item: None})
    for position, category in enumerate(content["categories"]):
        require(category, ("id", "name"), f"{path}: category {position}")
    return content["categories"]


def _numbered(labels: Iterable[str]) -> list[dict[str, Any]]:
    return [{"id": number, "name": label} for number, label in enumerate(labels, start=1)]


#: By the value of ``format``.
FORMATS: dict[str, Format] = {
    "coco": Format("coco_instance", "coco", ("images", "annotations"), read_categories),
    "youtube_vis": Format("ytvis", "ytvis", ("images", "annotations"), read_categories),
    "panoptic": Format(
        "coco_panoptic", "coco_panoptic_seg", ("images", "annotations", "masks"), read_categories
    ),
    "davis": Format("mose", "vos", ("images", "masks")),
    "cvat": Format(
        "cvat_images", "", ("images", "annotations"), lambda path: _numbered(cvat_labels(path))
    ),
    "label_studio": Format(
        "label_studio",
        "",
        ("images", "annotations"),
        lambda path: _numbered(label_studio_labels(path)),
    ),
    "videos": Format("raw_videos", "", ("images",)),
    "images": Format("raw_images", "", ("images",)),
}
_PATHS = ("images", "annotations", "masks", "videos")
_KEYS = {"name", "format", "domain", "evaluator", "aliases", "classes", *_PATHS}
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


class CustomDatasetError(ValueError):
    """A YAML file of a dataset is wrong; the message names file, key and remedy."""


def read_custom(path: str | Path) -> DatasetEntry:
    """Read the description of a dataset.

    Paths in it are relative to its folder. The classes come from ``classes`` or else from the
    annotations.

    Raises:
        CustomDatasetError: the file is missing, is not YAML, or has a wrong key.
        AnnotationError: the annotations are damaged.
    """
    path = Path(path)
    content = _load(path)
    form = FORMATS[content["format"]]
    base = path.resolve().parent
    paths = {key: str(base / content[key]) for key in _PATHS if content.get(key) is not None}
    classes = None
    is_there = Path(paths.get("annotations", "")).is_file()
    if form.labels is not None:
        listed = content.get("classes")
        if listed is None:
            if not is_there:
                raise CustomDatasetError(
                    f"{path}: annotations {paths['annotations']} do not exist; mend the path."
                )
            listed = form.labels(paths["annotations"])
        classes = _class_table(listed, str(path))
    name = content["name"]
    layout = form.layout
    if content["format"] == "davis" and "videos" in paths:
        layout = "davis"
    elif content["format"] == "cvat" and is_there and is_video(paths["annotations"]):
        layout = "cvat_video"
    return DatasetEntry(
        name=name,
        layout=layout,
        locations=(
            Location(
                paths["images"],
                paths.get("annotations"),
                masks=paths.get("masks"),
                videos=paths.get("videos"),
            ),
        ),
        evaluator_type=content.get("evaluator", form.evaluator_type),
        classes=classes,
        domain=None if classes is None else content.get("domain", name),
        aliases=tuple(content.get("aliases") or ()),
        remedy=f"It is described in {path}; mend the paths there.",
    )


def write_custom(source: str | Path, root: str | Path) -> Path:
    """Keep the description of a dataset for the catalogue.

    Args:
        source: the YAML file.
        root: root of all datasets.

    Returns:
        the file that was written.

    Raises:
        CustomDatasetError: as :func:`read_custom`.
    """
    source = Path(source)
    content = _load(source)
    entry = read_custom(source)
    base = source.resolve().parent
    kept = {key: value for key, value in content.items() if value is not None}
    kept |= {key: str((base / content[key]).resolve()) for key in _PATHS if content.get(key)}
    if entry.classes is not None:
        table = entry.classes
        kept["classes"] = [
            {"id": number, "name": name, "isthing": int(thing)}
            for number, name, thing in zip(table.ids, table.names, table.is_thing, strict=True)
        ]
    target = Path(root, FOLDER, f"{entry.name}.yaml")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
    os.replace(temporary, target)
    return target


def registered_entries(root: str | Path) -> list[DatasetEntry]:
    """The datasets that were registered below a root; a file that is wrong is only warned about."""
    entries = []
    for path in sorted(Path(root, FOLDER).glob("*.yaml")):
        try:
            entries.append(read_custom(path))
        except (ValueError, OSError) as error:
            logger.warning("The registered dataset %s is left out: %s", path, error)
    return entries


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CustomDatasetError(f"{path} does not exist.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CustomDatasetError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise CustomDatasetError(f"{path} must hold keys and values, such as 'name: birds_train'.")
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise CustomDatasetError(
            f"{path} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}."
        )
    kind = content.get("format")
    if kind not in FORMATS:
        raise CustomDatasetError(
            f"{path}: 'format' is {kind!r}; it must be one of {', '.join(FORMATS)}."
        )
    for key in ("name", *FORMATS[kind].keys):
        if not isinstance(content.get(key), str):
            raise CustomDatasetError(f"{path}: format {kind!r} needs the key {key!r}.")
    if not _NAME.fullmatch(content["name"]):
        raise CustomDatasetError(
            f"{path}: the name {content['name']!r} may have letters, digits, and . _ + - only."
        )
    return dict(content)


def _class_table(categories: list[dict], where: str) -> ClassTable:
    try:
        return table_of_categories(categories)
    except ValueError as error:
        raise CustomDatasetError(f"{where}: {error}") from error
