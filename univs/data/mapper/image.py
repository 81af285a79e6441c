"""Training on still images: instance, panoptic and semantic segmentation, as in Mask2Former."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from detectron2.config import CfgNode, configurable
from detectron2.data import transforms as T
from detectron2.structures import BitMasks, Boxes, Instances
from univs.data.augmentation import (
    ClipAugmentation,
    FixedSizeCrop,
    ResizeShortestEdge,
    ScaleJitter,
    draw_transforms,
)
from univs.data.color import SSDColorJitter
from univs.data.geometry import (
    boxes_of_masks,
    transform_image,
    transform_maps,
    transform_masks,
)
from univs.data.mapper.clip import flips
from univs.data.record import VideoRecord, record_of

IGNORE_LABEL = 255
_PADDING_COLOR = 128
_MAX_CROPS = 10  # tries for a crop that no category dominates


class ImageInstanceMapper:
    """Turns an entry with one frame into a training image with one mask per object.

    Crowds, and objects that augmentation moved out of the picture, are left out. Objects are those
    of the record: instances for an instance dataset, things and stuff for a panoptic one.

    Args:
        augmentations: geometric pipeline.
    """

    @configurable
    def __init__(self, *, augmentations: Sequence[ClipAugmentation]) -> None:
        self.augmentations = tuple(augmentations)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Large-scale jittering by ``INPUT.IMAGE_SIZE``, ``MIN_SCALE`` and ``MAX_SCALE``."""
        inputs = cfg.INPUT
        jitter = ScaleJitter(
            target=inputs.IMAGE_SIZE, smallest=inputs.MIN_SCALE, largest=inputs.MAX_SCALE
        )
        crop = FixedSizeCrop(side=inputs.IMAGE_SIZE, pad_value=_PADDING_COLOR)
        return {"augmentations": [*flips(cfg.INPUT), jitter, crop]}

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry.

        Returns:
            ``image`` uint8 RGB ``[3, H, W]``; ``instances`` with ``gt_classes`` ``[N]``,
            ``gt_boxes`` and ``gt_masks`` (BitMasks ``[N, H, W]``); ``height`` and ``width`` of the
            original; ``file_name``, ``image_id``, ``dataset_name``, ``domain``.

        Raises:
            FrameError: the image is missing or damaged.
            MaskError: a mask is missing or damaged.
        """
        record = record_of(dataset_dict)
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        objects = record.objects_in((0,))
        (transforms,) = draw_transforms(self.augmentations, [record.size], random)
        masks = transform_masks([item.masks for item in objects], 0, record.size, transforms)
        image = transform_image(transforms, record.frames[0])
        classes = np.array([item.category for item in objects], dtype=np.int64)
        return _sample(record, image, class_instances(classes, masks))


class ImageSemanticMapper:
    """Turns an entry with one frame into a training image with one mask per class that it shows.

    Args:
        resize: random size.
        crop_size: height and width of a random crop, or None.
        max_category_share: a crop is drawn again, up to ten times, while one class covers at least
            this share of its labelled pixels, or no other class is there; 1.0 accepts any.
        flip: random mirroring.
        color_jitter: change of colours, or None.
        padded_side: images are padded to at least this height and width; 0: not at all.
    """

    @configurable
    def __init__(
        self,
        *,
        resize: ClipAugmentation,
        crop_size: tuple[int, int] | None,
        max_category_share: float,
        flip: Sequence[ClipAugmentation],
        color_jitter: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None,
        padded_side: int = 0,
    ) -> None:
        self.resize = resize
        self.crop_size = crop_size
        self.max_category_share = max_category_share
        self.flip = tuple(flip)
        self.color_jitter = color_jitter
        self.padded_side = padded_side

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by the keys of ``cfg.INPUT``.

        Raises:
            ValueError: the crop is not given in pixels.
        """
        inputs = cfg.INPUT
        crop_size = tuple(inputs.CROP.SIZE) if inputs.CROP.ENABLED else None
        if crop_size and (inputs.CROP.TYPE != "absolute" or min(crop_size) < 1):
            raise ValueError(
                "Semantic training crops with INPUT.CROP.TYPE absolute and INPUT.CROP.SIZE in "
                "pixels, "
                f"not {inputs.CROP.TYPE!r} and {crop_size}."
            )
        return {
            "resize": ResizeShortestEdge(
                shortest=inputs.MIN_SIZE_TRAIN,
                longest=inputs.MAX_SIZE_TRAIN,
                is_range=inputs.MIN_SIZE_TRAIN_SAMPLING == "range",
            ),
            "crop_size": crop_size,
            "max_category_share": inputs.CROP.SINGLE_CATEGORY_MAX_AREA,
            "flip": flips(cfg.INPUT),
            "color_jitter": SSDColorJitter() if inputs.COLOR_AUG_SSD else None,
            "padded_side": max(inputs.SIZE_DIVISIBILITY, 0),
        }

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry.

        Returns:
            as :class:`ImageInstanceMapper`, and ``sem_seg`` int64 ``[H, W]``, 255 where there is no
            label; ``gt_classes`` are the classes in ascending order.

        Raises:
            FrameError: the image is missing or damaged.
            MaskError: a mask is missing or damaged.
        """
        record = record_of(dataset_dict)
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        (transforms,) = draw_transforms([self.resize], [record.size], random)
        labels = transform_maps(transforms, label_map(record, 0)[None])[0]
        if self.crop_size is not None:
            crop = self._draw_crop(labels, random)
            labels = transform_maps([crop], labels[None])[0]
            transforms.append(crop)
        (rest,) = draw_transforms([*self.flip, _Pad(self.padded_side)], [labels.shape], random)
        labels = np.ascontiguousarray(transform_maps(rest, labels[None])[0])
        image = record.frames[0]
        if self.color_jitter is None:
            image = transform_image([*transforms, *rest], image)
        else:  # before padding, whose colour stays neutral
            image = self.color_jitter(transform_image(transforms, image), random)
            image = transform_image(rest, image)
        classes = np.unique(labels)
        classes = classes[classes != IGNORE_LABEL].astype(np.int64)
        sample = _sample(record, image, class_instances(classes, labels == classes[:, None, None]))
        sample["sem_seg"] = torch.from_numpy(labels.astype(np.int64))
        return sample

    def _draw_crop(self, labels: np.ndarray, random: np.random.Generator) -> T.Transform:
        height, width = labels.shape
        crop_height, crop_width = (
            min(a, b) for a, b in zip(labels.shape, self.crop_size, strict=True)
        )
        for _ in range(_MAX_CROPS):
            top = int(random.integers(height - crop_height + 1))
            left = int(random.integers(width - crop_width + 1))
            if self.max_category_share >= 1.0:
                break
            window = labels[top : top + crop_height, left : left + crop_width]
            _, counts = np.unique(window[window != IGNORE_LABEL], return_counts=True)
            if len(counts) > 1 and counts.max() < self.max_category_share * counts.sum():
                break
        return T.CropTransform(left, top, crop_width, crop_height)


class _Pad(ClipAugmentation):
    """Pads to a least side, right and below."""

    def __init__(self, side: int) -> None:
        self.side = side

    def draw(
        self, sizes: Sequence[tuple[int, int]], random: np.random.Generator
    ) -> list[T.Transform]:
        return [
            T.PadTransform(
                0,
                0,
                max(self.side - width, 0),
                max(self.side - height, 0),
                width,
                height,
                _PADDING_COLOR,
                IGNORE_LABEL,
            )
            for height, width in sizes
        ]


def label_map(record: VideoRecord, frame: int) -> np.ndarray:
    """Classes of a frame ``[H, W]`` int32, 255 where there is no label.

    Taken from the label maps of the record, or else painted from its objects.
    """
    if record.label_maps is not None:
        return record.label_maps.decode(frame)
    labels = np.full(record.size, IGNORE_LABEL, dtype=np.int32)
    objects = record.objects_in((frame,))
    masks = transform_masks([item.masks for item in objects], frame, record.size, ())
    for item, mask in zip(objects, masks, strict=True):
        labels[mask] = item.category
    return labels


def class_instances(classes: np.ndarray, masks: np.ndarray) -> Instances:
    """Truth of an image; empty masks are left out.

    Args:
        classes: ``[N]`` int64.
        masks: ``[N, H, W]`` bool.
    """
    boxes = boxes_of_masks(masks)
    visible = boxes[:, 2] > 0
    instances = Instances(masks.shape[1:])
    instances.gt_classes = torch.from_numpy(classes[visible])
    instances.gt_boxes = Boxes(torch.from_numpy(boxes[visible]))
    instances.gt_masks = BitMasks(torch.from_numpy(masks[visible]))
    return instances


def _sample(record: VideoRecord, image: np.ndarray, instances: Instances) -> dict:
    return {
        "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        "instances": instances,
        "height": record.size[0],
        "width": record.size[1],
        "file_name": record.frames.name(0),
        "image_id": record.official_id,
        "dataset_name": record.dataset,
        "domain": record.domain,
    }
