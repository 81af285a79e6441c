"""Segment one video by several tasks in one pass: a folder of results for every task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from univs.app.output_folder import staged_folder
from univs.app.segment_video import (
    FOLDER_FPS,
    FrameSink,
    SegmentedVideo,
    popped,
    write_result,
)
from univs.data.video_source import VideoSource, VideoSourceError
from univs.structures import Target
from univs.visualization import VideoWriter

if TYPE_CHECKING:
    from univs.tracking.tarvis_mixed_session import MixedSession


def segment_video_by_tasks(
    source: VideoSource,
    session: MixedSession,
    output_dir: str | Path,
    *,
    targets: Sequence[Target] = (),
    score_threshold: float = 0.5,
    on_frame: Callable[[], None] = lambda: None,
) -> dict[str, SegmentedVideo]:
    """Segment a video by all tasks of a session; every frame is read and encoded once.

    Into ``output_dir`` goes a folder for every task, with the files that
    :func:`~univs.app.segment_video.segment_video` writes. All of them appear together at the end,
    or none does.

    Args:
        source: the frames; each is kept until all tasks have answered it.
        session: a new one.
        output_dir: the folder; made if missing.
        targets: what to follow; see
            :meth:`~univs.tracking.tarvis_mixed_session.MixedSession.add` for which task does.
        score_threshold: tracks below it are left out of all files.
        on_frame: called after each frame.

    Returns:
        what was done, by task.

    Raises:
        VideoSourceError: a frame cannot be read, or there is none.
        ValueError: no task takes one of the targets.
    """
    name, output_dir = source.name, Path(output_dir)
    videos = {}
    with staged_folder(output_dir) as staging:
        with ExitStack() as stack:
            stack.enter_context(session)
            for target in targets:
                session.add(target)
            waiting: dict[str, deque[np.ndarray]] = {}  # frames without results, by task
            sinks = {}
            for task in session.tasks:
                folder = staging / task
                folder.mkdir()
                waiting[task] = deque()
                writer = VideoWriter(folder / f"{name}_overlay.mp4", source.fps or FOLDER_FPS)
                sinks[task] = FrameSink(
                    popped(waiting[task]),
                    stack.enter_context(writer),
                    folder,
                    session.class_names[task],
                    score_threshold,
                )
            for frame in source:
                for frames in waiting.values():
                    frames.append(frame)
                for task, results in session.push(frame).items():
                    sinks[task].add_all(results)
                on_frame()
            if session.num_frames == 0:
                raise VideoSourceError(f"{source.path}: no frame could be decoded.")
            for task, results in session.flush().items():
                sinks[task].add_all(results)
            finished = session.finish()
        for task, result in finished.items():
            videos[task] = write_result(
                staging / task,
                output_dir / task,
                source,
                result,
                session.class_names[task],
                score_threshold,
            )
    return videos
