"""What UniVS knows of a video, for other models: a token per query, and coarse mask features."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from detectron2.config import CfgNode
from univs.modeling.meta_arch.univs import UnivsBase
from univs.tracking.frame_size import FrameSize
from univs.tracking.univs_frames import UnivsClip, UnivsFrames
from univs.tracking.univs_options import clip_options

_CHANNELS_AT_ONCE = 16  # at the size of the network's input


@dataclass
class VideoSemantics:
    """Features of the T frames of a video that were kept.

    Attributes:
        object_tokens: ``(T, C, Q)``, the decoded learnable queries.
        mask_features: ``(T, C_mask, h, w)``, per-pixel embeddings, whose products with mask
            embeddings are mask logits.
        ratio, temporal_ratio: by how much h and w are smaller than the frames, and T than the
            number of frames.
    """

    object_tokens: Tensor
    mask_features: Tensor
    ratio: int
    temporal_ratio: int

    def save(self, folder: str | os.PathLike, video: str) -> tuple[Path, Path]:
        """Write two files, ``<video>_obj_tokens_32_1.pt`` and
        ``<video>_compression_mask_features_32_1.pt``, with these ratios.

        Returns:
            their paths.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        ratios = f"{self.ratio}_{self.temporal_ratio}"
        paths = (
            folder / f"{video}_obj_tokens_{ratios}.pt",
            folder / f"{video}_compression_mask_features_{ratios}.pt",
        )
        for path, tensor in zip(paths, (self.object_tokens, self.mask_features), strict=True):
            unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            torch.save(tensor, unfinished)
            os.replace(unfinished, path)
        return paths


@torch.no_grad()
def extract_semantics(
    model: UnivsBase, cfg: CfgNode, frames: Iterable[np.ndarray]
) -> VideoSemantics:
    """Run the learnable queries over a video in clips that do not overlap.

    Args:
        model: in evaluation mode.
        cfg: its config, of which ``MODEL.UniVS.TEST.SEMANTIC_EXTRACTION`` says what is kept.
        frames: RGB uint8 ``(H, W, 3)`` each, all of one size.

    Raises:
        ValueError: there are no frames, or one does not fit.
    """
    options = cfg.MODEL.UniVS.TEST.SEMANTIC_EXTRACTION
    clips = UnivsFrames(model, **clip_options(cfg, "vss"))
    tokens: list[Tensor] = []
    features: list[Tensor] = []

    def keep(indices: range) -> None:
        clip = clips.encode(indices)
        clips.advance(indices)
        kept = [
            place
            for place, frame in enumerate(indices)
            if frame % options.COMPRESSION_RATIO_TEMPORAL == 0
        ]
        decoded = model.decode(clip.memory, clip.mask_features).decoded  # Q T C
        tokens.append(decoded[:, kept].permute(1, 2, 0).cpu())
        features.extend(_coarse(clip, place, options.COMPRESSION_RATIO) for place in kept)

    for frame in frames:
        complete = clips.push(frame)
        if complete is not None:
            keep(complete)
    rest = clips.rest()
    if rest is not None:
        keep(rest)
    if not tokens:
        raise ValueError("the video has no frames")
    return VideoSemantics(
        object_tokens=torch.cat(tokens),
        mask_features=torch.stack(features),
        ratio=options.COMPRESSION_RATIO,
        temporal_ratio=options.COMPRESSION_RATIO_TEMPORAL,
    )


def _coarse(clip: UnivsClip, place: int, ratio: int) -> Tensor:
    """Mask features ``(C_mask, h, w)`` of one frame of a clip, ``ratio`` times smaller than it."""
    size: FrameSize = clip.size
    target = tuple(max(length // ratio, 1) for length in size.original)
    parts = [
        F.interpolate(size.upsample(part)[None], size=target, mode="nearest")[0]
        for part in clip.mask_features[place].split(_CHANNELS_AT_ONCE)
    ]
    return torch.cat(parts).cpu()
