"""From an entry of the catalogue to the records of its videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.readers.burst import read_burst
from univs.data.readers.coco import read_coco_instances, read_coco_panoptic
from univs.data.readers.folders import list_folders, read_video_list
from univs.data.readers.referring import read_ref_davis, read_ref_youtube_vos
from univs.data.readers.semantic_images import read_semantic_images
from univs.data.readers.video_objects import read_palette_videos, read_youtube_vos
from univs.data.readers.vipseg import read_vipseg
from univs.data.readers.vspw import read_vspw
from univs.data.readers.youtube_vis import read_youtube_vis
from univs.data.record import PromptKind, VideoRecord

#: Takes an entry, where its files lie, and the folder for index files.
Reader = Callable[[DatasetEntry, Location, Path], list[VideoRecord]]


def _youtube_vis(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_youtube_vis(
        location.annotations,
        location.image_root,
        dataset=entry.name,
        domain=entry.domain,
        category_ids=entry.classes.ids if entry.classes else None,
    )


def _coco_instance(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_coco_instances(
        location.annotations,
        location.image_root,
        dataset=entry.name,
        domain=entry.domain,
        categories=_ranks(entry),
    )


def _coco_panoptic(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_coco_panoptic(
        location.annotations,
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        categories=_ranks(entry),
        things=entry.classes.things,
    )


def _ranks(entry: DatasetEntry) -> dict[int, int]:
    """0-based category by official id."""
    if entry.category_map is not None:
        return entry.category_map
    return {official: position for position, official in enumerate(entry.classes.ids)}


def _vipseg(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_vipseg(
        location.videos,
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        things=entry.classes.things,
        num_classes=len(entry.classes),
        index_folder=index,
    )


def _vspw(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_vspw(location.videos, location.image_root, dataset=entry.name, domain=entry.domain)


def _davis(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_palette_videos(
        read_video_list(location.videos),
        location.image_root,
        location.masks,
        dataset=entry.name,
        index_folder=index,
        is_binary=entry.layout == "davis_binary",
    )


def _mose(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_palette_videos(
        list_folders(location.image_root),
        location.image_root,
        location.masks,
        dataset=entry.name,
        index_folder=index,
    )


def _youtube_vos(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_youtube_vos(
        location.annotations, location.image_root, location.masks, dataset=entry.name
    )


def _ref_youtube_vos(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_ref_youtube_vos(
        location.annotations,
        location.image_root,
        location.masks,
        dataset=entry.name,
        index_folder=index,
    )


def _ref_davis(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_ref_davis(
        location.annotations,
        location.videos,
        location.image_root,
        location.masks,
        dataset=entry.name,
        index_folder=index,
    )


def _burst(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    # Only the file of first frames has the fields of a prompt.
    gives_prompts = Path(location.annotations).name.startswith("first_frame")
    points = entry.evaluator_type == "burst_point"
    kind = PromptKind.POINT if points else PromptKind.MASK
    return read_burst(
        location.annotations,
        location.image_root,
        dataset=entry.name,
        domain=entry.domain,
        prompt=kind if gives_prompts else None,
    )


def _ade20k(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_semantic_images(
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        offset=-1,
    )


def _cityscapes(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_semantic_images(
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        image_suffix="_leftImg8bit.png",
        mask_suffix="_gtFine_labelTrainIds.png",
    )


#: How a layout is read, by ``DatasetEntry.layout``.
READERS: dict[str, Reader] = {
    "ytvis": _youtube_vis,
    "coco_instance": _coco_instance,
    "coco_panoptic": _coco_panoptic,
    "ade20k": _ade20k,
    "cityscapes": _cityscapes,
    "vipseg": _vipseg,
    "vspw": _vspw,
    "davis": _davis,
    "davis_binary": _davis,
    "youtube_vos": _youtube_vos,
    "mose": _mose,
    "refytvos": _ref_youtube_vos,
    "refdavis": _ref_davis,
    "burst": _burst,
}


def load_records(entry: DatasetEntry, root: Path) -> list[VideoRecord]:
    """Read the records of a dataset.

    Args:
        entry: what the catalogue knows of it.
        root: root of all datasets; its folder ``.index`` keeps tables that take long to make.

    Raises:
        DatasetNotFoundError: files are missing.
        AnnotationError: files are damaged or contradict themselves.
    """
    return READERS[entry.layout](entry, entry.locate(root), root / ".index")
