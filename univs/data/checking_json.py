"""Goes through a json of annotations and names everything that is wrong, not just the first thing.

The readers stop at the first contradiction and quietly drop polygons that are no polygons; here
both are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from univs.data.checking_report import CheckReport, Problem
from univs.data.readers.json_file import AnnotationError, read_json
from univs.data.run_lengths import run_lengths


@dataclass(frozen=True)
class ListedVideo:
    """A video (or image) as a json lists it.

    Attributes:
        video: official id.
        file_names: of its frames, relative to the folder of images.
        size: height and width.
    """

    video: Hashable
    file_names: tuple[str, ...]
    size: tuple[int, int]


def check_json(
    path: str, report: CheckReport, categories: Iterable[int] | None = None
) -> list[ListedVideo]:
    """Check a file in the form of YouTube-VIS or of COCO instances.

    Args:
        path: the file.
        report: problems and counts are added to it.
        categories: the official ids that the file must have; None accepts any.

    Returns:
        the videos that it lists, so far as they are described.
    """
    try:
        content = read_json(path, keys=("categories",), convert={"annotations": _Facts.parse})
    except AnnotationError as error:
        report.problems.append(Problem("damaged json", str(error), path))
        return []
    is_video = "videos" in content
    listed = content.get("videos" if is_video else "images")
    if listed is None:
        message = "it has neither 'videos' nor 'images'"
        report.problems.append(Problem("damaged json", message, path))
        return []
    videos = dict(_videos(listed, path, report))
    report.counts["videos" if is_video else "images"] += len(listed)
    report.counts["frames"] += sum(len(video.file_names) for video in videos.values())
    annotations: list[_Facts] = content.get("annotations") or []
    report.counts["annotations"] += len(annotations)
    used: Counter[Any] = Counter(facts.category for facts in annotations)
    known = _check_categories(content["categories"], categories, used, path, report)
    seen: set[tuple] = set()
    for facts in annotations:
        # Ids of some video datasets are unique in their video only.
        key = (facts.video, facts.official_id) if is_video else (facts.official_id,)
        if key in seen:
            message = f"annotation {facts.official_id!r} occurs more than once"
            report.problems.append(Problem("duplicate id", message, path, str(facts.video)))
        seen.add(key)
        report.problems += facts.problems(path, videos, known)
    return list(videos.values())


def _videos(
    listed: list[dict], path: str, report: CheckReport
) -> Iterator[tuple[Hashable, ListedVideo]]:
    seen: set[Hashable] = set()
    for position, item in enumerate(listed):
        missing = [key for key in ("id", "height", "width") if key not in item]
        names = item.get("file_names", item.get("file_name"))
        if names is None and "coco_url" in item:  # LVIS
            names = "/".join(item["coco_url"].split("/")[-2:])
        missing += ["file_names"] * (names is None)
        if missing:
            message = f"entry {position} of the list has no key {missing[0]!r}"
            report.problems.append(
                Problem("missing key", message, path, str(item.get("id", position)))
            )
            continue
        names = (names,) if isinstance(names, str) else tuple(names)
        video = str(item["id"])
        if item["id"] in seen:
            report.problems.append(
                Problem("duplicate id", "the id occurs more than once", path, video)
            )
        seen.add(item["id"])
        if item.get("length", len(names)) != len(names):
            message = f"its length is {item['length']}, but it has {len(names)} file names"
            report.problems.append(Problem("wrong length", message, path, video))
        if not names:
            report.problems.append(Problem("wrong length", "it has no frames", path, video))
        yield item["id"], ListedVideo(item["id"], names, (item["height"], item["width"]))


def _check_categories(
    listed: list[dict],
    expected: Iterable[int] | None,
    used: Mapping[Any, int],
    path: str,
    report: CheckReport,
) -> set[int]:
    """The ids of the categories."""
    ids = [category.get("id") for category in listed]
    for number, count in Counter(ids).items():
        if count > 1:
            message = f"category {number!r} occurs {count} times"
            report.problems.append(Problem("duplicate id", message, path))
    known = {number for number in ids if number is not None}
    report.counts["categories"] += len(known)
    if expected is not None and known != set(expected):
        message = f"its category ids are {sorted(known)}, {sorted(expected)} are expected"
        report.problems.append(Problem("wrong categories", message, path))
    gaps = sorted(set(range(min(known, default=1), max(known, default=0) + 1)) - known)
    if gaps and expected is None:
        message = (
            f"{len(gaps)} ids between {min(known)} and {max(known)} have no category: "
            f"{', '.join(map(str, gaps[:10]))}"
        )
        report.problems.append(Problem("category gap", message, path, is_error=False))
    if used:
        unused = sorted(known - used.keys())
        if unused:
            message = f"{len(unused)} categories have no objects: {unused[:10]}"
            report.problems.append(Problem("unused category", message, path, is_error=False))
    return known


@dataclass(slots=True)
class _Facts:
    """What is wrong with an annotation by itself, and what its video has to agree with."""

    official_id: Any
    video: Any
    category: Any
    num_entries: int | None  # per frame; None for an image
    sizes: dict[tuple[int, int], int]  # of run lengths, with the first frame of each
    num_present: int
    own: list[tuple[str, int | None, str]]  # kind, frame, message
    has_masks: bool

    @classmethod
    def parse(cls, annotation: dict) -> _Facts:
        facts = cls(
            official_id=annotation.get("id"),
            video=annotation.get("video_id", annotation.get("image_id")),
            category=annotation.get("category_id"),
            num_entries=None,
            sizes={},
            num_present=0,
            own=[],
            has_masks=True,
        )
        missing = [key for key in ("id", "category_id") if key not in annotation]
        if facts.video is None:
            missing.append("video_id")
        facts.own += [("missing key", None, f"it has no key {key!r}") for key in missing]
        segmentations = annotation.get("segmentations", annotation.get("bboxes"))
        if "video_id" not in annotation:
            segmentations = [annotation.get("segmentation")]
            facts.has_masks = segmentations[0] is not None
        else:
            facts.num_entries = len(segmentations or ())
            facts.has_masks = annotation.get("segmentations") is not None
        if facts.has_masks:
            for frame, item in enumerate(segmentations):
                facts._look_at(item, frame)
        else:
            facts.num_present = sum(bool(box) for box in segmentations or ())
        return facts

    def _look_at(self, segmentation: Any, frame: int) -> None:
        if not segmentation:
            return
        if isinstance(segmentation, list):
            bad = [p for p in segmentation if len(p) < 6 or len(p) % 2]
            if bad:
                message = (
                    f"{len(bad)} of {len(segmentation)} polygons have fewer than three points or "
                    "an odd count of numbers; they are ignored"
                )
                self.own.append(("bad polygon", frame, message))
            self.num_present += len(bad) < len(segmentation)
            return
        try:
            height, width = segmentation["size"]
            counts = segmentation["counts"]
            lengths = np.array(counts) if isinstance(counts, list) else run_lengths(counts)
        except (TypeError, KeyError, ValueError):
            self.own.append(("invalid mask", frame, "it is neither run lengths nor polygons"))
            return
        self.sizes.setdefault((height, width), frame)
        self.num_present += 1
        if len(lengths) and lengths.min() < 0 or lengths.sum() != height * width:
            message = (
                f"the run lengths cover {lengths.sum()} pixels, a mask of {height}x{width} has "
                f"{height * width}"
            )
            self.own.append(("invalid mask", frame, message))
        elif not lengths[1::2].sum():
            self.own.append(("empty mask", frame, "the mask has no pixels"))

    def problems(
        self, path: str, videos: Mapping[Hashable, ListedVideo], categories: set[int]
    ) -> Iterator[Problem]:
        """All that is wrong with the annotation."""
        video = str(self.video)
        where = f"annotation {self.official_id!r}: "
        soft = ("bad polygon", "empty mask")
        for kind, frame, message in self.own:
            shown = None if self.num_entries is None else frame
            yield Problem(kind, where + message, path, video, shown, kind not in soft)
        if self.category is not None and self.category not in categories:
            message = f"category {self.category!r} is not among the {len(categories)} of the file"
            yield Problem("unknown category", where + message, path, video)
        if not self.num_present and self.has_masks:
            message = "no frame shows it" if self.num_entries else "it has no mask"
            yield Problem("empty track", where + message, path, video, is_error=False)
        listed = videos.get(self.video)
        if listed is None:
            if self.video is not None:
                yield Problem("unknown video", where + "its video is not listed", path, video)
            return
        if self.num_entries is not None and self.num_entries != len(listed.file_names):
            message = (
                f"it has {self.num_entries} entries, its video {len(listed.file_names)} frames"
            )
            yield Problem("wrong length", where + message, path, video)
        for (height, width), frame in self.sizes.items():
            if (height, width) != listed.size:
                message = (
                    f"its mask is {height}x{width} (height x width), its video "
                    f"{listed.size[0]}x{listed.size[1]}"
                )
                shown = None if self.num_entries is None else frame
                yield Problem("size mismatch", where + message, path, video, shown)


def check_panoptic_json(path: str, report: CheckReport) -> None:
    """Check a file in the form of COCO panoptic; problems and counts are added to the report."""
    try:
        content = read_json(path, keys=("images", "annotations", "categories"))
    except AnnotationError as error:
        report.problems.append(Problem("damaged json", str(error), path))
        return
    images = Counter(image.get("id") for image in content["images"])
    annotated = Counter(item.get("image_id") for item in content["annotations"])
    for ids, what in ((images, "image"), (annotated, "the annotation of image")):
        for number, count in ids.items():
            if count > 1:
                message = f"{what} {number!r} occurs {count} times"
                report.problems.append(Problem("duplicate id", message, path, str(number)))
    for number in images.keys() - annotated.keys():
        message = "it has no annotation, and is left out"
        problem = Problem("missing annotation", message, path, str(number), None, False)
        report.problems.append(problem)
    for number in annotated.keys() - images.keys():
        message = "its annotation is there, but the image is not listed"
        report.problems.append(Problem("unknown image", message, path, str(number)))
    used = Counter(
        segment.get("category_id")
        for item in content["annotations"]
        for segment in item.get("segments_info", ())
    )
    known = _check_categories(content["categories"], None, used, path, report)
    for item in content["annotations"]:
        for segment in item.get("segments_info", ()):
            if segment.get("category_id") not in known:
                message = (
                    f"segment {segment.get('id')!r}: category {segment.get('category_id')!r} is "
                    f"not among the {len(known)} of the file"
                )
                image = str(item.get("image_id"))
                report.problems.append(Problem("unknown category", message, path, image))
