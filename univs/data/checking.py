"""Checks a dataset on disk: annotations, frames and masks; every problem is named and counted."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from univs.data.catalog.entry import DatasetEntry, DatasetNotFoundError, Location
from univs.data.catalog.reading import load_records
from univs.data.checking_json import ListedVideo, check_json, check_panoptic_json
from univs.data.checking_report import CheckReport, Problem
from univs.data.file_check import wrong_frame
from univs.data.frames import FrameError, ResizedFrames
from univs.data.mask_source import IdMasks, MapEncoding, MaskError, read_id_map
from univs.data.readers.folders import list_folders, list_frames, read_video_list
from univs.data.readers.json_file import AnnotationError
from univs.data.record import DeferredRecord, VideoRecord

#: Layouts whose json can be gone through without a reader.
_JSON_LAYOUTS = {"ytvis", "univs_images", "coco_instance", "lvis", "objects365"}
#: Layouts with a folder of masks for every video; whose pixels are object numbers, or classes too.
_NUMBER_LAYOUTS = {
    "davis",
    "davis_binary",
    "davis_unsupervised",
    "mose",
    "youtube_vos",
    "viposeg",
    "refytvos",
    "refdavis",
}
_CLASS_LAYOUTS = {"vipseg": MapEncoding.VALUE, "kitti_step": MapEncoding.STEP}
_MOST_OBJECTS = 100  # in a mask of object numbers; more are the colours of a picture
_MOST_DEFERRED = 10_000  # records that lie in a file each, and are all kept in memory here
_CHUNK = 256  # files looked at between two calls of on_progress


def check_dataset(
    entry: DatasetEntry,
    root: Path,
    *,
    decode_frames: bool = True,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[CheckReport, list[VideoRecord]]:
    """Check a dataset.

    Args:
        entry: what the catalogue knows of it.
        root: root of all datasets.
        decode_frames: decode every frame, which finds truncated images but takes long; otherwise
            only the header is read.
        on_progress: called with the number of files looked at and of all.

    Returns:
        the report, and the records if they can be read (else none).
    """
    report = CheckReport(entry.name)
    try:
        location = entry.locate(root)
    except DatasetNotFoundError as error:
        report.problems.append(Problem("missing files", str(error), str(root)))
        return report, []
    listed: list[ListedVideo] = []
    layout = location.layout or entry.layout
    if layout in _JSON_LAYOUTS:
        # A dataset that takes its classes from another one leaves other categories out.
        expected = entry.classes if layout == "ytvis" else None
        listed = check_json(location.annotations, report, expected and expected.ids)
    if layout in ("coco_panoptic", "mapillary"):
        check_panoptic_json(location.annotations, report)
    videos = (
        _video_folders(location) if layout in _NUMBER_LAYOUTS or layout in _CLASS_LAYOUTS else []
    )
    if location.masks is not None:
        _check_mask_files(location.masks, videos, _CLASS_LAYOUTS.get(layout), report)
    records = _records(entry, root, report)
    if records:
        _check_records(records, report)
        _check_id_maps(records, report, skip=bool(videos))
        _check_annotated(records, report)
        _check_numbering(records, report)
    frames = [*_frames_of_json(listed, location)] or [*_frames_of_records(records)]
    frames = frames or [*_frames_of_folders(videos, location)]  # what was wrong is in the report
    _check_frames(frames, report, decode=decode_frames, on_progress=on_progress)
    if entry.count is not None and records and len(records) != entry.count:
        message = f"it has {len(records)} videos or images; the official download has {entry.count}"
        file = location.annotations or location.videos or location.image_root
        report.problems.append(Problem("unexpected count", message, file, is_error=False))
    return report, records


def _records(entry: DatasetEntry, root: Path, report: CheckReport) -> list[VideoRecord]:
    try:
        records = load_records(entry, root)
        if records and isinstance(records[0], DeferredRecord):
            step = -(-len(records) // _MOST_DEFERRED)
            if step > 1:
                message = f"only one in {step} of the {len(records)} files was looked at"
                report.problems.append(
                    Problem("partial check", message, entry.locate(root).masks, is_error=False)
                )
            return [record.load() for record in records[::step]]
        return records
    except (AnnotationError, FrameError, MaskError, OSError, ValueError) as error:
        if not report.errors:  # else it is one of those that are listed already
            location = entry.locate(root)
            file = location.annotations or location.videos or location.image_root
            report.problems.append(Problem("unreadable", str(error), file))
        return []


def _check_records(records: Sequence[VideoRecord], report: CheckReport) -> None:
    if not report.counts["frames"]:
        report.counts["videos"] = len(records)
        report.counts["frames"] = sum(len(record) for record in records)
    report.counts["objects"] = sum(len(record.objects) for record in records)
    report.counts["expressions"] = sum(len(record.expressions) for record in records)
    if report.counts["annotations"]:  # a json, in which empty tracks were found
        return
    for record in records:
        for item in record.objects:
            if not item.frames:
                message = f"object {item.official_id!r}: no frame shows it"
                report.problems.append(
                    Problem(
                        "empty track", message, record.frames.name(0), record.video_id, None, False
                    )
                )


def _check_annotated(records: Sequence[VideoRecord], report: CheckReport) -> None:
    """Name frames without a mask in videos in which most frames have one."""
    for record in records:
        if record.annotated is None or 2 * len(record.annotated) <= len(record):
            continue
        for frame in sorted(set(range(len(record))) - set(record.annotated)):
            message = "it has no mask, and is left out of training"
            report.problems.append(
                Problem(
                    "missing annotation",
                    message,
                    record.frames.name(frame),
                    record.video_id,
                    frame,
                    False,
                )
            )


_NUMBER = re.compile(r"(\d+)$")


def _check_numbering(records: Sequence[VideoRecord], report: CheckReport) -> None:
    """Name the places where numbers in the names of frames do not go on as they began."""
    for record in records:
        stems = [_NUMBER.search(Path(name).stem) for name in record.frames.names]
        if len(record) < 3 or not all(stems):
            continue
        steps = np.diff([int(stem.group()) for stem in stems])
        usual = int(np.median(steps))
        for frame in np.flatnonzero(steps != usual).tolist():
            message = (
                f"its number is {steps[frame]} above that of the frame before, elsewhere "
                f"{usual}; frames are taken in their order all the same"
            )
            name = record.frames.name(frame + 1)
            report.problems.append(
                Problem("frame gap", message, name, record.video_id, frame + 1, False)
            )


# --------------------------------------------------------------------------------------------------
# Masks in images


def _video_folders(location: Location) -> list[str]:
    """The videos of a split that has a folder for each."""
    if location.videos is not None:
        return read_video_list(location.videos)
    return list_folders(location.masks or location.image_root)


def _check_mask_files(
    folder: str, videos: Sequence[str], encoding: MapEncoding | None, report: CheckReport
) -> None:
    """Check masks without the reader, which stops at the first wrong one.

    Args:
        folder: of the masks, with a folder for each video.
        videos: the names of those.
        encoding: of classes; None: pixels are object numbers.
        report: problems are added to it.
    """
    paths = [path for name in videos for path in sorted(Path(folder, name).glob("*.png"))]
    report.counts["masks"] += len(paths)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = pool.map(lambda path: _wrong_mask(path, encoding), paths)
        for path, problem in zip(paths, found, strict=True):
            if problem is not None:
                kind, text = problem
                report.problems.append(Problem(kind, text, str(path), path.parent.name))


def _wrong_mask(path: Path, encoding: MapEncoding | None) -> tuple[str, str] | None:
    """Kind and description of what is wrong with a mask."""
    try:
        ids = read_id_map(path, encoding or MapEncoding.VALUE)
    except MaskError as error:
        is_wrong_mode = "is expected" in str(error)
        return ("wrong palette" if is_wrong_mode else "unreadable mask"), str(error)
    if encoding is not None:
        return None
    count = len(np.setdiff1d(np.unique(ids), (0, 255)))
    if count > _MOST_OBJECTS:
        return (
            "wrong palette",
            f"it holds {count} different numbers, as a grey picture does; numbers of objects are "
            "expected. Use the original file.",
        )
    return None


def _check_id_maps(records: Sequence[VideoRecord], report: CheckReport, *, skip: bool) -> None:
    """Check sizes and ids of the maps that objects point into.

    Args:
        records: of the dataset.
        report: problems are added to it.
        skip: the modes of the files were checked before; only sizes are left.
    """
    for record in records:
        maps = {
            id(o.masks.maps): o.masks.maps for o in record.objects if isinstance(o.masks, IdMasks)
        }
        if record.label_maps is not None:
            maps[id(record.label_maps)] = record.label_maps
        for id_maps in maps.values():
            report.counts["masks"] += 0 if skip else sum(map(bool, id_maps.file_names))
            for frame, name in enumerate(id_maps.file_names):
                if name is None:
                    continue
                path = id_maps.path(frame)
                try:
                    ids = id_maps.decode(frame)
                except MaskError as error:
                    kind = (
                        "size mismatch" if "(height x width)" in str(error) else "unreadable mask"
                    )
                    report.problems.append(Problem(kind, str(error), path, record.video_id, frame))
                    continue
                values = [
                    o.masks.value
                    for o in record.objects
                    if isinstance(o.masks, IdMasks)
                    and o.masks.maps is id_maps
                    and frame in o.frames
                ]
                absent = np.setdiff1d([v for v in values if v is not None], ids)
                if len(absent):
                    message = f"ids {absent[:5].tolist()} should be in the mask but are not"
                    report.problems.append(
                        Problem("missing id", message, path, record.video_id, frame, False)
                    )


# --------------------------------------------------------------------------------------------------
# Frames

_Frame = tuple[str, str, int, tuple[int, int] | None]  # path, video, frame, size


def _frames_of_json(listed: Iterable[ListedVideo], location: Location) -> Iterator[_Frame]:
    for video in listed:
        for frame, name in enumerate(video.file_names):
            yield f"{location.image_root}/{name}", str(video.video), frame, video.size


def _frames_of_records(records: Iterable[VideoRecord]) -> Iterator[_Frame]:
    for record in records:
        size = None if isinstance(record.frames, ResizedFrames) else record.size
        for frame, name in enumerate(record.frames.names):
            if "#frame=" not in name:  # a frame inside a video file
                yield name, record.video_id, frame, size


def _frames_of_folders(videos: Iterable[str], location: Location) -> Iterator[_Frame]:
    for video in videos:
        for frame, name in enumerate(list_frames(location.image_root, video).names):
            yield name, video, frame, None


def _check_frames(
    frames: Sequence[_Frame],
    report: CheckReport,
    *,
    decode: bool,
    on_progress: Callable[[int, int], None],
) -> None:
    on_progress(0, len(frames))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(frames), _CHUNK):
            chunk = frames[start : start + _CHUNK]
            found = pool.map(lambda item: wrong_frame(item[0], item[3], decode=decode), chunk)
            for (path, video, frame, _), problem in zip(chunk, found, strict=True):
                if problem is not None:
                    report.problems.append(Problem(*problem, path, video, frame))
            on_progress(start + len(chunk), len(frames))
