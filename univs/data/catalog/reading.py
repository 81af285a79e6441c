"""From an entry of the catalogue to the records of its videos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from univs.data.catalog.entry import DatasetEntry, Location
from univs.data.catalog.file_classes import with_file_classes
from univs.data.frames import ResizedFrames
from univs.data.readers.burst import read_burst
from univs.data.readers.cityscapes_vps import read_cityscapes_vps
from univs.data.readers.coco import read_coco_instances, read_coco_panoptic
from univs.data.readers.cvat import read_cvat_images, read_cvat_video
from univs.data.readers.entityseg import read_entityseg
from univs.data.readers.flickr30k import read_flickr30k
from univs.data.readers.folders import list_folders, read_video_list
from univs.data.readers.held_out import read_held_out_videos
from univs.data.readers.kitti_step import read_kitti_step
from univs.data.readers.label_studio import read_label_studio
from univs.data.readers.mevis import read_mevis
from univs.data.readers.raw_videos import read_raw_images, read_raw_videos
from univs.data.readers.refcoco import read_mixed_refcoco, read_refcoco
from univs.data.readers.referring import read_ref_davis, read_ref_youtube_vos
from univs.data.readers.segment_anything import read_segment_anything
from univs.data.readers.semantic_images import read_semantic_images
from univs.data.readers.tarvis_json import read_tarvis_json
from univs.data.readers.video_objects import read_palette_videos, read_youtube_vos
from univs.data.readers.viposeg import read_viposeg
from univs.data.readers.vipseg import read_vipseg
from univs.data.readers.vspw import read_vspw
from univs.data.readers.youtube_vis import read_youtube_vis
from univs.data.record import DeferredRecord, PromptKind, VideoRecord

Records = list[VideoRecord] | list[DeferredRecord]
#: Takes an entry, where its files lie, and the folder for index files.
Reader = Callable[[DatasetEntry, Location, Path], Records]


def _named(entry: DatasetEntry) -> dict[str, Any]:
    """What records say about their dataset."""
    return {"dataset": entry.name, "domain": entry.domain}


def _numbered(entry: DatasetEntry) -> dict[str, Any]:
    """Classes for readers of files that number them without gaps."""
    return {"things": entry.classes.things, "num_classes": len(entry.classes)}


def _ranks(entry: DatasetEntry) -> dict[int, int] | None:
    """0-based category by official id; None: as the file says."""
    if entry.category_map is not None:
        return dict(entry.category_map)
    if entry.classes is None:
        return None
    return {official: position for position, official in enumerate(entry.classes.ids)}


# --------------------------------------------------------------------------------------------------
# Targets given by class


def _youtube_vis(entry: DatasetEntry, place: Location, index: Path) -> Records:
    ids = entry.classes.ids if entry.classes else None
    records = read_youtube_vis(
        place.annotations, place.image_root, **_named(entry), category_ids=ids
    )
    if place.part not in ("dev", "train_sub"):
        return records
    held_out = read_held_out_videos(
        place.annotations, cap_factor=2 if entry.domain == "ovis" else 1, index_folder=index
    )
    is_dev = place.part == "dev"
    return [record for record in records if (record.official_id in held_out) == is_dev]


def _coco_instance(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_coco_instances(
        place.annotations, place.image_root, **_named(entry), categories=_ranks(entry)
    )


def _coco_panoptic(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_coco_panoptic(
        place.annotations,
        place.image_root,
        place.masks,
        **_named(entry),
        categories=_ranks(entry),
        things=entry.classes and entry.classes.things,
        # Of Cityscapes, as TarViS has it: licence plates, and what is not labelled.
        ignored=(-1, 0) if entry.domain == "cityscapes_panoptic" else (),
    )


def _entityseg(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_entityseg(
        place.annotations,
        place.image_root,
        **_named(entry),
        categories=_ranks(entry),
        things=entry.classes.things,
    )


def _resized_youtube_vis(entry: DatasetEntry, place: Location, index: Path) -> Records:
    """Images that UniVS lists as videos, and that may be stored smaller than they are annotated."""
    records = _youtube_vis(entry, place, index)
    return [replace(r, frames=ResizedFrames(r.frames, r.size)) for r in records]


def _ade20k(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_semantic_images(place.image_root, place.masks, **_named(entry), offset=-1)


def _cityscapes(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_semantic_images(
        place.image_root,
        place.masks,
        **_named(entry),
        image_suffix="_leftImg8bit.png",
        mask_suffix="_gtFine_labelTrainIds.png",
    )


def _vipseg(entry: DatasetEntry, place: Location, index: Path) -> Records:
    return read_vipseg(
        place.videos,
        place.image_root,
        place.masks,
        **_named(entry),
        **_numbered(entry),
        index_folder=index,
    )


def _vspw(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_vspw(place.videos, place.image_root, **_named(entry))


def _kitti_step(entry: DatasetEntry, place: Location, index: Path) -> Records:
    return read_kitti_step(
        place.image_root, place.masks, **_named(entry), **_numbered(entry), index_folder=index
    )


def _cityscapes_vps(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_cityscapes_vps(
        place.annotations,
        place.image_root,
        place.masks,
        **_named(entry),
        categories=_ranks(entry),
        things=entry.classes.things,
        frame_file=place.videos,
    )


def _tarvis_json(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_tarvis_json(
        place.annotations,
        place.image_root,
        **_named(entry),
        categories=_ranks(entry),
        things=entry.classes.things if entry.classes else (),
    )


def _labelled(read: Callable[..., list[VideoRecord]]) -> Reader:
    """A reader of the export of a labelling tool, which names classes."""

    def read_export(entry: DatasetEntry, place: Location, _: Path) -> Records:
        classes = {name: position for position, name in enumerate(entry.classes.names)}
        return read(place.annotations, place.image_root, **_named(entry), categories=classes)

    return read_export


# --------------------------------------------------------------------------------------------------
# Targets given by masks, points or expressions


def _viposeg(entry: DatasetEntry, place: Location, index: Path) -> Records:
    return read_viposeg(
        place.categories,
        place.image_root,
        place.masks,
        **_named(entry),
        **_numbered(entry),
        meta_file=place.annotations,
        index_folder=index,
    )


def _davis(entry: DatasetEntry, place: Location, index: Path) -> Records:
    if place.videos is None:
        names = list_folders(place.image_root)
    else:
        names = read_video_list(place.videos)
    records = read_palette_videos(
        names,
        place.image_root,
        place.masks,
        dataset=entry.name,
        index_folder=index,
        is_binary=entry.layout == "davis_binary",
    )
    if entry.layout == "davis_unsupervised":  # nothing is given
        return [replace(record, prompts=()) for record in records]
    return records


def _youtube_vos(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_youtube_vos(place.annotations, place.image_root, place.masks, dataset=entry.name)


def _burst(entry: DatasetEntry, place: Location, _: Path) -> Records:
    # Only the file of first frames has the fields of a prompt.
    gives_prompts = Path(place.annotations).name.startswith("first_frame")
    points = entry.evaluator_type == "burst_point"
    kind = PromptKind.POINT if points else PromptKind.MASK
    return read_burst(
        place.annotations,
        place.image_root,
        **_named(entry),
        prompt=kind if gives_prompts else None,
        categories=_ranks(entry),
    )


def _ref_youtube_vos(entry: DatasetEntry, place: Location, index: Path) -> Records:
    return read_ref_youtube_vos(
        place.annotations, place.image_root, place.masks, dataset=entry.name, index_folder=index
    )


def _ref_davis(entry: DatasetEntry, place: Location, index: Path) -> Records:
    return read_ref_davis(
        place.annotations,
        place.videos,
        place.image_root,
        place.masks,
        dataset=entry.name,
        index_folder=index,
    )


def _refcoco(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_refcoco(
        place.annotations,
        place.categories,
        place.image_root,
        dataset=entry.name,
        split=entry.name.rsplit("_", 1)[1],
    )


def _refcoco_mixed(entry: DatasetEntry, place: Location, _: Path) -> Records:
    if Path(place.annotations).is_file():  # as UniVS converts it
        return read_youtube_vis(
            place.annotations, place.image_root, dataset=entry.name, domain=None
        )
    folder = Path(place.annotations)
    kinds = (("refcoco", "unc"), ("refcoco+", "unc"), ("refcocog", "umd"))
    sources = [
        (folder / name / f"refs({split}).p", folder / name / "instances.json")
        for name, split in kinds
    ]
    return read_mixed_refcoco(sources, place.image_root, dataset=entry.name)


def _mevis(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_mevis(place.annotations, place.image_root, place.masks, dataset=entry.name)


def _segment_anything(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_segment_anything(
        place.image_root, place.masks, dataset=entry.name, list_file=place.annotations
    )


def _flickr30k(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_flickr30k(place.annotations, place.image_root, dataset=entry.name)


def _raw_videos(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_raw_videos(place.image_root, dataset=entry.name)


def _raw_images(entry: DatasetEntry, place: Location, _: Path) -> Records:
    return read_raw_images(place.image_root, dataset=entry.name)


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
    "davis_unsupervised": _davis,
    "youtube_vos": _youtube_vos,
    "mose": _davis,
    "refytvos": _ref_youtube_vos,
    "refdavis": _ref_davis,
    "burst": _burst,
    "lvis": _coco_instance,
    "objects365": _coco_instance,
    "entityseg": _entityseg,
    "univs_images": _resized_youtube_vis,
    "mapillary": _coco_panoptic,
    "kitti_step": _kitti_step,
    "cityscapes_vps": _cityscapes_vps,
    "tarvis_json": _tarvis_json,
    "viposeg": _viposeg,
    "refcoco": _refcoco,
    "refcoco_mixed": _refcoco_mixed,
    "mevis": _mevis,
    "sa_1b": _segment_anything,
    "flickr30k": _flickr30k,
    "raw_videos": _raw_videos,
    "raw_images": _raw_images,
    "cvat_images": _labelled(read_cvat_images),
    "cvat_video": _labelled(read_cvat_video),
    "label_studio": _labelled(read_label_studio),
}


def load_records(entry: DatasetEntry, root: Path) -> Records:
    """Read the records of a dataset.

    Args:
        entry: what the catalogue knows of it.
        root: root of all datasets; its folder ``.index`` keeps tables that take long to make.

    Returns:
        one per video or image, in the order of the dataset. Where annotations lie in a file per
        image, they are read when a record is used.

    Raises:
        DatasetNotFoundError: files are missing.
        AnnotationError: files are damaged or contradict themselves.
    """
    place = entry.locate(root)
    entry = with_file_classes(entry, place)
    records = READERS[place.layout or entry.layout](entry, place, root / ".index")
    return records[: _first(place.part, len(records))]


def _first(part: str | None, count: int) -> int:
    """How many of ``count`` records the part ``first 50`` or ``first 10%`` has."""
    if part is None or not part.startswith("first "):
        return count
    amount = part.removeprefix("first ")
    if amount.endswith("%"):
        return max(1, int(float(amount[:-1]) / 100 * count))
    return int(amount)
