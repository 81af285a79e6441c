"""Training on clips: from a video record to augmented frames and the masks of their objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from detectron2.config import CfgNode, configurable
from detectron2.data.transforms import Transform
from detectron2.structures import BitMasks, Boxes, Instances
from univs.data.augmentation import (
    ClipAugmentation,
    Flip,
    MovingCrop,
    Occasionally,
    ResizeShortestEdge,
    Rotation,
    draw_transforms,
)
from univs.data.color import ColorJitter, ColorShift
from univs.data.frame_masks import FrameMasks
from univs.data.frames import FrameError
from univs.data.geometry import boxes_of_masks, transform_image
from univs.data.record import ObjectRecord, VideoRecord, record_of
from univs.data.sampling import sample_frames

#: How often frames and augmentation are drawn anew while no object of the video is visible.
MAX_DRAWS = 10


@dataclass(frozen=True)
class DrawnClip:
    """The frames of a clip.

    Attributes:
        frames: T positions in the record.
        indices: T positions in the video that the clip stands for; they differ from ``frames``
            where a clip is made of one image.
        video_length: frames of that video.
    """

    frames: tuple[int, ...]
    indices: tuple[int, ...]
    video_length: int


class ClipMapper:
    """Turns a dataset entry into a training clip.

    Frames are drawn among those that have truth, which for sparsely annotated videos makes
    ``frame_range`` count annotated frames.

    All frames of a clip have one row per object that is present in at least one of them, in the
    same order. Crowds are left out. Where an object is absent from a frame its mask is empty, its
    box zero, and class and id are -1; where it is present but augmentation moved it out of the
    picture, class stays and the id is -1.

    If the video has objects but none is visible, frames and augmentation are drawn again, up to ten
    times in all; after that the clip is used without objects. Masks are looked at before any
    frame is decoded, so this is cheap.

    Args:
        num_frames: frames of a clip.
        frame_range: largest distance of a frame to the reference frame.
        shuffle: random order of the frames.
        augmentations: geometric pipeline.
        color_jitter: change of colours, or None.
    """

    @configurable
    def __init__(
        self,
        *,
        num_frames: int,
        frame_range: int,
        augmentations: Sequence[ClipAugmentation],
        shuffle: bool = False,
        color_jitter: ColorJitter | ColorShift | None = None,
    ) -> None:
        if num_frames < 1:
            raise ValueError(f"A clip needs at least one frame, not {num_frames}.")
        self.num_frames = num_frames
        self.frame_range = frame_range
        self.shuffle = shuffle
        self.augmentations = tuple(augmentations)
        self.color_jitter = color_jitter

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by the keys of ``cfg.INPUT``."""
        inputs = cfg.INPUT
        colors = tuple(kind for kind in inputs.AUGMENTATIONS if kind != "rotation")
        return {
            "num_frames": inputs.SAMPLING_FRAME_NUM,
            "frame_range": inputs.SAMPLING_FRAME_RANGE,
            "shuffle": inputs.SAMPLING_FRAME_SHUFFLE,
            "augmentations": clip_augmentations(cfg),
            "color_jitter": ColorJitter(colors) if colors else None,
        }

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry.

        Args:
            dataset_dict: entry of the DatasetCatalog; its ``record`` is used.

        Returns:
            ``image``: list of T uint8 RGB ``[3, H, W]``; ``instances``: list of T Instances with
            ``gt_classes`` ``[N]``, ``gt_ids`` ``[N]``, ``gt_boxes``, ``gt_masks`` (BitMasks
            ``[N, H, W]``); ``height`` and ``width`` of the original; ``file_names`` and
            ``frame_indices`` of the T frames; ``video_len``, ``video_id``, ``dataset_name``,
            ``domain``. ``gt_ids`` are ``ObjectRecord.id``.

        Raises:
            FrameError: a frame is missing, damaged or of another size than the record says.
            MaskError: a mask is missing or damaged.
        """
        record = record_of(dataset_dict)
        # Detectron2 seeds torch in every worker; all other random values derive from it.
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        return self.assemble(record, *self.draw(record, random), random)

    def assemble(
        self,
        record: VideoRecord,
        clip: DrawnClip,
        objects: Sequence[ObjectRecord],
        transforms: Sequence[Sequence[Transform]],
        masks: Sequence[np.ndarray],
        random: np.random.Generator,
    ) -> dict:
        """Decode and augment the frames of a clip that was drawn; see :meth:`draw`."""
        recolor = None if self.color_jitter is None else self.color_jitter.for_clip(random)
        image, decoded = None, None  # a frame that comes several times in a row is decoded once
        images = []
        for frame, geometric in zip(clip.frames, transforms, strict=True):
            if frame != decoded:
                image, decoded = frame_of(record, frame), frame
            moved = transform_image(geometric, image)
            if recolor is not None:
                moved = recolor(moved)
            images.append(torch.from_numpy(np.ascontiguousarray(moved.transpose(2, 0, 1))))
        return {
            "image": images,
            "instances": [
                frame_instances(objects, frame, mask)
                for frame, mask in zip(clip.frames, masks, strict=True)
            ],
            "height": record.size[0],
            "width": record.size[1],
            "video_id": record.official_id,
            "dataset_name": record.dataset,
            "domain": record.domain,
            "video_len": clip.video_length,
            "frame_indices": list(clip.indices),
            "file_names": [record.frames.name(frame) for frame in clip.frames],
        }

    def draw_clip(self, record: VideoRecord, random: np.random.Generator) -> DrawnClip:
        """Choose the frames of a clip."""
        known = range(len(record)) if record.annotated is None else record.annotated
        chosen = sample_frames(
            len(known),
            self.num_frames,
            frame_range=self.frame_range,
            random=random,
            shuffle=self.shuffle,
        )
        frames = tuple(known[position] for position in chosen)
        return DrawnClip(frames=frames, indices=frames, video_length=len(record))

    def draw(
        self, record: VideoRecord, random: np.random.Generator
    ) -> tuple[DrawnClip, list[ObjectRecord], list[list[Transform]], list[np.ndarray]]:
        """Draw a clip: its frames, its N objects, transforms and masks ``[N, H, W]`` per frame."""
        known = range(len(record)) if record.annotated is None else record.annotated
        can_be_visible = any(self.objects_in(record, (frame,)) for frame in known)
        for _ in range(MAX_DRAWS):
            clip = self.draw_clip(record, random)
            objects = self.objects_in(record, clip.frames)
            sizes = [record.size] * len(clip.frames)
            transforms = draw_transforms(self.augmentations, sizes, random)
            sources = [item.masks for item in objects]
            decoded = {f: FrameMasks(sources, f, record.size) for f in set(clip.frames)}
            masks = [
                decoded[frame].transformed(geometric)
                for frame, geometric in zip(clip.frames, transforms, strict=True)
            ]
            if not can_be_visible or any(mask.any() for mask in masks):
                break
        return clip, objects, transforms, masks

    def objects_in(self, record: VideoRecord, frames: Sequence[int]) -> list[ObjectRecord]:
        """The objects of at least one of ``frames``."""
        return record.objects_in(frames)


def frame_of(record: VideoRecord, frame: int) -> np.ndarray:
    """Decode a frame ``[H, W, 3]`` uint8 RGB.

    Raises:
        FrameError: it is missing, damaged or of another size than the record says.
    """
    image = record.frames[frame]
    if image.shape[:2] != record.size:
        raise FrameError(
            f"{record.frames.name(frame)} is {image.shape[0]}x{image.shape[1]} (height x "
            f"width), but the annotations of {record.dataset} say "
            f"{record.size[0]}x{record.size[1]}."
        )
    return image


def frame_instances(objects: Sequence[ObjectRecord], frame: int, masks: np.ndarray) -> Instances:
    """Truth of one frame.

    Args:
        objects: the N objects of the clip.
        frame: index of the frame in the video.
        masks: ``[N, H, W]`` bool after augmentation.

    Returns:
        Instances with N rows; see :class:`ClipMapper` for absent objects.
    """
    present = np.array([frame in item.frames for item in objects], dtype=bool)
    categories = np.array([-1 if o.category is None else o.category for o in objects], np.int64)
    ids = np.array([item.id for item in objects], dtype=np.int64)
    boxes = boxes_of_masks(masks)
    visible = present & (boxes[:, 2] > 0)
    instances = Instances(masks.shape[1:])
    instances.gt_classes = torch.from_numpy(np.where(present, categories, -1))
    instances.gt_ids = torch.from_numpy(np.where(visible, ids, -1))
    instances.gt_boxes = Boxes(torch.from_numpy(boxes))
    instances.gt_masks = BitMasks(torch.from_numpy(masks))
    return instances


def clip_augmentations(cfg: CfgNode) -> list[ClipAugmentation]:
    """The geometric pipeline of video training, as published in VITA and video Mask2Former.

    Crop (``INPUT.CROP.ENABLED``, to every second clip, after a resize of the shorter side to
    400, 500 or 600), resize, flip, rotation.

    Raises:
        ValueError: a key has a value that is not known.
    """
    inputs = cfg.INPUT
    augmentations: list[ClipAugmentation] = []
    if inputs.CROP.ENABLED:
        augmentations.append(camera_crop(inputs.PSEUDO.CROP))
    augmentations.append(resize_of(inputs, "INPUT"))
    augmentations += flips(inputs)
    if "rotation" in inputs.AUGMENTATIONS:
        augmentations.append(Rotation())
    return augmentations


def flips(inputs: CfgNode, *, per_clip: bool = False) -> list[Flip]:
    """The mirroring that ``INPUT.RANDOM_FLIP`` asks for, if any.

    Args:
        inputs: ``cfg.INPUT``.
        per_clip: all frames of a clip alike, whatever the key says.

    Raises:
        ValueError: its value is not known.
    """
    kind = inputs.RANDOM_FLIP
    kinds = ("none", "horizontal", "vertical", "flip_by_clip")
    if kind not in kinds:
        raise ValueError(f"INPUT.RANDOM_FLIP is {kind!r}; known are {', '.join(kinds)}.")
    if kind == "none":
        return []
    return [Flip(is_vertical=kind == "vertical", per_clip=per_clip or kind == "flip_by_clip")]


def resize_of(node: CfgNode, section: str) -> ResizeShortestEdge:
    """The resize by ``MIN_SIZE_TRAIN``, its ``_SAMPLING`` and ``MAX_SIZE_TRAIN`` of a section.

    Raises:
        ValueError: the sampling is not known.
    """
    style = node.MIN_SIZE_TRAIN_SAMPLING
    styles = ("choice", "range", "choice_by_clip", "range_by_clip")
    if style not in styles:
        raise ValueError(f"{section}.MIN_SIZE_TRAIN_SAMPLING is {style!r}; known are {styles}.")
    return ResizeShortestEdge(
        shortest=node.MIN_SIZE_TRAIN,
        longest=node.MAX_SIZE_TRAIN,
        is_range=style.startswith("range"),
        per_clip=style.endswith("by_clip"),
    )


def camera_crop(crop: CfgNode) -> Occasionally:
    """The moving crop of every second clip.

    VITA switches the crop of videos on by INPUT.CROP but takes its size from INPUT.PSEUDO.CROP.

    Raises:
        ValueError: the type is not known.
    """
    if crop.TYPE != "absolute_range":
        raise ValueError(
            f"Clips are cropped with INPUT.PSEUDO.CROP.TYPE 'absolute_range', not {crop.TYPE!r}."
        )
    smallest, largest = crop.SIZE
    return Occasionally(
        [
            ResizeShortestEdge(shortest=(400, 500, 600), longest=1333),
            MovingCrop(smallest=smallest, largest=largest),
        ],
        probability=0.5,
    )
