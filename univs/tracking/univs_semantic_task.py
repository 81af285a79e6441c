"""Video semantic segmentation with UniVS: a category for every pixel of every frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from univs.modeling.mask_statistics import quality_counts, quality_of
from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import FrameResult, VideoResult
from univs.tracking.compressed_maps import CompressedMaps
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_frames import UnivsClip
from univs.tracking.univs_task import UnivsTask


class SemanticTask(UnivsTask):
    """Takes the category of a frame's pixels from the first clip that has the frame.

    Clips need not overlap. Label maps are kept compressed.
    """

    def __init__(self, vocabulary: str) -> None:
        """
        Args:
            vocabulary: class list of the concept table.
        """
        self.vocabulary = vocabulary
        self._maps = CompressedMaps()  # by frame

    @property
    def num_final(self) -> int:
        return len(self._maps)

    @torch.no_grad()
    def add(self, model: UnivsBase, clip: UnivsClip) -> None:
        prediction = model.decode(clip.memory, clip.mask_features)
        classes = prediction.class_logits[:, model.concepts.rows(self.vocabulary)]
        masks = prediction.mask_logits.float()  # Q T h w
        counts = sum(quality_counts(_restored(frame, clip.size)) for frame in masks.unbind(1))
        scores = classes.float().sigmoid() * quality_of(counts)[:, None]  # Q K
        for frame in masks[:, -clip.num_new :].unbind(1):
            probabilities = _restored(frame, clip.size).sigmoid_()
            labels = torch.einsum("qk,qhw->khw", scores, probabilities).argmax(0)
            self._maps.append(labels.to(torch.int16).cpu().numpy())

    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        return FrameResult(frame_index=frame, size=size, label_map=self._maps[frame])

    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """The label maps of all frames, which are unpacked when they are read."""
        return VideoResult(num_frames=num_frames, size=size, label_maps=self._maps)


def _restored(mask_logits: Tensor, size: FrameSize) -> Tensor:
    """``(Q, h, w)`` -> ``(Q, H, W)`` of the frame, the last step to the nearest, as published."""
    maps = size.upsample(mask_logits)
    return F.interpolate(maps[:, None], size=size.original, mode="nearest")[:, 0]
