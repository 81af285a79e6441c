"""Test time: a video as a sequence of frames that are decoded and resized one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from detectron2.config import CfgNode, configurable
from univs.data.augmentation import shortest_edge_size
from univs.data.frames import TransformedFrames
from univs.data.record import record_of


@dataclass(frozen=True)
class ShortestEdge:
    """Resizes images ``[H, W, 3]`` uint8 bilinearly, as Detectron2 does at test time.

    Attributes:
        shortest: length of the shorter side in pixels; 0 keeps the size.
        longest: upper bound of the longer side.
    """

    shortest: int
    longest: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if self.shortest == 0:
            return image
        height, width = shortest_edge_size(image.shape[:2], self.shortest, self.longest)
        if (height, width) == image.shape[:2]:
            return image
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


class TestMapper:
    """Turns a dataset entry into what inference and evaluation read. No frame is decoded here.

    Args:
        resize: applied to every frame when it is decoded.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name

    @configurable
    def __init__(self, *, resize: ShortestEdge) -> None:
        self.resize = resize

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by ``INPUT.MIN_SIZE_TEST`` and ``INPUT.MAX_SIZE_TEST``."""
        return {"resize": ShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)}

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry.

        Returns:
            the entry with ``frames``, a :class:`~univs.data.frames.FrameSequence` of resized frames
            ``[h, w, 3]`` uint8 RGB. ``height``, ``width`` and ``record`` are of the original.
        """
        record = record_of(dataset_dict)
        return {**dataset_dict, "frames": TransformedFrames(record.frames, self.resize)}


class ImageTestMapper:
    """Turns an entry with one frame into the input of an image model.

    Args:
        resize: applied to the image.
    """

    @configurable
    def __init__(self, *, resize: ShortestEdge) -> None:
        self.resize = resize

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by ``INPUT.MIN_SIZE_TEST`` and ``INPUT.MAX_SIZE_TEST``."""
        longest, jitter = cfg.INPUT.MAX_SIZE_TEST, cfg.INPUT.LSJ_AUG
        if cfg.MODEL.META_ARCHITECTURE.startswith("UniVS") and jitter.SQUARE_ENABLED:
            longest = min(longest, jitter.IMAGE_SIZE)  # the model pads images to squares
        return {"resize": ShortestEdge(cfg.INPUT.MIN_SIZE_TEST, longest)}

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry.

        Returns:
            the entry with ``image`` uint8 RGB ``[3, h, w]``, ``file_name`` and ``image_id``.
        """
        record = record_of(dataset_dict)
        image = self.resize(record.frames[0])
        return {
            **dataset_dict,
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "file_name": record.frames.name(0),
            "image_id": record.official_id,
        }
