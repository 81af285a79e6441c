"""Several tasks on one video with TarViS: every frame and every clip is encoded once for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import FrameResult, PointTarget, Target, VideoResult
from univs.tracking.tarvis_objects import ObjectTask, check_fits, check_kind
from univs.tracking.tarvis_tasks import Task
from univs.tracking.tarvis_tracker import TarVisTracker
from univs.tracking.track_states import TrackStates


class MixedSession:
    """Segments one video by several tasks at once. It has the verbs of a session; results are
    separate for every task, by its name.

    Tasks do not see each other: every task is a pass of the decoder on features that all of them
    share, so each result is what the task alone would give.

    >>> session = open_mixed_session(model, cfg, tasks=["vis", "vps", "vos", "pet"])
    >>> session.add(MaskTarget(id=1, mask=mask))        # for "vos"
    >>> session.add(PointTarget(id=1, points=[[x, y]]))  # for "pet"
    >>> for frame in frames:
    ...     for task, results in session.push(frame).items(): ...
    >>> videos = session.finish()
    """

    def __init__(
        self,
        model: TarViS,
        new_tasks: Mapping[str, Callable[[], Task]],
        *,
        class_names: Mapping[str, Sequence[str]],
        **tracker_options: int,
    ) -> None:
        """
        Args:
            model: in evaluation mode.
            new_tasks: makes each task for a new video, by name.
            class_names: names of the 0-based categories of each task; none for given objects.
            tracker_options: see :class:`~univs.tracking.tarvis_tracker.TarVisTracker`.
        """
        self.model = model
        self.class_names = {task: list(class_names[task]) for task in new_tasks}
        self._new_tasks = dict(new_tasks)
        self._tracker_options = tracker_options
        self.reset()

    def reset(self) -> None:
        """Forget the video and its targets."""
        self.tasks = {name: new_task() for name, new_task in self._new_tasks.items()}
        self._tracker = TarVisTracker(
            self.model, list(self.tasks.values()), **self._tracker_options
        )
        self._states = {name: TrackStates() for name in self.tasks}
        self._num_given = dict.fromkeys(self.tasks, 0)
        self._videos: dict[str, VideoResult] | None = None

    def __enter__(self) -> MixedSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.reset()

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return self._tracker.num_frames

    @property
    def num_segmented(self) -> int:
        """Frames, from the first on, in which nothing can be given or removed any more."""
        return self._tracker.num_segmented

    @property
    def latency(self) -> int:
        """The most frames that must follow a frame before its results come."""
        return self._tracker.clip_length - 1 + max(task.latency for task in self.tasks.values())

    def add(self, target: Target, *, task: str | None = None) -> None:
        """Give an object, before its frame is segmented.

        Args:
            target: a mask or a point.
            task: which task follows it: ``vos`` or ``pet``. By default masks go to ``vos`` and
                points to ``pet``, or to the only one of them that there is.

        Raises:
            ValueError: no task takes it, its frame is past, or its id is taken in the task.
        """
        followers = self._followers()
        preferred = "pet" if isinstance(target, PointTarget) else "vos"
        name = task or (preferred if preferred in followers else next(iter(followers)))
        if name not in followers:
            raise ValueError(f"there is no task {name!r} here; objects can go to {list(followers)}")
        self._check_target(target)
        followers[name].add_target(target)

    def refine(self, target_id: int, target: Target, *, task: str | None = None) -> None:
        """Correct an object, in a frame that was not segmented yet.

        A mask replaces the predicted one of its frame; a point replaces all that is known of where
        the object is. Objects that were lost come back.

        Args:
            target_id: the object.
            target: a mask or a point, with the same id.
            task: which task follows it; by default the only one that does.

        Raises:
            ValueError: there is no such object, or :meth:`add` would refuse the target.
        """
        name = self._follower_of(target_id, task)
        self._check_target(target)
        self.tasks[name].refine_target(target_id, target)

    def remove(self, target_id: int, *, task: str | None = None) -> None:
        """Follow an object no longer, from the first frame that was not segmented yet.

        Its masks so far stay in the result, and its id stays taken.

        Args:
            target_id: the object.
            task: which task follows it; by default the only one that does.

        Raises:
            ValueError: there is no such object.
        """
        name = self._follower_of(target_id, task)
        self.tasks[name].remove_target(target_id)
        self._states[name].forget(target_id, self.num_segmented)

    def push(self, frame: np.ndarray) -> dict[str, list[FrameResult]]:
        """Give the next frame, RGB uint8 ``(H, W, 3)``.

        Returns:
            results that became final, in the order of frames, by task; often none.

        Raises:
            ValueError: the frame does not fit, or the session was flushed.
        """
        return self._annotated(self.advance(frame))

    def flush(self) -> dict[str, list[FrameResult]]:
        """Segment the frames that still wait, and give all results that are missing."""
        return self._annotated(self.advance_to_end())

    def advance(self, frame: np.ndarray) -> dict[str, list[FrameResult]]:
        """As :meth:`push`, without saying which tracks are lost."""
        if self._videos is not None:
            raise ValueError("the video was flushed: reset the session to begin another one")
        self._tracker.push(frame)
        return {name: self._new_results(name, task.num_final) for name, task in self.tasks.items()}

    def advance_to_end(self) -> dict[str, list[FrameResult]]:
        """As :meth:`flush`, without saying which tracks are lost."""
        if self.num_frames:
            self.finish()
        return {name: self._new_results(name, self.num_frames) for name in self.tasks}

    def _annotated(self, results: dict[str, list[FrameResult]]) -> dict[str, list[FrameResult]]:
        return {name: self._states[name].annotated(frames) for name, frames in results.items()}

    def finish(self) -> dict[str, VideoResult]:
        """The results of the whole video by task.

        Raises:
            ValueError: no frame was given.
        """
        if self._videos is None:
            self._videos = dict(zip(self.tasks, self._tracker.finish(), strict=True))
        return self._videos

    def _followers(self) -> dict[str, ObjectTask]:
        followers = {name: t for name, t in self.tasks.items() if isinstance(t, ObjectTask)}
        if not followers:
            raise ValueError(
                f"this session looks for categories ({', '.join(self.tasks)}) and takes no "
                "targets: open one with the task vos or pet"
            )
        return followers

    def _follower_of(self, target_id: int, task: str | None) -> str:
        followers = self._followers()
        if task is not None and task not in followers:
            raise ValueError(f"there is no task {task!r} here; known are {list(followers)}")
        having = [
            name
            for name, follower in followers.items()
            if target_id in follower.targets and task in (None, name)
        ]
        if len(having) != 1:
            known = {name: sorted(follower.targets) for name, follower in followers.items()}
            raise ValueError(
                f"target {target_id} is followed by {len(having)} tasks, not by one; followed are "
                f"{known}"
            )
        return having[0]

    def _check_target(self, target: Target) -> None:
        check_kind(target)
        first = self.num_segmented
        if target.frame_index < first:
            raise ValueError(
                f"target {target.id} is given in frame {target.frame_index}, but frames before "
                f"{first} were segmented already: add it before its frame"
            )
        if self._tracker.frame_size is not None:
            check_fits(target, self._tracker.frame_size)

    def _new_results(self, name: str, stop: int) -> list[FrameResult]:
        frames = range(self._num_given[name], stop)
        self._num_given[name] = max(self._num_given[name], stop)
        size = self._tracker.frame_size
        return [self.tasks[name].frame_result(frame, size) for frame in frames]
