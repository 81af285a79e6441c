"""Panoptic annotations in COCO's format: a JSON file, and one PNG of segment ids per image."""

from __future__ import annotations

import json
import os

from detectron2.data.catalog import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.coco import load_coco_json, load_sem_seg
from detectron2.utils.file_io import PathManager

__all__ = [
    "load_coco_panoptic_json",
    "register_coco_panoptic",
    "register_coco_panoptic_separated",
]


def _contiguous(segment: dict, metadata: dict) -> dict:
    """``segment`` with a contiguous ``category_id`` and ``isthing``; changed in place."""
    for kind, is_thing in (("thing", True), ("stuff", False)):
        ids = metadata[f"{kind}_dataset_id_to_contiguous_id"]
        if segment["category_id"] in ids:
            segment["category_id"] = ids[segment["category_id"]]
            segment["isthing"] = is_thing
            return segment
    raise ValueError(
        f"category_id {segment['category_id']} is in neither thing_dataset_id_to_contiguous_id nor "
        "stuff_dataset_id_to_contiguous_id of the metadata"
    )


def load_coco_panoptic_json(json_file: str, image_dir: str, gt_dir: str, meta: dict) -> list[dict]:
    """Load panoptic annotations.

    Args:
        json_file: COCO's ``panoptic_*.json``.
        image_dir: folder of the images (``.jpg``).
        gt_dir: folder of the PNGs.
        meta: ``thing_dataset_id_to_contiguous_id`` and ``stuff_dataset_id_to_contiguous_id``.

    Returns:
        Records with ``file_name``, ``image_id``, ``pan_seg_file_name`` and ``segments_info``.
    """
    with PathManager.open(json_file) as file:
        content = json.load(file)
    records = []
    for annotation in content["annotations"]:
        image = os.path.splitext(annotation["file_name"])[0] + ".jpg"
        records.append(
            {
                "file_name": os.path.join(image_dir, image),
                "image_id": int(annotation["image_id"]),
                "pan_seg_file_name": os.path.join(gt_dir, annotation["file_name"]),
                "segments_info": [_contiguous(s, meta) for s in annotation["segments_info"]],
            }
        )
    assert len(records), f"No images found in {image_dir}!"
    for key in ("file_name", "pan_seg_file_name"):
        assert PathManager.isfile(records[0][key]), records[0][key]
    return records


def register_coco_panoptic(
    name: str,
    metadata: dict,
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    instances_json: str | None = None,
) -> None:
    """Register a data set with panoptic annotations.

    Args:
        name: of the data set.
        metadata: attributes of its metadata, with both maps of category ids.
        image_root: folder of the images.
        panoptic_root: folder of the PNGs.
        panoptic_json: see :func:`load_coco_panoptic_json`.
        instances_json: COCO's instance annotations, for evaluation.
    """
    DatasetCatalog.register(
        name, lambda: load_coco_panoptic_json(panoptic_json, image_root, panoptic_root, metadata)
    )
    MetadataCatalog.get(name).set(
        panoptic_root=panoptic_root,
        image_root=image_root,
        panoptic_json=panoptic_json,
        json_file=instances_json,
        evaluator_type="coco_panoptic_seg",
        ignore_label=255,
        label_divisor=1000,
        **metadata,
    )


def register_coco_panoptic_separated(
    name: str,
    metadata: dict,
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    sem_seg_root: str,
    instances_json: str,
) -> None:
    """Register ``<name>_separated``: instance annotations of things and label maps of stuff.

    ``<name>_stuffonly``, with the label maps alone, is registered as well.

    Args:
        name: of the data set.
        metadata: attributes of its metadata.
        image_root: folder of the images.
        panoptic_root: folder of the PNGs.
        panoptic_json: COCO's panoptic annotations, for evaluation.
        sem_seg_root: folder of the label maps.
        instances_json: COCO's instance annotations.
    """
    separated = f"{name}_separated"

    def load() -> list[dict]:
        instances = load_coco_json(instances_json, image_root, separated)
        label_maps = {r["file_name"]: r for r in load_sem_seg(sem_seg_root, image_root)}
        joined = [{**r, **label_maps.get(r["file_name"], {})} for r in instances]
        return [record for record in joined if "sem_seg_file_name" in record]

    DatasetCatalog.register(separated, load)
    MetadataCatalog.get(separated).set(
        panoptic_root=panoptic_root,
        image_root=image_root,
        panoptic_json=panoptic_json,
        sem_seg_root=sem_seg_root,
        json_file=instances_json,
        evaluator_type="coco_panoptic_seg",
        ignore_label=255,
        **metadata,
    )
    stuff_only = f"{name}_stuffonly"
    DatasetCatalog.register(stuff_only, lambda: load_sem_seg(sem_seg_root, image_root))
    MetadataCatalog.get(stuff_only).set(
        sem_seg_root=sem_seg_root,
        image_root=image_root,
        evaluator_type="sem_seg",
        ignore_label=255,
        **metadata,
    )
