"""From an entry of the catalogue to the records of its videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.readers.burst import read_burst
from univs.data.readers.cityscapes_vps import read_cityscapes_vps
from univs.data.readers.coco import read_coco_instances, read_coco_panoptic
from univs.data.readers.folders import list_folders, read_video_list
from univs.data.readers.held_out import read_held_out_videos
from univs.data.readers.kitti_step import read_kitti_step
from univs.data.readers.mevis import read_mevis
from univs.data.readers.raw_videos import read_raw_images, read_raw_videos
from univs.data.readers.refcoco import read_mixed_refcoco, read_refcoco
from univs.data.readers.referring import read_ref_davis, read_ref_youtube_vos
from univs.data.readers.semantic_images import read_semantic_images
from univs.data.readers.video_objects import read_palette_videos, read_youtube_vos
from univs.data.readers.viposeg import read_viposeg
from univs.data.readers.vipseg import read_vipseg
from univs.data.readers.vspw import read_vspw
from univs.data.readers.youtube_vis import read_youtube_vis
from univs.data.record import PromptKind, VideoRecord

#: Takes an entry, where its files lie, and the folder for index files.
Reader = Callable[[DatasetEntry, Location, Path], list[VideoRecord]]


def _youtube_vis(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    records = read_youtube_vis(
        location.annotations,
        location.image_root,
        dataset=entry.name,
        domain=entry.domain,
        category_ids=entry.classes.ids if entry.classes else None,
    )
    if location.part not in ("dev", "train_sub"):
        return records
    held_out = read_held_out_videos(
        location.annotations, cap_factor=2 if entry.domain == "ovis" else 1, index_folder=index
    )
    is_dev = location.part == "dev"
    return [record for record in records if (record.official_id in held_out) == is_dev]


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
        things=entry.classes and entry.classes.things,
    )


def _ranks(entry: DatasetEntry) -> dict[int, int] | None:
    """0-based category by official id; None: as the file says."""
    if entry.category_map is not None:
        return entry.category_map
    if entry.classes is None:
        return None
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


def _kitti_step(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_kitti_step(
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        things=entry.classes.things,
        num_classes=len(entry.classes),
        index_folder=index,
    )


def _cityscapes_vps(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_cityscapes_vps(
        location.annotations,
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        categories=_ranks(entry),
        things=entry.classes.things,
        frame_file=location.videos,
    )


def _viposeg(entry: DatasetEntry, location: Location, index: Path) -> list[VideoRecord]:
    return read_viposeg(
        location.categories,
        location.image_root,
        location.masks,
        dataset=entry.name,
        domain=entry.domain,
        things=entry.classes.things,
        num_classes=len(entry.classes),
        meta_file=location.annotations,
        index_folder=index,
    )


def _refcoco(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_refcoco(
        location.annotations,
        location.categories,
        location.image_root,
        dataset=entry.name,
        split=entry.name.rsplit("_", 1)[1],
    )


def _refcoco_mixed(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    if Path(location.annotations).is_file():  # as UniVS converts it
        return read_youtube_vis(
            location.annotations, location.image_root, dataset=entry.name, domain=None
        )
    folder = Path(location.annotations)
    kinds = (("refcoco", "unc"), ("refcoco+", "unc"), ("refcocog", "umd"))
    sources = [
        (folder / name / f"refs({split}).p", folder / name / "instances.json")
        for name, split in kinds
    ]
    return read_mixed_refcoco(sources, location.image_root, dataset=entry.name)


def _mevis(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_mevis(location.annotations, location.image_root, location.masks, dataset=entry.name)


def _raw_videos(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_raw_videos(location.image_root, dataset=entry.name)


def _raw_images(entry: DatasetEntry, location: Location, _: Path) -> list[VideoRecord]:
    return read_raw_images(location.image_root, dataset=entry.name)


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
    "lvis": _coco_instance,
    "objects365": _coco_instance,
    "entityseg": _youtube_vis,
    "mapillary": _coco_panoptic,
    "kitti_step": _kitti_step,
    "cityscapes_vps": _cityscapes_vps,
    "viposeg": _viposeg,
    "refcoco": _refcoco,
    "refcoco_mixed": _refcoco_mixed,
    "mevis": _mevis,
    "raw_videos": _raw_videos,
    "raw_images": _raw_images,
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
    location = entry.locate(root)
    records = READERS[entry.layout](entry, location, root / ".index")
    return records[: _first(location.part, len(records))]


def _first(part: str | None, count: int) -> int:
    """How many of ``count`` records the part ``first 50`` or ``first 10%`` has."""
    if part is None or not part.startswith("first "):
        return count
    amount = part.removeprefix("first ")
    if amount.endswith("%"):
        return max(1, int(float(amount[:-1]) / 100 * count))
    return int(amount)
