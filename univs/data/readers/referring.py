"""Ref-YouTube-VOS and Ref-DAVIS: expressions for the objects of YouTube-VOS and DAVIS."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.readers.folders import read_video_list
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.readers.mask_videos import MaskVideo, Table, mask_video, shown_ids
from univs.data.readers.video_objects import mask_objects, object_frames, read_palette_videos
from univs.data.record import ExpressionRecord, VideoRecord

_DAVIS_LINE = re.compile(r'\s*(\S+)\s+(\d+)\s+"?(.*?)"?\s*$')
#: Names that the text files of Ref-DAVIS misspell.
_DAVIS_NAMES = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}


def read_ref_youtube_vos(
    expression_file: str | Path,
    image_root: str | Path,
    mask_root: str | Path | None,
    *,
    dataset: str,
    index_folder: str | Path | None = None,
) -> list[VideoRecord]:
    """Read ``meta_expressions.json``; expressions name an object where the file says which.

    The published validation file covers the test videos too; those that the test file beside it
    (``../test/meta_expressions.json``) lists are left out.

    Args:
        expression_file: the file of the split, in a folder named after the split.
        image_root: ``JPEGImages``.
        mask_root: ``Annotations``, or None. Which frames show an object is taken from the
            ``meta.json`` beside this folder if there is one that lists frames, else from the masks.
        dataset: registered name.
        index_folder: see :func:`~univs.data.readers.folders.presence`.

    Raises:
        AnnotationError: the file is damaged, or names an object that its video does not have.
    """
    path = Path(expression_file)
    videos = read_json(path, keys=("videos",))["videos"]
    test_file = path.parent.parent / "test" / path.name
    if path.parent.name == "valid" and test_file.is_file():
        hidden = read_json(test_file, keys=("videos",))["videos"]
        videos = {name: video for name, video in videos.items() if name not in hidden}
    names = sorted(videos)
    frames = {}
    for name in names:
        require(videos[name], ("expressions", "frames"), f"{path}: video {name!r}")
        listed = tuple(f"{name}/{frame}.jpg" for frame in videos[name]["frames"])
        frames[name] = ImageFrames(image_root, listed)
    says_objects = any(
        "obj_id" in item for video in videos.values() for item in video["expressions"].values()
    )
    videos_with_masks, tables = {}, {}
    if says_objects and mask_root is not None:
        videos_with_masks = {name: mask_video(name, frames[name], mask_root) for name in names}
        tables = _object_tables(videos_with_masks, mask_root, dataset, index_folder)
    records = []
    for name in names:
        where = f"{path}: video {name!r}"
        found = videos_with_masks.get(name) or mask_video(name, frames[name], None)
        objects = mask_objects(found.maps, tables[name]) if tables else ()
        numbers = {item.official_id: item.id for item in objects}
        expressions = []
        for key, item in videos[name]["expressions"].items():
            require(item, ("exp",), f"{where}, expression {key!r}")
            number = numbers.get(int(item["obj_id"])) if numbers and "obj_id" in item else None
            if numbers and "obj_id" in item and number is None:
                raise AnnotationError(
                    f"{where}, expression {key!r} names object {item['obj_id']}, which the video "
                    "does not have."
                )
            expressions.append(ExpressionRecord(id=key, text=item["exp"], object_id=number))
        record = found.record(objects, dataset=dataset, domain=None)
        records.append(replace(record, expressions=tuple(expressions)))
    return records


def _object_tables(
    videos: dict[str, MaskVideo],
    mask_root: str | Path,
    dataset: str,
    index_folder: str | Path | None,
) -> dict[str, Table]:
    """Frames by object id, by video."""
    meta_file = Path(mask_root).parent / "meta.json"
    known = read_json(meta_file, keys=("videos",))["videos"] if meta_file.is_file() else {}
    if all(name in known for name in videos):
        return {
            name: object_frames(
                known[name]["objects"], video.frames, f"{meta_file}: video {name!r}"
            )
            for name, video in videos.items()
        }
    tables = shown_ids(list(videos.values()), dataset=dataset, index_folder=index_folder)
    return dict(zip(videos, tables, strict=True))


def read_ref_davis(
    text_file: str | Path,
    list_file: str | Path,
    image_root: str | Path,
    mask_root: str | Path,
    *,
    dataset: str,
    index_folder: str | Path | None = None,
) -> list[VideoRecord]:
    """Read one of the four text files of Ref-DAVIS; expression ids count from 0 in object order.

    Args:
        text_file: lines of video, object number and quoted expression; UTF-8 or Latin-1.
        list_file: the videos of the split; lines about others are skipped.
        image_root: folder with one folder of frames per video.
        mask_root: folder of the "unsupervised" masks, whose object numbers are meant.
        dataset: registered name.
        index_folder: see :func:`~univs.data.readers.folders.presence`.

    Raises:
        AnnotationError: a line is malformed, or a video or object has no expression or no mask.
    """
    names = read_video_list(list_file)
    texts = _davis_texts(text_file)
    missing = [name for name in names if name not in texts]
    if missing:
        raise AnnotationError(f"{text_file} has no expression for video {missing[0]!r}.")
    annotator = re.search(r"annot(\d+)", Path(text_file).name)
    records = []
    for record in read_palette_videos(
        names, image_root, mask_root, dataset=dataset, index_folder=index_folder
    ):
        numbers = {item.official_id: item.id for item in record.objects}
        expressions = []
        for position, (number, text) in enumerate(sorted(texts[record.video_id].items())):
            if number not in numbers:
                raise AnnotationError(
                    f"{text_file}: video {record.video_id!r} has an expression for object "
                    f"{number}, which the masks in {mask_root} do not show."
                )
            expressions.append(
                ExpressionRecord(
                    id=position,
                    text=text,
                    object_id=numbers[number],
                    annotator=annotator.group(1) if annotator else None,
                )
            )
        records.append(replace(record, expressions=tuple(expressions), prompts=()))
    return records


def _davis_texts(text_file: str | Path) -> dict[str, dict[int, str]]:
    """Expression by object number, by video."""
    content = Path(text_file).read_bytes()
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        lines = content.decode("latin-1").splitlines()
    texts: dict[str, dict[int, str]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = _DAVIS_LINE.match(line)
        if match is None:
            raise AnnotationError(
                f"{text_file}, line {number}: expected a video, an object number and an "
                f"expression, found {line!r}."
            )
        name = _DAVIS_NAMES.get(match.group(1), match.group(1))
        texts.setdefault(name, {})[int(match.group(2))] = match.group(3)
    return texts
