"""Images and annotations: reading, transforming, and turning them into what models take."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pycocotools.mask as mask_util
import torch
from PIL import Image, ImageOps

from detectron2.config import CfgNode
from detectron2.data import transforms as T
from detectron2.data.catalog import MetadataCatalog
from detectron2.structures import (
    BitMasks,
    Boxes,
    BoxMode,
    Instances,
    PolygonMasks,
    polygons_to_bitmask,
)
from detectron2.utils.file_io import PathManager

__all__ = [
    "SizeMismatchError",
    "annotations_to_instances",
    "build_augmentation",
    "build_transform_gen",
    "check_image_size",
    "check_metadata_consistency",
    "convert_PIL_to_numpy",
    "convert_image_to_rgb",
    "filter_empty_instances",
    "read_image",
    "transform_instance_annotations",
]

# Rows: Y, U, V of ITU-R BT.601 from R, G, B.
_RGB_TO_YUV = np.array(
    [[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]]
)
_YUV_TO_RGB = np.array([[1.0, 0.0, 1.13983], [1.0, -0.39465, -0.58060], [1.0, 2.03211, 0.0]])


class SizeMismatchError(ValueError):
    """An image has another size than its annotations say."""


def convert_PIL_to_numpy(image: Image.Image, format: str | None) -> np.ndarray:  # noqa: N802
    """Convert a PIL image.

    Args:
        image: the image.
        format: a mode of PIL, or "BGR", or "YUV-BT.601"; None keeps the mode of the image.

    Returns:
        ``H x W x C`` (with one channel for "L"), or ``H x W`` for other modes of one channel;
        uint8 in 0..255, float for YUV.
    """
    if format is not None:
        image = image.convert("RGB" if format in ("BGR", "YUV-BT.601") else format)
    array = np.asarray(image)
    if format == "L":
        return np.expand_dims(array, -1)
    if format == "BGR":
        return array[:, :, ::-1]
    if format == "YUV-BT.601":
        return np.dot(array / 255.0, _RGB_TO_YUV.T)
    return array


def convert_image_to_rgb(image: np.ndarray | torch.Tensor, format: str) -> np.ndarray:
    """Inverse of :func:`convert_PIL_to_numpy`.

    Args:
        image: ``H x W x C``, as that function returns it.
        format: its format.

    Returns:
        ``H x W x 3`` of RGB in 0..255.
    """
    if isinstance(image, torch.Tensor):
        image = image.cpu().numpy()
    if format == "BGR":
        return image[:, :, [2, 1, 0]]
    if format == "YUV-BT.601":
        return (np.dot(image, _YUV_TO_RGB.T) * 255.0).astype(np.uint8)
    if format == "L":
        image = image[:, :, 0]
    return np.asarray(Image.fromarray(image.astype(np.uint8), mode=format).convert("RGB"))


def read_image(file_name: str, format: str | None = None) -> np.ndarray:
    """Read an image, turned upright as its EXIF data say.

    Args:
        file_name: path of the image.
        format: see :func:`convert_PIL_to_numpy`.

    Returns:
        See :func:`convert_PIL_to_numpy`.
    """
    with PathManager.open(file_name, "rb") as file:
        image = Image.open(file)
        try:
            image = ImageOps.exif_transpose(image)
        except Exception as error:  # broken EXIF data must not make the image unreadable
            logging.getLogger(__name__).debug("%s: unreadable EXIF data (%s)", file_name, error)
        return convert_PIL_to_numpy(image, format)


def check_image_size(dataset_dict: dict, image: np.ndarray) -> None:
    """Check the size of an image against its dictionary, and fill it in if it is missing there.

    Raises:
        SizeMismatchError: they differ.
    """
    if "width" in dataset_dict or "height" in dataset_dict:
        actual = (image.shape[1], image.shape[0])
        expected = (dataset_dict["width"], dataset_dict["height"])
        if actual != expected:
            name = f" for image {dataset_dict['file_name']}" if "file_name" in dataset_dict else ""
            raise SizeMismatchError(
                f"Mismatched image shape{name}, got {actual}, expect {expected}. Please check the "
                "width/height in your annotation."
            )
    dataset_dict.setdefault("width", image.shape[1])
    dataset_dict.setdefault("height", image.shape[0])


def transform_instance_annotations(
    annotation: dict,
    transforms: T.Transform | list[T.Transform],
    image_size: tuple[int, int],
    *,
    keypoint_hflip_indices: np.ndarray | None = None,
) -> dict:
    """Transform the box and the segmentation of one instance, in place.

    Args:
        annotation: in Detectron2's format.
        transforms: what was applied to the image.
        image_size: height and width of the transformed image.
        keypoint_hflip_indices: not supported.

    Returns:
        ``annotation``, whose "bbox" is now x0 y0 x1 y1 in pixels, clipped to the image, and whose
        "segmentation" is a list of polygons, or a bool/uint8 mask ``H x W`` if it was an RLE.
    """
    if "keypoints" in annotation:
        raise NotImplementedError("Keypoints need an installed Detectron2.")
    if isinstance(transforms, (tuple, list)):
        transforms = T.TransformList(transforms)
    height, width = image_size
    box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYXY_ABS)
    box = transforms.apply_box(np.array([box]))[0].clip(min=0)
    annotation["bbox"] = np.minimum(box, [width, height, width, height])
    annotation["bbox_mode"] = BoxMode.XYXY_ABS

    if "segmentation" in annotation:
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, list):
            polygons = [np.asarray(polygon).reshape(-1, 2) for polygon in segmentation]
            annotation["segmentation"] = [
                polygon.reshape(-1) for polygon in transforms.apply_polygons(polygons)
            ]
        elif isinstance(segmentation, dict):
            mask = transforms.apply_segmentation(mask_util.decode(segmentation))
            assert tuple(mask.shape[:2]) == tuple(image_size)
            annotation["segmentation"] = mask
        else:
            raise ValueError(
                f"Cannot transform segmentation of type '{type(segmentation)}'! Supported types "
                "are: polygons as list[list[float] or ndarray], COCO-style RLE as a dict."
            )
    return annotation


def _as_mask(segmentation: Any, image_size: tuple[int, int]) -> np.ndarray:
    """A binary mask ``H x W`` from polygons, an RLE or a mask."""
    if isinstance(segmentation, list):
        return polygons_to_bitmask(segmentation, *image_size)
    if isinstance(segmentation, dict):
        return mask_util.decode(segmentation)
    if isinstance(segmentation, np.ndarray):
        assert segmentation.ndim == 2, (
            f"Expect segmentation of 2 dimensions, got {segmentation.ndim}."
        )
        return segmentation
    raise ValueError(
        f"Cannot convert segmentation of type '{type(segmentation)}' to BitMasks! Supported types "
        "are: polygons as list[list[float] or ndarray], COCO-style RLE as a dict, or a binary "
        "segmentation mask in a 2D numpy array of shape HxW."
    )


def annotations_to_instances(
    annos: list[dict], image_size: tuple[int, int], mask_format: str = "polygon"
) -> Instances:
    """Ground truth of one image for a model.

    Args:
        annos: annotations, usually from :func:`transform_instance_annotations`.
        image_size: height and width of the image.
        mask_format: "polygon" or "bitmask".

    Returns:
        Instances with ``gt_boxes``, ``gt_classes`` and, if there are any segmentations,
        ``gt_masks``.
    """
    boxes = [BoxMode.convert(x["bbox"], x["bbox_mode"], BoxMode.XYXY_ABS) for x in annos]
    target = Instances(image_size)
    target.gt_boxes = Boxes(
        torch.as_tensor(np.asarray(boxes, dtype=np.float32).reshape(-1, 4), dtype=torch.float32)
    )
    target.gt_classes = torch.tensor([int(x["category_id"]) for x in annos], dtype=torch.int64)
    if len(annos) and "segmentation" in annos[0]:
        segmentations = [x["segmentation"] for x in annos]
        if mask_format == "polygon":
            try:
                target.gt_masks = PolygonMasks(segmentations)
            except ValueError as error:
                raise ValueError(
                    "Failed to use mask_format=='polygon' from the given annotations!"
                ) from error
        else:
            assert mask_format == "bitmask", mask_format
            masks = np.stack([_as_mask(x, image_size) for x in segmentations])
            target.gt_masks = BitMasks(torch.from_numpy(np.ascontiguousarray(masks)))
    return target


def filter_empty_instances(
    instances: Instances,
    by_box: bool = True,
    by_mask: bool = True,
    box_threshold: float = 1e-5,
    return_mask: bool = False,
) -> Instances | tuple[Instances, torch.Tensor]:
    """Leave out instances without extent.

    Args:
        instances: with ``gt_boxes`` and maybe ``gt_masks``.
        by_box: those with a box without area.
        by_mask: those with an empty mask.
        box_threshold: width and height at or below which a box is empty.
        return_mask: also return which were kept.

    Returns:
        The others, and a bool tensor of shape ``(N,)`` if ``return_mask``.
    """
    assert by_box or by_mask
    keep = torch.ones(len(instances), dtype=torch.bool)
    if by_box:
        keep = keep & instances.gt_boxes.nonempty(threshold=box_threshold)
    if instances.has("gt_masks") and by_mask:
        keep = keep & instances.gt_masks.nonempty()
    return (instances[keep], keep) if return_mask else instances[keep]


def check_metadata_consistency(key: str, dataset_names: list[str]) -> None:
    """Check that data sets have the same value of a metadata attribute.

    Raises:
        AttributeError: one of them does not have it.
        ValueError: they differ.
    """
    if len(dataset_names) == 0:
        return
    values = [getattr(MetadataCatalog.get(name), key) for name in dataset_names]
    for name, value in zip(dataset_names, values, strict=True):
        if value != values[0]:
            raise ValueError(
                f"Datasets '{dataset_names[0]}' and '{name}' have different metadata '{key}': "
                f"{values[0]} and {value}"
            )


def build_augmentation(cfg: CfgNode, is_train: bool) -> list[T.Augmentation]:
    """The default augmentations: resize, and flip in training.

    Args:
        cfg: uses ``INPUT``.
        is_train: for training or for testing.
    """
    if not is_train:
        return [T.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST, "choice")]
    augmentations: list[T.Augmentation] = [
        T.ResizeShortestEdge(
            cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING
        )
    ]
    if cfg.INPUT.RANDOM_FLIP != "none":
        augmentations.append(
            T.RandomFlip(
                horizontal=cfg.INPUT.RANDOM_FLIP == "horizontal",
                vertical=cfg.INPUT.RANDOM_FLIP == "vertical",
            )
        )
    return augmentations


build_transform_gen = build_augmentation  # a former name that extensions still use
