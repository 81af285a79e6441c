"""Scores videos in several processes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Video = TypeVar("Video", bound=Hashable)
Score = TypeVar("Score")

_score: Callable[[Any], Any] | None = None  # in a worker: what it was started with


def score_each(
    videos: Iterable[Video], score: Callable[[Video], Score], processes: int = 1
) -> dict[Video, Score]:
    """Apply ``score`` to every video.

    Args:
        videos: names or ids.
        score: what can be pickled; it is sent once to each process, however large its arguments.
        processes: how many videos to score at a time; the result does not depend on it.

    Returns:
        Video -> score, in the order of ``videos``.

    Raises:
        ValueError: ``processes`` is below 1.
    """
    videos = list(videos)
    if processes < 1:
        raise ValueError(f"The number of processes must be 1 or more, not {processes}.")
    if processes == 1 or len(videos) < 2:
        return {video: score(video) for video in videos}
    with ProcessPoolExecutor(processes, initializer=_start, initargs=(score,)) as pool:
        return dict(zip(videos, pool.map(_score_one, videos), strict=True))


def _start(score: Callable[[Any], Any]) -> None:
    global _score
    _score = score


def _score_one(video: Hashable) -> Any:
    return _score(video)
