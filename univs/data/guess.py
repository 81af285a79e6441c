"""What form data are in that nobody has described: a json file, an XML file, or a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from univs.data.catalog.classes import ClassTable, table_of_categories
from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.custom import FORMATS, read_categories, read_custom
from univs.data.readers.coco import file_name_of
from univs.data.readers.cvat import is_video
from univs.data.readers.folders import IMAGE_SUFFIXES
from univs.data.readers.json_file import AnnotationError, read_json
from univs.data.readers.raw_videos import VIDEO_SUFFIXES

_EXAMPLES = 5  # videos, and frames of each, that are looked for
_LEVELS_UP = 3  # folders above a file in which its images are looked for
_LEVELS_DOWN = 3


class GuessError(ValueError):
    """The form of a path cannot be told; the message says what was looked for."""


def guess_dataset(path: str | Path) -> DatasetEntry:
    """Describe the data at a path.

    Known are descriptions in YAML, the json of COCO (instances and panoptic), YouTube-VIS, BURST,
    Label Studio and TarViS, CVAT's XML, and folders of one of these, of SA-1B, of frames with
    palette masks as in DAVIS, of videos, and of images. Images and masks are looked for around the
    file.

    Args:
        path: the file or folder.

    Raises:
        FileNotFoundError: it does not exist.
        GuessError: it is of no known form, or its images are not found.
        AnnotationError: a file is damaged.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if path.suffix in (".yaml", ".yml"):
        return read_custom(path)
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".json":
        return _json(path)
    if path.suffix == ".xml":
        return _cvat(path)
    raise GuessError(f"{path} is no json, XML or YAML file and no folder.")


def _entry(
    path: Path, layout: str, place: Location, classes: ClassTable | None = None
) -> DatasetEntry:
    return DatasetEntry(
        name=path.name,
        layout=layout,
        locations=(place,),
        classes=classes,
        domain=None if classes is None else path.stem,
        remedy=f"The form of {path} was guessed; describe it in a YAML file, see `univs data "
        "register --help`.",
    )


# --------------------------------------------------------------------------------------------------
# Files


def _json(path: Path) -> DatasetEntry:
    if _first_character(path) == "[":
        return _label_studio(path)
    found: dict[str, list[dict]] = {}

    def keep_some(key: str) -> Callable[[dict], None]:
        kept = found.setdefault(key, [])
        return lambda item: kept.append(item) if len(kept) < _EXAMPLES else None

    lists = ("videos", "images", "annotations", "sequences")
    content = read_json(path, convert={key: keep_some(key) for key in lists})
    if found["sequences"]:
        return _sequences(path, found["sequences"])
    listed = found["videos"] or found["images"]
    if not listed or "categories" not in content:
        raise GuessError(
            f"{path} has the keys {sorted(content)}; lists of 'videos', 'images' or 'sequences', "
            "and 'categories', are looked for. Check other benchmarks by the name of the dataset."
        )
    images = _folder_with([name for item in listed for name in _file_names(item)], path)
    classes = _classes(path)
    segments = [item for item in found["annotations"] if "segments_info" in item]
    if found["videos"]:
        return _entry(path, "ytvis", Location(images, str(path)), classes)
    if segments:
        masks = _folder_with([item["file_name"] for item in segments], path)
        return _entry(path, "coco_panoptic", Location(images, str(path), masks=masks), classes)
    return _entry(path, "coco_instance", Location(images, str(path)), classes)


def _file_names(item: Mapping) -> list[str]:
    if "coco_url" in item and "file_name" not in item:
        return [file_name_of(item)]
    names = item.get("file_names", item.get("file_name")) or []
    return [names] if isinstance(names, str) else names[:_EXAMPLES]


def _classes(path: Path) -> ClassTable | None:
    try:
        return table_of_categories(read_categories(path))
    except (AnnotationError, ValueError, TypeError):
        return None  # the check says what is wrong with them


def _sequences(path: Path, sequences: Sequence[Mapping]) -> DatasetEntry:
    if "image_paths" in sequences[0]:
        names = [name for sequence in sequences for name in sequence["image_paths"][:_EXAMPLES]]
        return _entry(path, "tarvis_json", Location(_folder_with(names, path), str(path)))
    names = [
        f"{sequence.get('dataset')}/{sequence.get('seq_name')}/{name}"
        for sequence in sequences
        for name in sequence.get("all_image_paths", ())[:_EXAMPLES]
    ]
    return _entry(path, "burst", Location(_folder_with(names, path), str(path)))


