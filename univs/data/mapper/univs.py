"""Training clips of UniVS: objects with their task, from videos and still images alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch

from detectron2.config import CfgNode, configurable
from detectron2.data.transforms import HFlipTransform
from univs.data.augmentation import (
    ClipAugmentation,
    ResizeShortestEdge,
    Rotation,
    ScaleJitter,
    SwayingSquareCrop,
)
from univs.data.color import ColorJitter
from univs.data.mapper.clip import ClipMapper, DrawnClip, clip_augmentations, flips, resize_of
from univs.data.mapper.pseudo_clip import pseudo_positions
from univs.data.mask_source import IdMasks
from univs.data.record import ObjectRecord, VideoRecord, record_of
from univs.data.sampling import sample_frames_apart

_LARGEST_INDEX = 128  # positions of frames are known up to here
_OPPOSITE = {"left": "right", "right": "left"}


class UnivsClipMapper(ClipMapper):
    """Turns a dataset entry into a training clip together with its task.

    The task of a record with expressions is ``grounding``; where objects are given, or have no
    classes, it is ``sot``, and otherwise ``detection``. Where the truth is a class for every pixel,
    every class is an object. Samples are those of :class:`ClipMapper`, and have no rows of objects
    that no frame shows. With expressions, a row stands for one of them (of a still image: for an
    object and one of its expressions, drawn at random).

    Args:
        num_frames: frames of a clip, or of a video that is cut into clips.
        frame_range: largest distance of a frame to the reference frame.
        object_range: the same, for videos of the task ``sot``.
        interval: least distance to the reference frame.
        augmentations: geometric pipeline.
        shuffle: random order of the frames.
        color_jitter: change of colours, or None.
    """

    @configurable
    def __init__(
        self,
        *,
        num_frames: int,
        frame_range: int,
        object_range: int,
        interval: int,
        augmentations: Sequence[ClipAugmentation],
        shuffle: bool = False,
        color_jitter: ColorJitter | None = None,
    ) -> None:
        super().__init__(
            num_frames=num_frames,
            frame_range=frame_range,
            augmentations=augmentations,
            shuffle=shuffle,
            color_jitter=color_jitter,
        )
        if interval < 1:
            raise ValueError(f"INPUT.SAMPLING_INTERVAL must be 1 or more, not {interval}.")
        self.object_range = object_range
        self.interval = interval

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by the keys of ``cfg.INPUT``."""
        inputs = cfg.INPUT
        colors = tuple(kind for kind in inputs.PSEUDO.AUGMENTATIONS if kind != "rotation")
        return {
            "num_frames": max(inputs.SAMPLING_FRAME_NUM, inputs.SAMPLING_FRAME_VIDEO_NUM),
            "frame_range": inputs.SAMPLING_FRAME_RANGE,
            "object_range": inputs.SAMPLING_FRAME_RANGE_SOT,
            "interval": inputs.SAMPLING_INTERVAL,
            "augmentations": univs_augmentations(cfg),
            "shuffle": inputs.SAMPLING_FRAME_SHUFFLE,
            "color_jitter": ColorJitter(colors) if colors else None,
        }

    def __call__(self, dataset_dict: dict) -> dict | None:
        """Map one entry.

        Returns:
            as :class:`ClipMapper`, and ``task``; for ``grounding`` also ``expressions`` and
            ``exp_obj_ids`` (``ObjectRecord.id``), both per row. None if no object is visible, so
            that the loader takes another entry.

        Raises:
            FrameError: a frame is missing, damaged or of another size than the record says.
            MaskError: a mask is missing or damaged.
        """
        record = record_of(dataset_dict)
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        clip, objects, transforms, masks = self.draw(record, random)
        rows = [row for row in range(len(objects)) if any(mask[row].any() for mask in masks)]
        task = task_of(record)
        texts: list[str] = []
        if task == "grounding":
            is_flipped = any(isinstance(t, HFlipTransform) for t in transforms[0])
            rows, texts = _rows_of_expressions(record, objects, rows, random)
            texts = [swap_sides(text) for text in texts] if is_flipped else texts
        if not rows:
            return None
        objects = [objects[row] for row in rows]
        sample = self.assemble(
            record, clip, objects, transforms, [mask[rows] for mask in masks], random
        )
        sample["task"] = task
        sample["dataset_name"] = dataset_key(record)
        if task == "grounding":
            sample["expressions"] = texts
            sample["exp_obj_ids"] = [item.id for item in objects]
        return sample

    def objects_in(self, record: VideoRecord, frames: Sequence[int]) -> list[ObjectRecord]:
        """The objects of at least one of ``frames``; of label maps, their classes."""
        if record.label_maps is not None and not record.objects:
            return class_objects(record, frames)
        return super().objects_in(record, frames)

    def draw_clip(self, record: VideoRecord, random: np.random.Generator) -> DrawnClip:
        """Choose the frames of a clip; of a still image, copies of it."""
        count = self.num_frames
        is_image = len(record) == 1
        known = range(len(record)) if record.annotated is None else record.annotated
        length = 3 * count * self.interval if is_image else len(known)
        if is_image or record.domain == "ovis":
            frame_range = 2 * count
        else:
            frame_range = self.object_range if task_of(record) == "sot" else self.frame_range
        chosen = sample_frames_apart(
            length,
            count,
            frame_range=frame_range,
            interval=self.interval,
            random=random,
            with_reference=not is_image,
        )
        if self.shuffle:
            random.shuffle(chosen)
        frames = (0,) * count if is_image else tuple(known[position] for position in chosen)
        indices = shifted(chosen if is_image else frames, random)
        return DrawnClip(frames=frames, indices=indices, video_length=length)


