"""Results that equal the truth of a small dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog
from detectron2.structures import Instances
from univs.data.record import VideoRecord
from univs.evaluation.benchmark_truth import benchmark_kind, burst_truth_file
from univs.evaluation.label_map_files import read_label_map
from univs.structures import Track, VideoResult, encode_mask

TOY_VAL = {  # name -> kind of benchmark
    "toy_ytvis_val": "youtube_vis",
    "toy_vipseg_val": "video_panoptic",
    "toy_vspw_val": "video_semantic",
    "toy_davis_val": "video_object",
    "toy_ytvos_val": "video_object",
    "toy_mose_val": "video_object",
    "toy_refdavis_val_0": "video_object",
    "toy_refytvos_val": "referring",
    "toy_burst_point_val": "burst",
    "toy_coco_instance_val": "image_instance",
    "toy_coco_panoptic_val": "image_panoptic",
}


def perfect_samples(name: str) -> list[tuple[dict, object]]:
    """(input, output that equals the truth) of every entry of a registered dataset."""
    metadata = MetadataCatalog.get(name)
    kind = benchmark_kind(metadata)
    makers = {
        "image_instance": _instances,
        "image_panoptic": _panoptic,
        "image_semantic": _semantic,
    }
    make = makers.get(kind, _video)
    return [
        (
            {**entry, "image_id": entry["video_id"], "file_name": entry["file_names"][0]},
            make(entry["record"], metadata),
        )
        for entry in DatasetCatalog.get(name)
    ]


def _video(record: VideoRecord, metadata: Metadata) -> VideoResult:
    kind, frames = benchmark_kind(metadata), range(len(record))
    tracks, label_maps = [], None
    if kind == "video_semantic":
        label_maps = [np.int64(record.label_maps.decode(t)) for t in frames]
        label_maps = [np.where(labels == 255, -1, labels) for labels in label_maps]
    elif kind == "burst":
        tracks = _burst_tracks(record, metadata)
    elif kind == "video_object" and metadata.get("truth"):
        folder = Path(metadata.truth) / record.video_id
        maps = [read_label_map(folder / f"{Path(name).stem}.png") for name in record.frames.names]
        for target_id in np.setdiff1d(maps, [0, 255]).tolist():
            masks = [encode_mask(labels == target_id) for labels in maps]
            tracks.append(_track(target_id, record, masks, target_id=target_id))
    else:
        expressions = record.expressions if kind == "referring" else ()
        chosen = [record.objects[text.object_id] for text in expressions] or record.objects
        for index, item in enumerate(chosen):
            masks = [
                encode_mask(item.masks.decode(t)) if t in item.frames else None for t in frames
            ]
            target_id = index + 1 if kind == "referring" else item.official_id
            tracks.append(
                _track(index + 1, record, masks, target_id=target_id, category=item.category)
            )
    return VideoResult(
        num_frames=len(record), size=record.size, tracks=tracks, label_maps=label_maps
    )


def _track(track_id: int, record: VideoRecord, masks: list, **options) -> Track:
    return Track(id=track_id, size=record.size, score=0.9, segmentations=masks, **options)


def _burst_tracks(record: VideoRecord, metadata: Metadata) -> list[Track]:
    sequences = json.loads(burst_truth_file(metadata).read_text())["sequences"]
    (truth,) = [s for s in sequences if f"{s['dataset']}/{s['seq_name']}" == record.video_id]
    masks: dict[int, list] = {}
    names = [Path(name).name for name in record.frames.names]
    for name, items in zip(truth["annotated_image_paths"], truth["segmentations"], strict=True):
        for track_id, item in items.items():
            of_track = masks.setdefault(int(track_id), [None] * len(names))
            of_track[names.index(Path(name).name)] = {"size": record.size, "counts": item["rle"]}
    return [_track(i, record, of_track, target_id=i) for i, of_track in masks.items()]


def _instances(record: VideoRecord, metadata: Metadata) -> dict:
    instances = Instances(record.size)
    masks = [item.masks.decode(0) for item in record.objects]
    instances.pred_masks = torch.tensor(np.array(masks, dtype=np.float32))
    instances.scores = torch.linspace(0.5, 0.9, len(masks))
    instances.pred_classes = torch.tensor([item.category for item in record.objects])
    return {"instances": instances}


def _panoptic(record: VideoRecord, metadata: Metadata) -> dict:
    ids = torch.zeros(record.size, dtype=torch.int32)
    segments = []
    for item in record.objects:
        ids[torch.from_numpy(item.masks.decode(0))] = item.id + 1
        segments.append({"id": item.id + 1, "category_id": item.category})
    return {"panoptic_seg": (ids, segments)}


def _semantic(record: VideoRecord, metadata: Metadata) -> dict:
    labels = torch.from_numpy(np.int64(record.label_maps.decode(0)))
    num_classes = len(metadata.class_names)
    one_hot = torch.nn.functional.one_hot(labels.clamp(max=num_classes - 1), num_classes)
    return {"sem_seg": one_hot.permute(2, 0, 1).float()}
