"""Training video models on still images: an image becomes a clip, as if a camera moved over it."""

from __future__ import annotations

import numpy as np

from detectron2.config import CfgNode
from univs.data.augmentation import ClipAugmentation, FixedSizeCrop, Rotation, ScaleJitter
from univs.data.color import ColorJitter
from univs.data.mapper.clip import ClipMapper, DrawnClip, camera_crop, flips, resize_of
from univs.data.record import VideoRecord
from univs.data.sampling import sample_frames

# Length of the video that a pseudo clip claims to be cut from, as published in VITA.
_SHORTEST_VIDEO, _LONGEST_VIDEO = 16, 48


class PseudoClipMapper(ClipMapper):
    """Turns an entry with one frame into a training clip of several augmented copies of it.

    Samples have the same keys as those of :class:`ClipMapper`, and rows follow the same rules:
    crowds have none, and an object that augmentation moved out of a copy keeps its class there and
    has the id -1. Ids agree in all copies. ``frame_indices`` and ``video_len`` are those of an
    imaginary video of 16 to 48 frames.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments by the keys of ``cfg.INPUT.PSEUDO``; the number of frames as for videos."""
        kinds = cfg.INPUT.PSEUDO.AUGMENTATIONS
        colors = tuple(kind for kind in kinds if kind != "rotation")
        return {
            "num_frames": cfg.INPUT.SAMPLING_FRAME_NUM,
            "frame_range": cfg.INPUT.SAMPLING_FRAME_RANGE,
            "augmentations": pseudo_clip_augmentations(cfg),
            "color_jitter": ColorJitter(colors) if colors else None,
        }

    def draw_clip(self, record: VideoRecord, random: np.random.Generator) -> DrawnClip:
        """Choose T copies of the image.

        Raises:
            ValueError: the record is a video.
        """
        if len(record) != 1:
            raise ValueError(
                f"Video {record.video_id!r} of {record.dataset} has {len(record)} frames; pseudo "
                "clips are made of still images. Use ClipMapper."
            )
        length, indices = pseudo_positions(self.num_frames, self.frame_range, random)
        if self.shuffle:
            random.shuffle(indices)
        return DrawnClip(frames=(0,) * self.num_frames, indices=tuple(indices), video_length=length)


def pseudo_positions(
    num_frames: int, frame_range: int, random: np.random.Generator
) -> tuple[int, list[int]]:
    """Length of an imaginary video, and the ascending positions of a clip in it."""
    length = int(random.integers(_SHORTEST_VIDEO, _LONGEST_VIDEO + 1))
    return length, sample_frames(length, num_frames, frame_range=frame_range, random=random)


def pseudo_clip_augmentations(cfg: CfgNode) -> list[ClipAugmentation]:
    """The geometric pipeline of pseudo clips, as published in VITA; everything is drawn per clip.

    With ``INPUT.LSJ_AUG.ENABLED`` (pre-training on COCO): mirroring, a random scale, and a square
    crop. Otherwise a crop (``INPUT.PSEUDO.CROP.ENABLED``, of every second clip) that moves through
    the clip, resize and mirroring; then the image swings about a point near its centre.

    Raises:
        ValueError: a key has a value that is not known.
    """
    inputs, pseudo = cfg.INPUT, cfg.INPUT.PSEUDO
    if inputs.LSJ_AUG.ENABLED:
        jitter = inputs.LSJ_AUG
        return [
            *flips(inputs, per_clip=True),
            ScaleJitter(
                target=jitter.IMAGE_SIZE, smallest=jitter.MIN_SCALE, largest=jitter.MAX_SCALE
            ),
            FixedSizeCrop(side=jitter.IMAGE_SIZE),
        ]
    augmentations: list[ClipAugmentation] = []
    if pseudo.CROP.ENABLED:
        augmentations.append(camera_crop(pseudo.CROP))
    resize = resize_of(pseudo, "INPUT.PSEUDO")
    resize.per_clip = True
    augmentations += [resize, *flips(inputs, per_clip=True)]
    if "rotation" in pseudo.AUGMENTATIONS:
        augmentations.append(Rotation(is_swing=True))
    return augmentations