def class_objects(record: VideoRecord, frames: Sequence[int]) -> list[ObjectRecord]:
    """What label maps show in ``frames``: one object for every class."""
    maps = record.label_maps
    known = [frame for frame in frames if maps.path(frame) is not None]
    shown = {label for frame in known for label in np.unique(maps.decode(frame)).tolist()}
    return [
        ObjectRecord(
            id=label,
            official_id=label,
            category=label,
            masks=IdMasks(maps, label),
            frames=tuple(range(len(record))),
            is_thing=False,
        )
        for label in sorted(shown - {maps.void})
    ]


class UnivsPseudoClipMapper(UnivsClipMapper):
    """Turns an image of SA-1B, in which anything may be an object, into a training clip.

    Other than the copies of other images, those of one clip have the same scale and are always cut
    to a square, and their positions are drawn as if from a video of 16 to 48 frames.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by the keys of ``cfg.INPUT``."""
        arguments = super().from_config(cfg)
        if arguments["num_frames"] > 1 and cfg.INPUT.LSJ_AUG.ENABLED:
            arguments["augmentations"] = univs_augmentations(cfg, is_pseudo=True)
        return arguments

    def draw_clip(self, record: VideoRecord, random: np.random.Generator) -> DrawnClip:
        """Choose copies of the image."""
        length, indices = pseudo_positions(self.num_frames, self.frame_range, random)
        frames = (0,) * self.num_frames
        return DrawnClip(frames=frames, indices=tuple(indices), video_length=length)


def task_of(record: VideoRecord) -> str:
    """``grounding``, ``detection`` or ``sot``: what UniVS learns from a record."""
    if record.expressions:
        return "grounding"
    return "sot" if record.prompts or record.domain is None else "detection"


def dataset_key(record: VideoRecord) -> str:
    """The name by which UniVS treats a dataset: its class list if it is trained on by classes."""
    task = task_of(record)
    if task == "grounding":
        return record.dataset
    if record.dataset.startswith("sa1b"):
        return "sa_1b"
    return f"sot_{record.dataset}" if task == "sot" else record.domain


def shifted(indices: Sequence[int], random: np.random.Generator) -> tuple[int, ...]:
    """Indices moved towards 0 by the same random number, if they reach beyond 128."""
    smallest, largest = min(indices), max(indices)
    if largest <= _LARGEST_INDEX:
        return tuple(indices)
    least = largest - _LARGEST_INDEX
    shift = int(random.integers(least, max(smallest, least) + 1))
    return tuple(index - shift for index in indices)


def swap_sides(text: str) -> str:
    """An expression as it is true of the mirrored image: left for right."""
    return re.sub("left|right", lambda match: _OPPOSITE[match.group()], text)


def _rows_of_expressions(
    record: VideoRecord,
    objects: Sequence[ObjectRecord],
    visible: Sequence[int],
    random: np.random.Generator,
) -> tuple[list[int], list[str]]:
    """Positions in ``objects``, one per expression of a visible object; and the expressions."""
    texts: dict[int, list[str]] = {}
    for expression in record.expressions:
        if expression.object_id is not None:
            texts.setdefault(expression.object_id, []).append(expression.text)
    rows, chosen = [], []
    for row in visible:
        own = texts.get(objects[row].id, [])
        if len(record) == 1 and own:
            own = [own[int(random.integers(len(own)))]]
        rows += [row] * len(own)
        chosen += own
    return rows, chosen


def univs_augmentations(cfg: CfgNode, *, is_pseudo: bool = False) -> list[ClipAugmentation]:
    """The geometric pipeline of UniVS, by ``INPUT.LSJ_AUG``.

    Mirroring, a swing about the centre, a random scale, and a square crop or a resize. As published
    the scale is drawn for every frame; with ``MODEL.UniVS.PUBLISHED_BEHAVIOUR`` off, once per clip.

    Args:
        cfg: config.
        is_pseudo: for SA-1B, with one scale per clip and always a square crop.
    """
    inputs, jitter = cfg.INPUT, cfg.INPUT.LSJ_AUG
    if not jitter.ENABLED:
        return clip_augmentations(cfg)
    augmentations: list[ClipAugmentation] = [*flips(inputs, per_clip=True)]
    if "rotation" in inputs.PSEUDO.AUGMENTATIONS:
        augmentations.append(Rotation(is_swing=True))
    augmentations.append(
        ScaleJitter(
            target=jitter.IMAGE_SIZE,
            smallest=jitter.MIN_SCALE,
            largest=jitter.MAX_SCALE,
            per_clip=is_pseudo or not cfg.MODEL.UniVS.PUBLISHED_BEHAVIOUR,
        )
    )
    if jitter.SQUARE_ENABLED or is_pseudo:
        return [*augmentations, SwayingSquareCrop(side=jitter.IMAGE_SIZE)]
    resize: ResizeShortestEdge = resize_of(inputs, "INPUT")
    resize.per_clip = True
    return [*augmentations, resize]
