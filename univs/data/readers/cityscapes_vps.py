"""Cityscapes-VPS: a panoptic json of images that belong to short videos, and RGB masks.

An image's id is ``10000 * video + frame``; of 30 frames of a video six have truth. The id of a
segment is the same in every frame of its video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.mask_source import IdMaps, IdMasks, MapEncoding
from univs.data.readers.json_file import AnnotationError, check_unique, read_json, require
from univs.data.record import ObjectRecord, VideoRecord

_FRAMES_PER_VIDEO = 10000  # a bound


@dataclass
class _Segment:
    category: int
    is_crowd: bool
    frames: list[int] = field(default_factory=list)


def read_cityscapes_vps(
    json_file: str | Path,
    image_root: str | Path,
    mask_root: str | Path | None,
    *,
    dataset: str,
    domain: str,
    categories: Mapping[int, int],
    things: Sequence[int],
    frame_file: str | Path | None = None,
) -> list[VideoRecord]:
    """Read the videos of a split in ascending order of their numbers.

    Args:
        json_file: annotations; for the test split, a file of images only.
        image_root: folder of the images.
        mask_root: folder of the RGB masks, whose ids agree within a video; None without truth.
        dataset: registered name.
        domain: name of the class list.
        categories: 0-based category by official id.
        things: 0-based categories that are things.
        frame_file: lists all frames, if ``json_file`` lists the annotated ones only.

    Raises:
        AnnotationError: a file is damaged or contradicts itself.
    """
    content = read_json(json_file, keys=("images",))
    listed = content if frame_file is None else read_json(frame_file, keys=("images",))
    videos: dict[int, list[dict]] = {}
    for image in listed["images"]:
        require(image, ("id", "file_name", "height", "width"), f"{json_file}: image")
        videos.setdefault(image["id"] // _FRAMES_PER_VIDEO, []).append(image)
    check_unique((image["id"] for image in listed["images"]), json_file, "image")
    annotations: dict[int, dict] = {}
    for annotation in content.get("annotations") or ():
        where = f"{json_file}: annotation of image {annotation.get('image_id')!r}"
        require(annotation, ("image_id", "file_name", "segments_info"), where)
        annotations[annotation["image_id"]] = annotation
    unknown = annotations.keys() - {image["id"] for image in listed["images"]}
    if unknown:
        raise AnnotationError(
            f"{json_file}: image {min(unknown)} has annotations but is not listed."
        )
    records = []
    for number, images in sorted(videos.items()):
        images.sort(key=lambda image: image["id"])
        truth = [annotations.get(image["id"]) for image in images]
        where = f"{json_file}: video {number}"
        segments = _segments(truth, categories, where, dataset)
        maps = IdMaps(
            root=str(mask_root),
            file_names=tuple(item and item["file_name"] for item in truth),
            encoding=MapEncoding.RGB,
            size=(images[0]["height"], images[0]["width"]),
        )
        annotated = tuple(frame for frame, item in enumerate(truth) if item)
        thing_set = set(things)
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=domain,
                video_id=f"{number:04d}",
                official_id=number,
                frames=ImageFrames(image_root, [image["file_name"] for image in images]),
                size=maps.size,
                objects=tuple(
                    ObjectRecord(
                        id=position,
                        official_id=value,
                        category=segment.category,
                        masks=IdMasks(maps, value),
                        frames=tuple(segment.frames),
                        is_thing=segment.category in thing_set,
                        is_crowd=segment.is_crowd,
                    )
                    for position, (value, segment) in enumerate(sorted(segments.items()))
                ),
                annotated=annotated if 0 < len(annotated) < len(images) else None,
            )
        )
    return records


def _segments(
    truth: Sequence[dict | None], categories: Mapping[int, int], where: str, dataset: str
) -> dict[int, _Segment]:
    """Segments of a video by their ids."""
    segments: dict[int, _Segment] = {}
    for frame, annotation in enumerate(truth):
        for info in annotation["segments_info"] if annotation else ():
            require(info, ("id", "category_id"), f"{where}, frame {frame}: a segment")
            if info["category_id"] not in categories:
                raise AnnotationError(
                    f"{where}, frame {frame}: segment {info['id']} has category "
                    f"{info['category_id']}, which {dataset} does not have."
                )
            category = categories[info["category_id"]]
            is_crowd = bool(info.get("iscrowd", 0))
            segment = segments.setdefault(info["id"], _Segment(category, is_crowd))
            if segment.category != category:
                raise AnnotationError(
                    f"{where}: segment {info['id']} changes its category in frame {frame}. Masks "
                    "whose ids agree within a video lie in the folder panoptic_video."
                )
            segment.frames.append(frame)
    return segments
