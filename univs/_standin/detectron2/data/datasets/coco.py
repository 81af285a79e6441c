"""Instance annotations in COCO's JSON, and label maps as images."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from typing import Any

import pycocotools.mask as mask_util
from fvcore.common.timer import Timer
from pycocotools.coco import COCO

from detectron2.data.catalog import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager

__all__ = ["load_coco_json", "load_sem_seg", "register_coco_instances"]

logger = logging.getLogger(__name__)


def load_coco_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    extra_annotation_keys: list[str] | None = None,
) -> list[dict]:
    """Load instance annotations.

    Args:
        json_file: COCO's ``instances_*.json``.
        image_root: folder of the images.
        dataset_name: sets ``thing_classes`` and ``thing_dataset_id_to_contiguous_id`` in the
            metadata of this data set, and makes category ids contiguous, in order of the ids in the
            file.
        extra_annotation_keys: further keys to keep of each annotation, besides ``iscrowd``,
            ``bbox``, ``keypoints`` and ``category_id``.

    Returns:
        Records with ``file_name``, ``height``, ``width``, ``image_id`` and ``annotations``.
    """
    timer = Timer()
    json_file = PathManager.get_local_path(json_file)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        coco = COCO(json_file)
    if timer.seconds() > 1:
        logger.info("Loading %s takes %.2f seconds.", json_file, timer.seconds())

    id_map = None
    if dataset_name is not None:
        id_map = _register_categories(coco, dataset_name)
    keys = ["iscrowd", "bbox", "keypoints", "category_id", *(extra_annotation_keys or [])]

    ids = [annotation["id"] for annotation in coco.dataset.get("annotations", [])]
    if len(set(ids)) != len(ids):
        raise ValueError(f"Annotation ids in '{json_file}' are not unique!")

    records = []
    num_without_mask = 0
    for image_id in sorted(coco.imgs):
        image = coco.imgs[image_id]
        record: dict[str, Any] = {
            "file_name": os.path.join(image_root, image["file_name"]),
            "height": image["height"],
            "width": image["width"],
            "image_id": image_id,
            "annotations": [],
        }
        for annotation in coco.imgToAnns[image_id]:
            if annotation.get("ignore", 0) != 0:
                raise ValueError(f"'ignore' of annotations is not supported: {json_file}")
            kept = {key: annotation[key] for key in keys if key in annotation}
            if "bbox" in kept and len(kept["bbox"]) == 0:
                raise ValueError(f"An annotation of image {image_id} in {json_file} has no bbox")
            if annotation.get("segmentation"):
                segmentation = _checked_segmentation(annotation["segmentation"])
                if segmentation is None:
                    num_without_mask += 1
                    continue
                kept["segmentation"] = segmentation
            kept["bbox_mode"] = BoxMode.XYWH_ABS
            if id_map is not None:
                kept["category_id"] = _mapped(id_map, kept["category_id"], json_file)
            record["annotations"].append(kept)
        records.append(record)
    logger.info("Loaded %d images in COCO format from %s", len(records), json_file)
    if num_without_mask:
        logger.warning(
            "Filtered out %d instances without valid segmentation in %s.",
            num_without_mask,
            json_file,
        )
    return records


def _register_categories(coco: COCO, dataset_name: str) -> dict[int, int]:
    """Put the classes into the metadata; returns contiguous ids by the ids in the file."""
    ids = sorted(coco.getCatIds())
    id_map = {category_id: index for index, category_id in enumerate(ids)}
    metadata = MetadataCatalog.get(dataset_name)
    metadata.thing_classes = [category["name"] for category in coco.loadCats(ids)]
    metadata.thing_dataset_id_to_contiguous_id = id_map
    if id_map and not (min(ids) == 1 and max(ids) == len(ids)) and "coco" not in dataset_name:
        logger.warning(
            "Category ids in annotations are not in [1, #categories]! We'll apply a mapping for "
            "you."
        )
    return id_map


def _mapped(id_map: dict[int, int], category_id: int, json_file: str) -> int:
    try:
        return id_map[category_id]
    except KeyError as error:
        raise KeyError(
            f"Encountered category_id={category_id} but this id does not exist in 'categories' of "
            f"the json file {json_file}."
        ) from error


def _checked_segmentation(segmentation: dict | list) -> dict | list | None:
    """RLE in compressed form, or the polygons that have an area; None if there is none."""
    if isinstance(segmentation, dict):
        if isinstance(segmentation["counts"], list):
            return mask_util.frPyObjects(segmentation, *segmentation["size"])
        return segmentation
    return [
        polygon for polygon in segmentation if len(polygon) % 2 == 0 and len(polygon) >= 6
    ] or None


def load_sem_seg(
    gt_root: str, image_root: str, gt_ext: str = "png", image_ext: str = "jpg"
) -> list[dict]:
    """Pair images with label maps of the same name.

    Args:
        gt_root: folder of the label maps.
        image_root: folder of the images.
        gt_ext: extension of the label maps.
        image_ext: extension of the images.

    Returns:
        Records with ``file_name`` and ``sem_seg_file_name``, ordered by name. Images without a
        label map, and label maps without an image, are left out with a warning.
    """

    def files(root: str, extension: str) -> dict[str, str]:
        """Paths by the name without extension."""
        ending = f".{extension}"
        names = (name for name in PathManager.ls(root) if name.endswith(ending))
        return {name.removesuffix(ending): os.path.join(root, name) for name in names}

    labels, images = files(gt_root, gt_ext), files(image_root, image_ext)
    common = sorted(labels.keys() & images.keys())
    assert len(labels) > 0, f"No annotations found in {gt_root}."
    if len(common) != len(labels) or len(common) != len(images):
        logger.warning(
            "Directory %s and %s has %d and %d files, respectively. Will use the %d in both.",
            image_root,
            gt_root,
            len(images),
            len(labels),
            len(common),
        )
    logger.info("Loaded %d images with semantic segmentation from %s", len(common), image_root)
    return [{"file_name": images[k], "sem_seg_file_name": labels[k]} for k in common]


def register_coco_instances(name: str, metadata: dict, json_file: str, image_root: str) -> None:
    """Register a data set with instance annotations in COCO's JSON.

    Args:
        name: of the data set.
        metadata: attributes of its metadata.
        json_file: see :func:`load_coco_json`.
        image_root: folder of the images.
    """
    assert isinstance(name, str), name
    assert isinstance(json_file, (str, os.PathLike)), json_file
    assert isinstance(image_root, (str, os.PathLike)), image_root
    DatasetCatalog.register(name, lambda: load_coco_json(json_file, image_root, name))
    MetadataCatalog.get(name).set(
        json_file=json_file, image_root=image_root, evaluator_type="coco", **metadata
    )
