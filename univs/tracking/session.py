"""What one video looks like while it is being segmented, whatever the system and the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import NoReturn, TypeVar

import numpy as np

from univs.structures import FrameResult, PointTarget, Target, TextTarget, VideoResult
from univs.tracking.track_states import TrackStates

# What can be asked of a video. The first three look for categories, the others follow what is
# given with `Session.add`.
CATEGORY_TASKS = ("vis", "vps", "vss")
TARGET_TASKS = ("vos", "pvos", "refvos", "pet")
TASKS = (*CATEGORY_TASKS, *TARGET_TASKS)

_Self = TypeVar("_Self", bound="Session")


class Session(ABC):
    """One video: frames go in, results come out as soon as nothing can change them any more.

    >>> with segmenter.session(task="vos") as session:
    ...     session.add(MaskTarget(id=1, mask=mask))
    ...     for frame in frames:
    ...         for result in session.push(frame): ...
    ...     for result in session.flush(): ...
    ...     video = session.finish()

    All state of a video lives here; the model keeps none, so sessions of one model do not disturb
    one another. Leaving the ``with`` block forgets the video.
    """

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.reset()

    @property
    @abstractmethod
    def num_frames(self) -> int:
        """Frames pushed so far."""

    @property
    @abstractmethod
    def latency(self) -> int | None:
        """The most frames that must follow a frame before its result comes; None: all of them."""

    @property
    def class_names(self) -> list[str] | None:
        """Names of the 0-based categories of results; None: those the model was loaded with."""
        return None

    def reset(self) -> None:
        """Forget the video and its targets."""
        self._states = TrackStates()

    def push(self, frame: np.ndarray) -> list[FrameResult]:
        """Give the next frame.

        Args:
            frame: RGB uint8 ``(H, W, 3)``, the same size for the whole video.

        Returns:
            results that became final, in the order of frames; often none.

        Raises:
            ValueError: the frame is not such an array, or its size changed. The session is as
                before.
        """
        return self._states.annotated(self._push(frame))

    def flush(self) -> list[FrameResult]:
        """Segment the frames that wait without waiting for more."""
        return self._states.annotated(self._flush())

    @abstractmethod
    def _push(self, frame: np.ndarray) -> list[FrameResult]:
        """What :meth:`push` does; lost tracks are noted there."""

    @abstractmethod
    def _flush(self) -> list[FrameResult]:
        """What :meth:`flush` does; lost tracks are noted there."""

    @abstractmethod
    def finish(self) -> VideoResult:
        """The result of the whole video; frames that still wait are flushed.

        Raises:
            ValueError: no frame was given.
        """

    def add(self, target: Target) -> None:
        """Follow one more target, from the frame it is given in.

        Raises:
            ValueError: its frame was segmented already, its id is taken, or this session does not
                take such targets.
        """
        self._takes_no_targets()

    def refine(self, target_id: int, target: Target) -> None:
        """Correct a target that is being followed: what ``target`` shows replaces its mask there.

        Raises:
            ValueError: there is no such target, or :meth:`add` would refuse it.
        """
        self._takes_no_targets()

    def remove(self, target_id: int) -> None:
        """Stop following a target. Its masks so far stay in the result.

        Raises:
            ValueError: there is no such target.
        """
        self._takes_no_targets()

    def _takes_no_targets(self) -> NoReturn:
        raise ValueError(
            f"a {type(self).__name__} looks for the categories it was trained on and takes no "
            "targets: use a UniVS or TarViS model with one of the tasks "
            f"{', '.join(TARGET_TASKS)}"
        )


def task_of_targets(targets: Sequence[Target]) -> str | None:
    """The task that takes such targets: "refvos", "pet" or "vos"; None without targets."""
    if not targets:
        return None
    if all(isinstance(target, TextTarget) for target in targets):
        return "refvos"
    return "pet" if all(isinstance(target, PointTarget) for target in targets) else "vos"


def check_frame(frame: np.ndarray, index: int, size: tuple[int, int] | None) -> np.ndarray:
    """A frame as an array, if it fits the video.

    Args:
        frame: RGB uint8 ``(H, W, 3)``.
        index: its index in the video.
        size: height and width of the frames before; None if it is the first one.

    Raises:
        ValueError: it is not such an array, or has another size.
    """
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ValueError(
            f"frame {index} must be uint8 [H, W, 3] RGB, got {frame.dtype} {list(frame.shape)}"
        )
    if size is not None and frame.shape[:2] != tuple(size):
        raise ValueError(
            f"frame {index} has size {frame.shape[:2]}, the video has {tuple(size)}: start a new "
            "session or resize the frame"
        )
    return frame
