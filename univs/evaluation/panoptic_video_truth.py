"""Annotations and result files of panoptic videos: VIPSeg and Cityscapes-VPS."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from univs.evaluation.metrics.pair_counts import PairCounts
from univs.evaluation.metrics.panoptic import PanopticCategories, PanopticStatistics
from univs.evaluation.metrics.panoptic_ids import VOID_ID
from univs.evaluation.metrics.segmentation_tracking import (
    SequenceQuality,
    sequence_quality,
    vipseg_counts,
    vipseg_protocol,
)
from univs.evaluation.metrics.video_panoptic import (
    CITYSCAPES_VPS_WINDOWS,
    VIPSEG_WINDOWS,
    PanopticFrame,
    video_statistics,
)
from univs.evaluation.panoptic_files import read_id_map
from univs.evaluation.per_video import check_no_video_missing
from univs.evaluation.video_statistics import (
    FrameOverlaps,
    TrackStatistics,
    overlaps_of_pairs,
    statistics_of_overlaps,
)

# One frame of a prediction: segment ids [H, W], and {id, category_id} of every segment.
PanopticPrediction = tuple[np.ndarray, Sequence[Mapping]]

FRAMES_PER_VIDEO = 10000  # in the ids of Cityscapes-VPS, a bound


class PanopticVideoScores(NamedTuple):
    """What one video adds.

    Attributes:
        windows: window length -> sums for VPQ.
        tracking: for STQ; None where the benchmark has none.
        statistics: stability of the identities of things.
    """

    windows: dict[int, PanopticStatistics]
    tracking: SequenceQuality | None
    statistics: TrackStatistics


class PanopticVideoTruth:
    """The annotations of a data set in the layout of VIPSeg's evaluation.

    Attributes:
        windows: lengths of the windows of VPQ in frames.
        has_tracking: whether the benchmark also reports STQ.
        categories: of the data set; results count categories by their position in ascending id.
        videos: video id -> annotations of its frames, ``{file_name, segments_info}``, in order.
    """

    windows: tuple[int, ...] = VIPSEG_WINDOWS
    has_tracking = True

    def __init__(self, panoptic_json: str | os.PathLike, panoptic_root: str | os.PathLike) -> None:
        """Read the list of segments; maps are read when they are needed.

        Args:
            panoptic_json: ``{"annotations": [{video_id, annotations: [...]}], "categories"}``.
            panoptic_root: folder of ``<video>/<frame>.png``.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: it is broken, or a video occurs twice.
        """
        content = read_panoptic_json(panoptic_json)
        if "categories" not in content:
            raise ValueError(f"{panoptic_json}: the key 'categories' is missing.")
        categories = sorted(content["categories"], key=lambda category: category["id"])
        self.categories = PanopticCategories.from_json(categories)
        self.videos = self._read_videos(content, Path(panoptic_json))
        self._root = Path(panoptic_root)
        self._protocol = vipseg_protocol(
            max(self.categories.ids, default=-1) + 1,
            np.array(self.categories.ids)[self.categories.is_thing].tolist(),
        )

    def _read_videos(self, content: Mapping, path: Path) -> dict[Hashable, list[dict]]:
        return frames_by_video(content, path)

    def frame_names(self, video: Hashable) -> list[str]:
        """Names of the annotated frames of a video."""
        return [Path(frame["file_name"]).stem for frame in self.videos[video]]

    def id_map(self, video: Hashable, name: str) -> np.ndarray:
        """Segment ids of a frame: [H, W] uint32."""
        return read_id_map(self._root / str(video) / f"{name}.png")

    def annotated_frames(self, video: Hashable, num_frames: int, sample: Mapping) -> list[int]:
        """Which frames of a predicted video have annotations.

        Args:
            video: its id.
            num_frames: of the prediction.
            sample: the input of the evaluator.

        Raises:
            ValueError: the prediction does not have the frames of the annotations.
        """
        expected = len(self.videos[video])
        if num_frames != expected:
            raise ValueError(
                f"Video {video!r} has {expected} frames, but the prediction has {num_frames}."
            )
        return list(range(expected))

    def result_map(self, video: Hashable, name: str) -> Path:
        """Path of the map of a frame in a folder of results."""
        return Path("pan_pred", str(video), f"{name}.png")

    def result_json(self, listed: Mapping[Hashable, Mapping[str, list[dict]]]) -> list[dict]:
        """The annotations of ``pred.json``: ``listed`` has the segments by video and frame name."""
        return [
            {
                "video_id": video,
                "annotations": [
                    {"file_name": f"{name}.png", "segments_info": segments}
                    for name, segments in frames.items()
                ],
            }
            for video, frames in listed.items()
        ]

    def listed_segments(self, path: Path) -> dict[Hashable, dict[str, list[dict]]]:
        """Segments by video and frame name of a ``pred.json``.

        Raises:
            FileNotFoundError: it does not exist.
            ValueError: a video or frame is missing, unknown or listed twice.
        """
        predicted = frames_by_video(read_panoptic_json(path), path)
        unknown = predicted.keys() - self.videos.keys()
        if unknown:
            raise ValueError(f"{path}: the annotations have no video {min(unknown, key=str)!r}.")
        check_no_video_missing(self.videos, predicted, allow_missing=False)
        listed = {}
        for video in self.videos:
            by_name = {Path(f["file_name"]).stem: f["segments_info"] for f in predicted[video]}
            names = self.frame_names(video)
            absent = [name for name in names if name not in by_name]
            if absent or len(predicted[video]) != len(names):
                what = "there are unknown or repeated frames"
                what = f"frame {absent[0]} is missing" if absent else what
                raise ValueError(f"{path}: video {video!r}: {what}.")
            listed[video] = by_name
        return listed

    def result_id_map(
        self, result_dir: str | os.PathLike, video: Hashable, name: str
    ) -> np.ndarray:
        """Predicted segment ids of a frame: [H, W] uint32."""
        return read_id_map(Path(result_dir) / self.result_map(video, name))

    def score(
        self,
        video: Hashable,
        predictions: Iterable[PanopticPrediction],
        windows: Sequence[int] | None = None,
    ) -> PanopticVideoScores:
        """Score one video.

        Args:
            video: its id.
            predictions: id map [H, W] and ``{id, category_id}`` list of every annotated frame.
            windows: lengths in frames; None takes those of the benchmark.

        Raises:
            ValueError: sizes differ, a map and its list disagree, or a category is unknown.
        """
        names = self.frame_names(video)
        frames = [
            PanopticFrame.from_maps(
                self.id_map(video, name),
                predicted,
                listed["segments_info"],
                segments,
                f"Video {video!r}, frame {name}",
            )
            for name, listed, (predicted, segments) in zip(
                names, self.videos[video], predictions, strict=True
            )
        ]
        windows = self.windows if windows is None else windows
        statistics = video_statistics(frames, windows, self.categories, str(video), names)
        tracking = None
        if self.has_tracking:
            tracking = sequence_quality(vipseg_counts(frames), self._protocol, video)
        return PanopticVideoScores(
            statistics,
            tracking,
            statistics_of_overlaps(_thing_overlaps(frame, self.categories) for frame in frames),
        )


class CityscapesVpsTruth(PanopticVideoTruth):
    """The annotations of Cityscapes-VPS, which list images; an image's id tells its video.

    Of the 30 frames of a video six are annotated. The official tool takes six images in a row for a
    video, and pairs results with images by their position; results that name their ``image_id``
    are paired by it here.
    """

    windows = CITYSCAPES_VPS_WINDOWS
    has_tracking = False

    def _read_videos(self, content: Mapping, path: Path) -> dict[Hashable, list[dict]]:
        if "images" not in content:
            raise ValueError(f"{path}: the key 'images' is missing.")
        annotations = by_image(content, path)
        videos: dict[Hashable, list[dict]] = {}
        for image in content["images"]:
            if image["id"] not in annotations:
                raise ValueError(f"{path}: image {image['id']} has no annotation.")
            entry = {
                "image_id": image["id"],
                "file_name": image["file_name"],
                "map": annotations[image["id"]].get("file_name"),
                "segments_info": annotations[image["id"]]["segments_info"],
            }
            videos.setdefault(image["id"] // FRAMES_PER_VIDEO, []).append(entry)
        return videos

    def id_map(self, video: Hashable, name: str) -> np.ndarray:
        """Segment ids of a frame: [H, W] uint32."""
        (entry,) = [e for e in self.videos[video] if Path(e["file_name"]).stem == name]
        official = (
            Path(entry["file_name"])
            .name.replace("_newImg8bit.png", "_final_mask.png")
            .replace("_leftImg8bit.png", "_gtFine_color.png")
        )
        path = self._root / official
        if entry["map"] is not None and not path.is_file():
            path = self._root / entry["map"]
        return read_id_map(path)

    def annotated_frames(self, video: Hashable, num_frames: int, sample: Mapping) -> list[int]:
        """See `PanopticVideoTruth.annotated_frames`; frames are found by ``file_names``."""
        index = {Path(name).stem: frame for frame, name in enumerate(sample["file_names"])}
        if len(sample["file_names"]) != num_frames:
            raise ValueError(
                f"Video {video!r} has {len(sample['file_names'])} frames, but the prediction has "
                f"{num_frames}."
            )
        absent = [name for name in self.frame_names(video) if name not in index]
        if absent:
            raise ValueError(f"Video {video!r}: the annotated frame {absent[0]} has no prediction.")
        return [index[name] for name in self.frame_names(video)]

    def result_map(self, video: Hashable, name: str) -> Path:
        """Path of the map of a frame in a folder of results."""
        return Path("pan_pred", f"{self._image_ids(video)[name]}.png")

    def result_json(self, listed: Mapping[Hashable, Mapping[str, list[dict]]]) -> list[dict]:
        """The annotations of ``pred.json`` in the order of the images."""
        return [
            {"image_id": self._image_ids(video)[name], "segments_info": listed[video][name]}
            for video in self.videos
            for name in (self.frame_names(video) if video in listed else ())
        ]

    def listed_segments(self, path: Path) -> dict[Hashable, dict[str, list[dict]]]:
        """See `PanopticVideoTruth.listed_segments`."""
        content = read_panoptic_json(path)
        image_ids = [entry["image_id"] for frames in self.videos.values() for entry in frames]
        if all("image_id" in entry for entry in content["annotations"]):
            predicted = by_image(content, path)
        elif len(content["annotations"]) == len(image_ids):
            predicted = dict(zip(image_ids, content["annotations"], strict=True))
        else:
            raise ValueError(
                f"{path}: there are {len(content['annotations'])} annotations for "
                f"{len(image_ids)} images. Write one per image, in their order."
            )
        unknown = predicted.keys() - set(image_ids)
        if unknown:
            raise ValueError(f"{path}: the truth has no image {min(unknown, key=str)!r}.")
        check_no_video_missing(image_ids, predicted, allow_missing=False, unit="image")
        return {
            video: {
                name: predicted[image_id]["segments_info"]
                for name, image_id in self._image_ids(video).items()
            }
            for video in self.videos
        }

    def _image_ids(self, video: Hashable) -> dict[str, int]:
        """Image ids by frame name."""
        return {Path(frame["file_name"]).stem: frame["image_id"] for frame in self.videos[video]}


def read_panoptic_json(path: str | os.PathLike) -> dict:
    """Read a JSON file of panoptic annotations or results.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is no JSON file, or has no list of annotations.
    """
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not a JSON file: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise ValueError(f"{path}: the list 'annotations' is missing.")
    return content


def frames_by_video(content: Mapping, path: str | os.PathLike) -> dict[Hashable, list[dict]]:
    """Video id -> its frames.

    Raises:
        ValueError: a video occurs twice, or a key is missing.
    """
    _check_entries(content, ("video_id", "annotations"), path)
    videos = {entry["video_id"]: entry["annotations"] for entry in content["annotations"]}
    if len(videos) != len(content["annotations"]):
        raise ValueError(f"{path}: a video occurs twice.")
    return videos


def by_image(content: Mapping, path: str | os.PathLike) -> dict[int | str, dict]:
    """Image id -> its annotation.

    Raises:
        ValueError: an image occurs twice, or a key is missing.
    """
    _check_entries(content, ("image_id", "segments_info"), path)
    images = {entry["image_id"]: entry for entry in content["annotations"]}
    if len(images) != len(content["annotations"]):
        raise ValueError(f"{path}: an image occurs twice.")
    return images


def _check_entries(content: Mapping, keys: Sequence[str], path: str | os.PathLike) -> None:
    for index, entry in enumerate(content["annotations"]):
        missing = [key for key in keys if key not in entry]
        if missing:
            raise ValueError(f"{path}: annotation {index} has no {missing[0]!r}.")


def _thing_overlaps(frame: PanopticFrame, categories: PanopticCategories) -> FrameOverlaps:
    """IoU of the things of a frame, without crowds; what lies on void belongs to no prediction."""
    things = set(np.array(categories.ids)[categories.is_thing].tolist())
    truths = [
        segment["id"]
        for segment in frame.truth_segments
        if segment["category_id"] in things and not segment.get("iscrowd", 0)
    ]
    tracks = [s["id"] for s in frame.predicted_segments if s["category_id"] in things]
    counted = PairCounts(*(values[frame.pairs.first != VOID_ID] for values in frame.pairs))
    return overlaps_of_pairs(
        counted,
        np.unique(np.array(truths, dtype=np.int64)),
        np.unique(np.array(tracks, dtype=np.int64)),
    )
