"""The part of a training set that UniVS holds out for development, by its rule.

The published files list the videos; without them the rule gives the same division from the official
json, as far as it has been described.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from univs.data.readers.index_file import file_digest, write_index
from univs.data.readers.json_file import read_json, require
from univs.data.record import OfficialId

_SHARE = 0.1
_LONGEST = 100  # frames of a video that may be held out


def held_out_videos(
    lengths: Mapping[OfficialId, int],
    annotations: Iterable[tuple[OfficialId, int]],
    *,
    num_categories: int,
    cap_factor: int = 1,
) -> set[OfficialId]:
    """Choose the videos to hold out.

    Annotations are gone through in the order of the file. A video is decided on when its first one
    is met: it is held out if it has at most 100 frames, and so far at most ``cap`` annotations of
    that category are held out. Videos without annotations are not.

    Args:
        lengths: frames of each video.
        annotations: video and category of each, in the order of the file.
        num_categories: of the dataset.
        cap_factor: the cap is as many times ``2 * int(0.1 * videos) // categories``; 2 for OVIS.
    """
    cap = 2 * int(_SHARE * len(lengths)) // num_categories * cap_factor
    is_held_out: dict[OfficialId, bool] = {}
    counts: Counter[int] = Counter()
    for video, category in annotations:
        if video not in is_held_out:
            is_held_out[video] = counts[category] <= cap and lengths[video] <= _LONGEST
        if is_held_out[video]:
            counts[category] += 1
    return {video for video, held_out in is_held_out.items() if held_out}


def read_held_out_videos(
    json_file: str | Path, *, cap_factor: int = 1, index_folder: str | Path | None = None
) -> set[OfficialId]:
    """The held-out videos of a YouTube-VIS style json.

    Args:
        json_file: annotations of the whole training set.
        cap_factor: see :func:`held_out_videos`.
        index_folder: where the list is kept, so that the file is read for it only once; None keeps
            nothing.

    Raises:
        AnnotationError: the file is damaged.
    """
    index = None
    if index_folder is not None:
        digest = file_digest([json_file])
        index = Path(index_folder, f"held-out-{Path(json_file).stem}-{cap_factor}-{digest}.json")
        if index.is_file():
            return set(json.loads(index.read_text()))

    def video_and_category(item: dict) -> tuple[OfficialId, int]:
        where = f"{json_file}: annotation {item.get('id')!r}"
        require(item, ("video_id", "category_id"), where)
        return item["video_id"], item["category_id"]

    content = read_json(
        json_file,
        keys=("videos", "categories", "annotations"),
        convert={"annotations": video_and_category},
    )
    videos = held_out_videos(
        {video["id"]: len(video["file_names"]) for video in content["videos"]},
        content["annotations"],
        num_categories=len(content["categories"]),
        cap_factor=cap_factor,
    )
    if index is not None:
        write_index(index, sorted(videos, key=str))
    return videos
