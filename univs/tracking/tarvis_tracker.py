"""One video through TarViS: every frame and every clip is encoded once, for all tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import VideoResult
from univs.tracking.frame_size import FrameSize
from univs.tracking.session import check_frame
from univs.tracking.tarvis_stitching import check_overlap
from univs.tracking.tarvis_tasks import EncodedClip, Task


class TarVisTracker:
    """Feeds the clips of one video to any number of tasks.

    Frames wait until a clip is complete. What is kept of the video are the backbone features of the
    frames that the next clip shares; tasks keep results and what they need to join clips.

    >>> tracker = TarVisTracker(model, [task], clip_length=12, overlap=6, min_size=448,
    max_size=1333)
    >>> for frame in frames:
    ...     tracker.push(frame)
    >>> result, = tracker.finish()
    """

    def __init__(
        self,
        model: TarViS,
        tasks: Sequence[Task],
        *,
        clip_length: int,
        overlap: int,
        min_size: int,
        max_size: int,
    ) -> None:
        """
        Args:
            model: in evaluation mode.
            tasks: new ones, for this video only.
            clip_length: frames per clip; results come with that latency.
            overlap: frames that a clip shares with the one before.
            min_size, max_size: see :class:`~univs.tracking.frame_size.FrameSize`.

        Raises:
            ValueError: there is no task, or the overlap does not fit the length.
        """
        check_overlap(clip_length, overlap)
        if not tasks:
            raise ValueError("there is nothing to look for: give at least one task")
        self.model = model
        self.tasks = list(tasks)
        self.clip_length, self.overlap = clip_length, overlap
        self.min_size, self.max_size = min_size, max_size
        self.num_frames = 0
        self._frame_size: FrameSize | None = None
        self._padded_size: tuple[int, int] = (0, 0)
        self._waiting: list[Tensor] = []
        # Backbone features of the frames that the waiting clip shares, by name.
        self._shared: dict[str, Tensor] = {}
        self._num_shared = 0

    def push(self, frame: np.ndarray) -> None:
        """Give the next frame, RGB uint8 ``(H, W, 3)``, the same size for the whole video.

        Frames before the first one that any task needs are skipped.

        Raises:
            ValueError: the frame is not such an array, its size changed, or something that was
                given does not fit it. The tracker is as before.
        """
        frame = check_frame(frame, self.num_frames, self.frame_size)
        if self._frame_size is None:
            for task in self.tasks:
                task.check_size(frame.shape[:2])
            self._frame_size = FrameSize(
                frame.shape[:2], min_size=self.min_size, max_size=self.max_size
            )
        self.num_frames += 1
        if not self._waiting:
            for task in self.tasks:
                task.proceed()
            if not self._num_shared and not self._is_needed():
                for task in self.tasks:
                    task.pass_over(self.num_frames)
                return
        self._waiting.append(self._frame_size.resize(frame))
        if self._num_shared + len(self._waiting) == self.clip_length:
            self._segment()

    def finish(self) -> list[VideoResult]:
        """The result of each task; frames that still wait are segmented as a shorter clip.

        Raises:
            ValueError: no frame was given.
        """
        if self._frame_size is None:
            raise ValueError("the video has no frames: push at least one before finish()")
        if self._waiting:
            self._segment()
        return [task.finish(self.num_frames, self._frame_size.original) for task in self.tasks]

    @property
    def num_segmented(self) -> int:
        """Frames, from the first on, that were segmented or skipped."""
        return self.num_frames - len(self._waiting)

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Height and width of the frames; None before the first one."""
        return None if self._frame_size is None else self._frame_size.original

    def _is_needed(self) -> bool:
        starts = [task.begins_at() for task in self.tasks]
        return any(start is not None and start < self.num_frames for start in starts)

    @torch.no_grad()
    def _segment(self) -> None:
        features = self._backbone_features()
        length = self._num_shared + len(self._waiting)
        clip = EncodedClip(
            frames=range(self.num_frames - length, self.num_frames),
            features=self.model.encode(features, length),
            size=self._frame_size,
            padded_size=self._padded_size,
        )
        for task in self.tasks:
            begin = task.begins_at()
            if begin is not None and begin < clip.frames.stop:
                task.add(self.model, clip)
            else:
                task.pass_over(clip.frames.stop)
        self._num_shared = min(self.overlap, length)
        self._shared = {name: maps[-self._num_shared :].clone() for name, maps in features.items()}
        self._waiting = []

    def _backbone_features(self) -> dict[str, Tensor]:
        """Features ``(T, C, h, w)`` of the whole clip by name; shared frames are not run again."""
        images = self.model.preprocess(self._waiting).tensor
        self._padded_size = tuple(images.shape[-2:])
        features = self.model.backbone(images)
        if not self._num_shared:
            return features
        return {name: torch.cat((self._shared[name], maps)) for name, maps in features.items()}
