"""What UniVS can be asked of a video; any number of tasks share the features of its clips."""

from __future__ import annotations

from abc import ABC, abstractmethod

from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import FrameResult, Target, VideoResult
from univs.tracking.univs_frames import UnivsClip


class UnivsTask(ABC):
    """One question about a video, and what is known of the answer so far.

    A session shows every clip to every task, in order, and asks for the results of frames as soon
    as they are final.
    """

    def begins_at(self) -> int | None:
        """The first frame that the task needs; None if it needs none so far.

        Clips that end before this frame are not shown to the task.
        """
        return 0

    def latency(self, clip_length: int) -> int | None:
        """The most frames that must follow a frame before its result is final; None: all."""
        return clip_length - 1

    @abstractmethod
    def add(self, model: UnivsBase, clip: UnivsClip) -> None:
        """Segment the next clip."""

    @property
    @abstractmethod
    def num_final(self) -> int:
        """How many frames, from the first on, no later clip can change; all after :meth:`finish`.

        Those before ``clip.next_start``, or fewer.
        """

    @abstractmethod
    def frame_result(self, frame: int, size: tuple[int, int]) -> FrameResult:
        """The answer for a final frame of ``size``, with the scores known so far."""

    @abstractmethod
    def finish(self, num_frames: int, size: tuple[int, int]) -> VideoResult:
        """The answer for the whole video of frames of ``size``. No clip follows."""


class TargetTask(UnivsTask):
    """A task that follows targets; they come and go while the video is being segmented."""

    @abstractmethod
    def add_target(self, target: Target, *, next_start: int) -> None:
        """Follow one more target.

        Args:
            target: what to follow; segments and tracks have its id.
            next_start: where the next clip will begin. Frames before it are in no clip to come.

        Raises:
            ValueError: see :meth:`~univs.tracking.session.Session.add`.
        """

    @abstractmethod
    def check_size(self, size: tuple[int, int]) -> None:
        """Refuse targets that do not fit frames of the given height and width.

        Raises:
            ValueError: the message names the target.
        """

    @abstractmethod
    def refine_target(self, target_id: int, target: Target, *, next_start: int) -> None:
        """Correct a target; see :meth:`~univs.tracking.session.Session.refine`."""

    @abstractmethod
    def remove_target(self, target_id: int) -> None:
        """Stop following a target; see :meth:`~univs.tracking.session.Session.remove`."""
