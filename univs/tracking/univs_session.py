"""One video with UniVS: categories and targets, on the same features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from detectron2.config import CfgNode
from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import FrameResult, Target, TextTarget, Track, VideoResult
from univs.tracking.mode import is_offline
from univs.tracking.offline_session import OfflineSession
from univs.tracking.session import CATEGORY_TASKS, TASKS, Session, check_frame
from univs.tracking.univs_expressions import ExpressionTask
from univs.tracking.univs_frames import UnivsFrames
from univs.tracking.univs_objects import ObjectTask
from univs.tracking.univs_options import (
    category_task,
    class_names_of,
    clip_options,
    default_task,
    default_vocabulary,
    stuff_classes_of,
)
from univs.tracking.univs_prompts import check_fits
from univs.tracking.univs_stuff import StuffClasses
from univs.tracking.univs_task import TargetTask, UnivsTask

# Added to the ids of targets where categories are looked for as well, whose tracks count from 1.
TARGET_ID_OFFSET = 10_000
_SEED = 0  # of prompt tokens, so that a video always has the same result


class UnivsSession(Session):
    """Segments one video: what belongs to some categories, targets that are given, or both.

    In a session for categories, the track of target k has the id 10000 + k; in others it has the id
    k. Its ``target_id`` is k in both.
    """

    def __init__(
        self,
        new_frames: Callable[[], UnivsFrames],
        *,
        new_category_task: Callable[[], UnivsTask] | None,
        new_object_task: Callable[[], TargetTask],
        new_expression_task: Callable[[], TargetTask],
        class_names: Sequence[str] | None = None,
    ) -> None:
        """
        Args:
            new_frames: makes what cuts a new video into clips.
            new_category_task: makes what looks for categories; None: targets only.
            new_object_task: makes what follows targets that are shown, once there is one.
            new_expression_task: makes what follows targets that are described.
            class_names: of the categories of results; None if they are not known.
        """
        self._new_frames = new_frames
        self._class_names = class_names
        self._new_category_task = new_category_task
        self._new_target_task = {False: new_object_task, True: new_expression_task}
        self.reset()

    def reset(self) -> None:
        """Forget the video and its targets."""
        super().reset()
        self._frames = self._new_frames()
        self._category_task = self._new_category_task() if self._new_category_task else None
        # By whether they follow expressions; made when first needed.
        self._target_tasks: dict[bool, TargetTask] = {}
        self._follower: dict[int, TargetTask] = {}  # by target, also of removed ones
        self._next_start = 0
        self._num_given = 0
        self._videos: list[VideoResult] | None = None

    @property
    def class_names(self) -> list[str] | None:
        return None if self._class_names is None else list(self._class_names)

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return self._frames.num_frames

    @property
    def latency(self) -> int | None:
        length = self._frames.clip_length
        latencies = [task.latency(length) for task in self._tasks] or [length - 1]
        return None if None in latencies else max(latencies)

    def add(self, target: Target) -> None:
        """Follow one more target, from the frame it is given in.

        Raises:
            ValueError: see :meth:`~univs.tracking.session.Session.add`.
        """
        self._check_running()
        if target.id in self._follower:
            raise ValueError(f"target {target.id} is given twice: every target needs its own id")
        self._check_fits(target)
        is_expression = isinstance(target, TextTarget)
        task = self._target_tasks.get(is_expression) or self._new_target_task[is_expression]()
        task.add_target(target, next_start=self._next_start)
        self._target_tasks[is_expression] = task
        self._follower[target.id] = task

    def refine(self, target_id: int, target: Target) -> None:
        """Correct a target; see :meth:`~univs.tracking.session.Session.refine`."""
        self._check_running()
        task = self._follower_of(target_id)
        self._check_fits(target)
        task.refine_target(target_id, target, next_start=self._next_start)

    def remove(self, target_id: int) -> None:
        """Stop following a target; see :meth:`~univs.tracking.session.Session.remove`."""
        self._check_running()
        task = self._follower_of(target_id)
        task.remove_target(target_id)
        for track_id in (target_id, TARGET_ID_OFFSET + target_id):
            self._states.forget(track_id, task.num_final)

    def _push(self, frame: np.ndarray) -> list[FrameResult]:
        """Give the next frame; see :meth:`~univs.tracking.session.Session.push`.

        Raises:
            ValueError: the frame does not fit the video or its targets, or the session was flushed.
        """
        self._check_running()
        frame = check_frame(frame, self.num_frames, self._frames.frame_size)
        if self.num_frames == 0:
            for task in self._target_tasks.values():
                task.check_size(frame.shape[:2])
        complete = self._frames.push(frame)
        if complete is None:
            return []
        self._segment(complete)
        return self._new_results(self._num_final)

    def _flush(self) -> list[FrameResult]:
        """Segment the frames that wait as a shorter clip. No frame can follow until a reset."""
        if self.num_frames == 0:
            return []
        self._finish()
        return self._new_results(self.num_frames)

    def finish(self) -> VideoResult:
        """The result of the whole video.

        Raises:
            ValueError: no frame was given.
        """
        if self.num_frames == 0:
            raise ValueError("the video has no frames: push at least one before finish()")
        return _joined_videos(self._finish(), self.num_frames, self._frames.frame_size)

    @property
    def _tasks(self) -> list[UnivsTask]:
        """All tasks, that for categories first."""
        category_tasks = [] if self._category_task is None else [self._category_task]
        return [*category_tasks, *self._target_tasks.values()]

    @property
    def _num_final(self) -> int:
        """How many frames no task can change any more."""
        num_final = self._next_start
        for task in self._tasks:
            begin = task.begins_at()
            if begin is not None:  # before it there is nothing to change
                num_final = min(num_final, max(task.num_final, begin))
        return num_final

    def _segment(self, frames: range) -> None:
        """Show a clip to the tasks that need it."""
        tasks = [task for task in self._tasks if _begins_before(task, frames.stop)]
        if tasks:
            clip = self._frames.encode(frames)
            for task in tasks:
                task.add(self._frames.model, clip)
        self._frames.advance(frames)
        self._next_start = self._frames.next_start

    def _finish(self) -> list[VideoResult]:
        """What each task has to say about the whole video."""
        if self._videos is None:
            rest = self._frames.rest()
            if rest is not None:
                self._segment(rest)
            size = self._frames.frame_size
            self._videos = [task.finish(self.num_frames, size) for task in self._tasks]
            if self._category_task is not None:
                self._videos[1:] = [_with_offset(video) for video in self._videos[1:]]
        return self._videos

    def _new_results(self, stop: int) -> list[FrameResult]:
        frames = range(self._num_given, stop)
        self._num_given = max(self._num_given, stop)
        return [self._frame_result(frame) for frame in frames]

    def _frame_result(self, frame: int) -> FrameResult:
        size = self._frames.frame_size
        joined = FrameResult(frame_index=frame, size=size)
        for task in self._tasks:
            result = task.frame_result(frame, size)
            segments = result.segments
            if self._category_task not in (None, task):
                segments = [replace(x, track_id=x.track_id + TARGET_ID_OFFSET) for x in segments]
            joined = FrameResult(
                frame_index=frame,
                size=size,
                segments=[*joined.segments, *segments],
                label_map=joined.label_map if result.label_map is None else result.label_map,
            )
        return joined

    def _follower_of(self, target_id: int) -> TargetTask:
        if target_id not in self._follower:
            known = ", ".join(map(str, sorted(self._follower))) or "none"
            raise ValueError(f"there is no target {target_id}; those given: {known}")
        return self._follower[target_id]

    def _check_fits(self, target: Target) -> None:
        if self._frames.frame_size is not None:
            check_fits(target, self._frames.frame_size)

    def _check_running(self) -> None:
        if self._videos is not None:
            raise ValueError("the video was flushed: reset the session to begin another one")


def open_session(
    model: UnivsBase,
    cfg: CfgNode,
    *,
    task: str | None = None,
    vocabulary: str | None = None,
    one_category_per_track: bool = True,
) -> UnivsSession | OfflineSession:
    """Begin a video.

    Args:
        model: in evaluation mode.
        cfg: its config.
        task: one of :data:`~univs.tracking.session.TASKS`. Sessions of all tasks take targets;
            those for categories look for these as well. Default: that of
            ``MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES`` or of the test data set.
        vocabulary: a class list of the concept table; default: that of the test data set, or of
            another one of the task. With targets only ``pvos`` needs one, and only if it is to tell
            stuff from things.
        one_category_per_track: give every track its best class; otherwise it appears once for every
            class, as average precision rewards.

    Raises:
        ValueError: there is no such task or class list, or clips cannot be cut like this.
    """
    task = task or default_task(cfg)
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}: choose one of {', '.join(TASKS)}")
    concepts = model.concepts
    vocabulary = vocabulary or default_vocabulary(cfg, task, concepts)
    if vocabulary is not None:
        concepts.rows(vocabulary)  # which says what is wrong
    published = cfg.MODEL.UniVS.PUBLISHED_BEHAVIOUR
    new_category_task, stuff = None, None
    if task in CATEGORY_TASKS:
        if vocabulary is None:
            raise ValueError(
                "which categories to look for is not said: give a class list as vocabulary; the "
                f"model has {', '.join(sorted(concepts.domains))}"
            )
        new_category_task = category_task(cfg, task, vocabulary, one_category_per_track)
    elif task == "pvos" and vocabulary is not None:
        stuff = StuffClasses(concepts.rows(vocabulary), stuff_classes_of(vocabulary))
    session = UnivsSession(
        partial(UnivsFrames, model, **clip_options(cfg, task)),
        new_category_task=new_category_task,
        new_object_task=lambda: ObjectTask(
            published=published, stuff=stuff, generator=torch.Generator().manual_seed(_SEED)
        ),
        new_expression_task=lambda: ExpressionTask(
            model.expression_prompts,
            published=published,
            with_masks=cfg.MODEL.UniVS.TEST.ENABLED_PREV_VISUAL_PROMPTS_FOR_GROUNDING,
            generator=torch.Generator().manual_seed(_SEED),
        ),
        class_names=class_names_of(cfg, concepts, vocabulary),
    )
    return OfflineSession(session) if is_offline(cfg) else session


def _begins_before(task: UnivsTask, frame: int) -> bool:
    begin = task.begins_at()
    return begin is not None and begin < frame


def _with_offset(video: VideoResult) -> VideoResult:
    tracks = [replace(track, id=track.id + TARGET_ID_OFFSET) for track in video.tracks]
    return replace(video, tracks=tracks)


def _joined_videos(
    videos: Sequence[VideoResult], num_frames: int, size: tuple[int, int]
) -> VideoResult:
    tracks: list[Track] = [track for video in videos for track in video.tracks]
    maps = [video.label_maps for video in videos if video.label_maps is not None]
    return VideoResult(
        num_frames=num_frames, size=size, tracks=tracks, label_maps=maps[0] if maps else None
    )