def _label_studio(path: Path) -> DatasetEntry:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AnnotationError(f"{path} is not valid json ({error}); fetch it again.") from error
    if not tasks or not isinstance(tasks[0], dict) or "data" not in tasks[0]:
        raise GuessError(f"{path} holds a list, but not of Label Studio's tasks.")
    classes = table_of_categories(FORMATS["label_studio"].labels(str(path)))
    return _entry(path, "label_studio", Location(_images_beside(path), str(path)), classes)


def _cvat(path: Path) -> DatasetEntry:
    classes = table_of_categories(FORMATS["cvat"].labels(str(path)))
    layout = "cvat_video" if is_video(path) else "cvat_images"
    return _entry(path, layout, Location(_images_beside(path), str(path)), classes)


def _images_beside(path: Path) -> str:
    """The folder of the images of an export."""
    folders = [path.parent / "images", path.parent / "frames", path.parent]
    for folder in folders:
        if folder.is_dir() and _has_images(folder):
            return str(folder)
    raise GuessError(f"{path}: its images are not in {', '.join(map(str, folders))}.")


def _folder_with(names: Sequence[str], path: Path) -> str:
    """The folder around ``path`` that file names like ``names`` are relative to."""
    for folder in list(path.parents)[:_LEVELS_UP]:
        for candidate in _folders_below(folder, _LEVELS_DOWN):
            if any((candidate / name).is_file() for name in names):
                return str(candidate)
    raise GuessError(
        f"{path} names files such as {names[:1]}, which are in no folder near it. Describe the "
        "dataset in a YAML file that says where its images are, see `univs data register --help`."
    )


def _folders_below(folder: Path, levels: int) -> Iterator[Path]:
    """A folder and those in it, the nearer ones first; folders of single videos are left out."""
    reached = [folder]
    for _ in range(levels + 1):
        yield from reached
        reached = [
            item
            for parent in reached
            for item in sorted(parent.iterdir())[:200]
            if item.is_dir() and not item.name.startswith(".")
        ][:500]


def _first_character(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(64).lstrip()[:1]


# --------------------------------------------------------------------------------------------------
# Folders


def _folder(path: Path) -> DatasetEntry:
    for name in ("annotations.xml", *sorted(p.name for p in path.glob("*.xml"))):
        if (path / name).is_file():
            return _cvat(path / name)
    palettes = _palette_folders(path)
    if palettes is not None:
        images, masks = palettes
        return _entry(path, "mose", Location(str(images), masks=str(masks)))
    files = sorted(path.glob("*.json"))
    if files and all(file.with_suffix(".jpg").is_file() for file in files):
        return _entry(path, "sa_1b", Location(str(path), masks=str(path)))
    if len(files) == 1:
        return replace(_json(files[0]), name=path.name)
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise GuessError(f"{path} has several json files ({names}); name the one to check.")
    if _has_images(path):
        return _entry(path, "raw_images", Location(str(path)))
    if any(
        item.suffix.lower() in VIDEO_SUFFIXES or (item.is_dir() and _has_images(item))
        for item in path.iterdir()
    ):
        return _entry(path, "raw_videos", Location(str(path)))
    raise GuessError(
        f"{path} is of no known form: no annotations in json or XML, no JPEGImages with "
        "Annotations, no images and no videos. Check a benchmark by its name (`univs data list`)."
    )


def _palette_folders(path: Path) -> tuple[Path, Path] | None:
    """Folders of frames and masks with one folder per video each, as in DAVIS or MOSE."""
    for image_name, mask_name in (("JPEGImages", "Annotations"), ("images", "masks")):
        images, masks = path / image_name, path / mask_name
        if not images.is_dir() or not masks.is_dir():
            continue
        for resolution in ("", "Full-Resolution", "480p"):
            if any(_has_images(item) for item in _folders(images / resolution)) and any(
                _has_images(item) for item in _folders(masks / resolution)
            ):
                return images / resolution, masks / resolution
    return None


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir())[:20] if path.is_dir() else []


def _has_images(path: Path) -> bool:
    return any(item.suffix.lower() in IMAGE_SUFFIXES for item in path.iterdir())
