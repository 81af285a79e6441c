"""BURST: tracks as run lengths at the annotated frames; first frames with masks, boxes, points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.mask_source import RleMasks
from univs.data.readers.json_file import AnnotationError, read_json, require
from univs.data.record import ObjectRecord, PromptKind, PromptRecord, VideoRecord


def read_burst(
    json_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    domain: str | None,
    prompt: PromptKind | None = None,
    categories: Mapping[int, int] | None = None,
) -> list[VideoRecord]:
    """Read the sequences of a BURST json in the order of the file.

    A record has all frames; ``annotated`` says which have truth.

    Args:
        json_file: such as ``all_classes.json`` or ``first_frame_annotations.json``.
        image_root: ``frames/<split>``.
        dataset: registered name.
        domain: name of the class list.
        prompt: how objects are given, in the first annotated frame that shows them; None: not at
            all.
        categories: 0-based category by official id; None: classes are not used.

    Raises:
        AnnotationError: the file is damaged or contradicts itself.
    """
    records = []
    for position, sequence in enumerate(read_json(json_file, keys=("sequences",))["sequences"]):
        where = f"{json_file}: sequence {sequence.get('seq_name', position)!r}"
        require(
            sequence,
            ("dataset", "seq_name", "height", "width", "all_image_paths"),
            where,
        )
        require(sequence, ("annotated_image_paths", "segmentations", "track_category_ids"), where)
        folder = f"{sequence['dataset']}/{sequence['seq_name']}"
        positions = {name: frame for frame, name in enumerate(sequence["all_image_paths"])}
        unknown = [name for name in sequence["annotated_image_paths"] if name not in positions]
        if unknown:
            raise AnnotationError(f"{where}: annotated frame {unknown[0]!r} is not in its frames.")
        annotated = [positions[name] for name in sequence["annotated_image_paths"]]
        if len(sequence["segmentations"]) != len(annotated):
            raise AnnotationError(
                f"{where} has {len(sequence['segmentations'])} segmentations for {len(annotated)} "
                "annotated frames."
            )
        objects, prompts = _tracks(sequence, annotated, prompt, categories, where)
        records.append(
            VideoRecord(
                dataset=dataset,
                domain=domain,
                video_id=folder,
                official_id=sequence.get("id", folder),
                frames=ImageFrames(
                    image_root, tuple(f"{folder}/{n}" for n in sequence["all_image_paths"])
                ),
                size=(sequence["height"], sequence["width"]),
                objects=objects,
                fps=sequence.get("fps"),
                annotated=tuple(annotated),
                prompts=prompts,
            )
        )
    return records


def _tracks(
    sequence: dict,
    annotated: list[int],
    prompt: PromptKind | None,
    categories: Mapping[int, int] | None,
    where: str,
) -> tuple[tuple[ObjectRecord, ...], tuple[PromptRecord, ...]]:
    size = (sequence["height"], sequence["width"])
    entries: dict[str, list[tuple[int, dict]]] = {}  # (frame, entry) by track
    for frame, tracks in zip(annotated, sequence["segmentations"], strict=True):
        for track, entry in tracks.items():
            entries.setdefault(track, []).append((frame, entry))
    objects, prompts = [], []
    for number, track in enumerate(sorted(entries, key=int)):
        item = entries[track]
        if track not in sequence["track_category_ids"]:
            raise AnnotationError(f"{where}: track {track} has no category.")
        official = sequence["track_category_ids"][track]
        if categories is not None and official not in categories:
            raise AnnotationError(f"{where}: track {track} has the unknown category {official}.")
        frames = tuple(frame for frame, _ in item)
        segments = tuple(entry["rle"].encode("ascii") for _, entry in item)
        objects.append(
            ObjectRecord(
                id=number,
                official_id=int(track),
                category=None if categories is None else categories[official],
                masks=RleMasks(size, frames, segments),
                frames=frames,
            )
        )
        if prompt is not None:
            prompts.append(_prompt(number, *item[0], prompt, f"{where}, track {track}"))
    return tuple(objects), tuple(prompts)


def _prompt(number: int, frame: int, entry: dict, kind: PromptKind, where: str) -> PromptRecord:
    point = box = None
    if kind is PromptKind.POINT:
        require(entry, ("point",), where)
        point = tuple(float(value) for value in entry["point"])
    elif kind is PromptKind.BOX:
        require(entry, ("bbox",), where)
        x, y, width, height = map(float, entry["bbox"])
        box = (x, y, x + width, y + height)
    return PromptRecord(number, frame, kind, point=point, box=box)
