"""Render many toy videos, in order, on several processor cores."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cv2

from univs.data.toy.difficulty import ToyDifficulty
from univs.data.toy.video import ToyVideo, make_video

_AHEAD = 4  # videos per process that may wait to be written


def render_videos(
    numbers: Iterable[tuple[str, int]],
    *,
    processes: int,
    seed: int,
    size: tuple[int, int],
    num_frames: int,
    difficulty: ToyDifficulty,
) -> Iterator[ToyVideo]:
    """Yield the videos with these (split, index), in this order.

    The videos do not depend on ``processes``. Only a few wait at a time, so memory does not grow
    with their number.

    Args:
        processes: how many render at once; 1 renders in this process.
    """
    render = partial(_render, seed=seed, size=size, num_frames=num_frames, difficulty=difficulty)
    if processes == 1:
        yield from map(render, numbers)
        return
    # Fresh interpreters: a fork of a process that has threads may hang.
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_leave_interrupts_to_parent
    )
    try:
        waiting: deque = deque()
        for number in numbers:
            waiting.append(pool.submit(render, number))
            if len(waiting) > _AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _render(number: tuple[str, int], **parameters) -> ToyVideo:
    split, index = number
    video = make_video(split=split, index=index, **parameters)
    _ = video.jpegs  # encoded here, rather than by the one process that writes
    return video
