"""Sequences made of still images, as TarViS is pre-trained on, after HODOR (Athar et al. 2022)."""

from __future__ import annotations

from detectron2.config import CfgNode
from univs.data.augmentation import (
    ClipAugmentation,
    RandomAffine,
    RandomCrop,
    ResizeShortestEdge,
)
from univs.data.mapper.clip import flips, resize_of
from univs.data.mapper.pseudo_clip import PseudoClipMapper
from univs.data.mapper.tarvis_clip import tarvis_colors

#: Class lists of large street scenes: all frames are cropped in the same place, because small
#: objects would hardly be in two frames otherwise.
_CROPPED_ALIKE = frozenset(("cityscapes_panoptic", "mapillary"))
#: Shorter and longer side that images of huge sizes are scaled to before anything else.
_FIRST_SIZES = {"mapillary": (800, 1333)}


class ImageSequenceMapper(PseudoClipMapper):
    """Turns an image into a clip of copies, each scaled, turned, sheared and cropped by itself.

    Samples are those of :class:`~univs.data.mapper.pseudo_clip.PseudoClipMapper`.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode, *, domain: str | None = None) -> dict:
        """Arguments by the keys of ``cfg.INPUT``: sides, crop (``CROP.SIZE``) and mirroring.

        Args:
            cfg: config.
            domain: class list of the images, which tells how they are cropped.

        Raises:
            ValueError: the crop is not given in pixels.
        """
        inputs = cfg.INPUT
        augmentations: list[ClipAugmentation] = []
        if domain in _FIRST_SIZES:
            shortest, longest = _FIRST_SIZES[domain]
            augmentations.append(ResizeShortestEdge(shortest=(shortest,), longest=longest))
        augmentations += [*flips(inputs, per_clip=True), RandomAffine(), resize_of(inputs, "INPUT")]
        if inputs.CROP.ENABLED:
            if inputs.CROP.TYPE != "absolute" or min(inputs.CROP.SIZE) < 1:
                raise ValueError(
                    "Sequences of images are cropped with INPUT.CROP.TYPE absolute and "
                    f"INPUT.CROP.SIZE in pixels, not {inputs.CROP.TYPE!r} and {inputs.CROP.SIZE}."
                )
            size = tuple(inputs.CROP.SIZE)
            augmentations.append(RandomCrop(size=size, per_clip=domain in _CROPPED_ALIKE))
        return {
            "num_frames": inputs.SAMPLING_FRAME_NUM,
            "frame_range": inputs.SAMPLING_FRAME_RANGE,
            "augmentations": augmentations,
            "color_jitter": tarvis_colors(is_panoptic=False),
        }
