"""Frames of one video on their way through UniVS: every frame is encoded once, for all clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from univs.modeling.clip_memory import ClipMemory
from univs.modeling.meta_arch.univs import UnivsBase
from univs.modeling.pixel_decoder import PixelFeatures
from univs.tracking.frame_size import FrameSize
from univs.tracking.session import check_frame


@dataclass
class UnivsClip:
    """One clip of T frames, encoded. Use it with ``model.decode(clip.memory, clip.mask_features)``.

    Attributes:
        frames: of the video.
        num_new: how many of them, counted from the last, were in no earlier clip.
        next_start: the frame that the next clip begins with, if there is one; those before it are
            in no clip to come.
        mask_features: ``(T, C_mask, H / 4, W / 4)``, per-pixel embeddings.
        memory: what queries attend to.
        size: from frames to the network's input and back.
        padded_size: height H and width W of the network's input with padding.
    """

    frames: range
    num_new: int
    next_start: int
    mask_features: Tensor
    memory: ClipMemory
    size: FrameSize
    padded_size: tuple[int, int]

    @property
    def is_first(self) -> bool:
        """Whether the video begins with this clip."""
        return self.frames.start == 0

    @property
    def new_frames(self) -> range:
        """Those in no earlier clip."""
        return self.frames[len(self.frames) - self.num_new :]


@dataclass
class _EncodedFrame:
    mask_features: Tensor  # C_mask h w
    multi_scale: list[Tensor]  # per level C h w


class UnivsFrames:
    """Cuts a video into overlapping clips and encodes every frame once.

    Clip k begins with frame k * stride and has ``clip_length`` frames; the last one may be shorter.
    There is no clip all of whose frames were in earlier ones. What is kept are the features of the
    frames of the latest clip and the frames that wait, so memory does not grow with the video.

    Attributes:
        num_frames: frames pushed so far.
        next_start: the frame that the next clip begins with.
    """

    def __init__(
        self,
        model: UnivsBase,
        *,
        clip_length: int,
        stride: int,
        min_size: int,
        max_size: int,
        most_at_once: int = 1,
    ) -> None:
        """
        Args:
            model: in evaluation mode.
            clip_length: n, frames per clip.
            stride: frames from the beginning of a clip to that of the next, at most n.
            min_size, max_size: see :class:`~univs.tracking.frame_size.FrameSize`.
            most_at_once: frames to encode at once; results do not depend on it.

        Raises:
            ValueError: stride and clip length do not fit.
        """
        if not 1 <= stride <= clip_length:
            raise ValueError(
                f"the stride of clips must be from 1 to their length {clip_length}, but is "
                f"{stride}: set TEST.CLIP_STRIDE and TEST.CLIP_LENGTH"
            )
        if model.square_size:
            max_size = min(max_size, model.square_size)
        self.model = model
        self.clip_length, self.stride = clip_length, stride
        self.min_size, self.max_size = min_size, max_size
        self.most_at_once = max(most_at_once, 1)
        self.num_frames = 0
        self._size: FrameSize | None = None
        self.next_start = 0
        self._covered = 0  # frames in clips so far
        self._waiting: dict[int, Tensor] = {}  # frames not encoded so far, by index
        self._encoded: dict[int, _EncodedFrame] = {}
        self._padded_size: tuple[int, int] = (0, 0)

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Height and width of the frames as given; None before the first one."""
        return None if self._size is None else self._size.original

    def push(self, frame: np.ndarray) -> range | None:
        """Give the next frame, RGB uint8 ``(H, W, 3)``.

        Returns:
            the frames of the clip that it makes complete, for :meth:`encode`.

        Raises:
            ValueError: see :func:`~univs.tracking.session.check_frame`; nothing has changed.
        """
        frame = check_frame(frame, self.num_frames, self.frame_size)
        if self._size is None:
            self._size = FrameSize(frame.shape[:2], min_size=self.min_size, max_size=self.max_size)
        self._waiting[self.num_frames] = self._size.resize(frame)
        self.num_frames += 1
        is_complete = self.num_frames == self.next_start + self.clip_length
        return range(self.next_start, self.num_frames) if is_complete else None

    def rest(self) -> range | None:
        """The frames of the short clip at the end; None if all frames were in clips."""
        return range(self.next_start, self.num_frames) if self.num_frames > self._covered else None

    @torch.no_grad()
    def encode(self, frames: range) -> UnivsClip:
        """The clip that :meth:`push` or :meth:`rest` told of."""
        missing = [index for index in frames if index not in self._encoded]
        for first in range(0, len(missing), self.most_at_once):
            self._encode(missing[first : first + self.most_at_once])
        parts = [self._encoded[index] for index in frames]
        levels = zip(*(part.multi_scale for part in parts), strict=True)
        mask_features = torch.stack([part.mask_features for part in parts])
        features = PixelFeatures(
            mask_features=mask_features,
            multi_scale=[torch.stack(level) for level in levels],
            finest=mask_features[:0],  # not kept, because no one needs it
        )
        return UnivsClip(
            frames=frames,
            num_new=frames.stop - self._covered,
            next_start=self._start_after(frames),
            mask_features=mask_features,
            memory=self.model.clip_memory(features, frames),
            size=self._size,
            padded_size=self._padded_size,
        )

    def advance(self, frames: range) -> None:
        """Go on to the clip after ``frames``; what no later clip needs is forgotten."""
        self._covered = frames.stop
        self.next_start = self._start_after(frames)
        for kept in (self._waiting, self._encoded):
            for index in [index for index in kept if index < self.next_start]:
                del kept[index]

    def _start_after(self, frames: range) -> int:
        return min(frames.start + self.stride, frames.stop)

    def _encode(self, indices: list[int]) -> None:
        frames = [self.model.padded_to_square(self._waiting.pop(index)) for index in indices]
        features = self.model.encode_frames(frames)
        self._padded_size = tuple(4 * size for size in features.mask_features.shape[-2:])
        for index, mask_features, *levels in zip(
            indices, features.mask_features, *features.multi_scale, strict=True
        ):
            # Copies, so that a frame does not keep those encoded with it.
            levels = [level.clone() for level in levels]
            self._encoded[index] = _EncodedFrame(mask_features.clone(), levels)
