"""Segment one video: frames through a session, results into a folder."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from univs.app.output_folder import staged_folder
from univs.data.video_source import VideoSource, VideoSourceError
from univs.structures import FrameResult, Target, Track, VideoResult, label_png
from univs.visualization import VideoWriter, davis_palette, draw_frame, track_colors, write_id_map

if TYPE_CHECKING:
    from univs.tracking.session import Session

FOLDER_FPS = 10.0  # for folders of images, which have no time of their own


class Segmenter(Protocol):
    """A model that is ready to use; ``univs.load`` makes one."""

    class_names: list[str]

    def session(
        self,
        task: str | None = None,
        *,
        vocabulary: str | None = None,
        scene_cuts: float | None = None,
    ) -> Session:
        """Begin a video."""


@dataclass(frozen=True, kw_only=True)
class SegmentedVideo:
    """What `segment_video` has done.

    Attributes:
        result: every track, whatever its score.
        paths: the files and folders that were written, by what they hold: ``overlay``, ``results``,
            and ``masks`` or ``labels`` or both.
        tracks_kept: number of tracks that reach the score threshold.
    """

    result: VideoResult
    paths: dict[str, Path]
    tracks_kept: int


def segment_video(
    source: VideoSource,
    segmenter: Segmenter,
    output_dir: str | Path,
    *,
    task: str | None = None,
    vocabulary: str | None = None,
    scene_cuts: float | None = None,
    targets: Sequence[Target] = (),
    score_threshold: float = 0.5,
    on_frame: Callable[[], None] = lambda: None,
) -> SegmentedVideo:
    """Segment a video and write what was found.

    Frames are read one at a time, and once more for the overlay when their results are final, so
    that memory does not grow with the video even if a model answers late. Those of a live source
    are kept until then; it ends with the stream, or with Ctrl-C, which is no error.
    Into ``output_dir`` go

    - ``NAME_overlay.mp4`` (of ``source.name``): every frame with its masks and labels. Its scores
      are those known when the frame became final, so early frames may show a track that is dropped
      later;
    - ``NAME.json``: size, fps, class names, and tracks with final scores and COCO run lengths;
    - ``masks/00000.png``, ...: the id of the track at every pixel, 0 for none, by final scores;
    - ``labels/00000.png``, ...: of semantic models, the category of every pixel; the largest value
      of the PNG's type (255 or 65535) for none.

    All of them appear together at the end, or none does.

    Args:
        source: the frames.
        segmenter: the model.
        output_dir: the folder; made if missing.
        task, vocabulary, scene_cuts: see :meth:`~univs.tracking.segmenter.Segmenter.session`.
        targets: what to follow.
        score_threshold: tracks below it are left out of all files.
        on_frame: called after each frame.

    Raises:
        VideoSourceError: a frame cannot be read, or there is none.
        ValueError: the model cannot do the task, or does not take a target; or it answers at the
            end of the video only, and the source is live.
    """
    name = source.name
    output_dir = Path(output_dir)
    with staged_folder(output_dir) as staging:
        with (
            VideoWriter(staging / f"{name}_overlay.mp4", source.fps or FOLDER_FPS) as writer,
            segmenter.session(task, vocabulary=vocabulary, scene_cuts=scene_cuts) as session,
        ):
            if source.is_live and session.latency is None:
                raise ValueError(
                    f"{source.path} has no end to wait for, but this model answers when it knows "
                    "the whole video: use --mode online or semi-online, or another model."
                )
            for target in targets:
                session.add(target)
            seen: deque[np.ndarray] = deque()  # frames of a live source that wait for results
            again = popped(seen) if source.is_live else iter(source)
            class_names = session.class_names
            if class_names is None:
                class_names = segmenter.class_names
            sink = FrameSink(again, writer, staging, class_names, score_threshold)
            num_frames = 0
            try:
                for frame in source:
                    if source.is_live:
                        seen.append(frame)
                    sink.add_all(session.push(frame))
                    num_frames += 1
                    on_frame()
            except KeyboardInterrupt:
                if not source.is_live:
                    raise
            if num_frames == 0:
                raise VideoSourceError(f"{source.path}: no frame could be decoded.")
            sink.add_all(session.flush())
            result = session.finish()
            if not sink.num_frames == result.num_frames == num_frames:
                raise RuntimeError(
                    f"The model answered {sink.num_frames} of {num_frames} frames, and its result "
                    f"has {result.num_frames}."
                )
        return write_result(staging, output_dir, source, result, class_names, score_threshold)


def write_result(
    staging: Path,
    output_dir: Path,
    source: VideoSource,
    result: VideoResult,
    class_names: list[str],
    score_threshold: float,
) -> SegmentedVideo:
    """Write the results of a whole video beside its overlay.

    Args:
        staging: folder that holds the overlay, and label maps if there are some.
        output_dir: where its content is moved to later.
        source: the video.
        result: of the whole video.
        class_names: name of each category.
        score_threshold: tracks below it are left out.
    """
    name, kept = source.name, result.filtered(score_threshold)
    if result.tracks or not (staging / "labels").exists():
        write_masks(staging / "masks", kept)
    record = result_record(source, kept, class_names, score_threshold)
    (staging / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    written = {
        "overlay": f"{name}_overlay.mp4",
        "results": f"{name}.json",
        "masks": "masks",
        "labels": "labels",
    }
    paths = {
        what: output_dir / entry for what, entry in written.items() if (staging / entry).exists()
    }
    return SegmentedVideo(result=result, paths=paths, tracks_kept=len(kept.tracks))


def popped(frames: deque[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames in the order they were appended, each given up when it is asked for."""
    while True:
        yield frames.popleft()


class FrameSink:
    """Draws final frames onto a second reading of the source, which lags behind the model."""

    def __init__(
        self,
        frames: Iterator[np.ndarray],
        writer: VideoWriter,
        folder: Path,
        class_names: list[str],
        score_threshold: float,
    ) -> None:
        """
        Args:
            frames: the frames of the video, from the first on.
            writer: of the overlay.
            folder: label maps go to its folder ``labels``.
            class_names: name of each category.
            score_threshold: segments below it are not drawn.
        """
        self._frames = frames
        self._writer = writer
        self._label_folder = folder / "labels"
        self._class_names = class_names
        self._score_threshold = score_threshold
        self.num_frames = 0

    def add_all(self, results: Iterable[FrameResult]) -> None:
        """Draw the results of the frames that follow."""
        for result in results:
            if result.frame_index != self.num_frames:
                raise RuntimeError(
                    f"The model answered frame {result.frame_index} instead of {self.num_frames}."
                )
            frame = next(self._frames)
            kept = result.filtered(self._score_threshold)
            self._writer.write(draw_frame(frame, kept, self._class_names))
            if result.label_map is not None:
                self._write_labels(result.label_map)
            self.num_frames += 1

    def _write_labels(self, label_map: np.ndarray) -> None:
        self._label_folder.mkdir(exist_ok=True)
        palette = track_colors(np.arange(256) + 1)  # of category 0, 1, ..., as in the overlay
        palette[255] = 0  # void
        png = label_png(label_map, len(self._class_names))
        write_id_map(self._label_folder / f"{self.num_frames:05d}.png", png, palette)


def write_masks(folder: Path, result: VideoResult) -> None:
    """Write an id map for every frame into a new folder."""
    folder.mkdir()
    for index, id_map in enumerate(result.to_indexed_masks()):
        write_id_map(folder / f"{index:05d}.png", id_map, davis_palette())


def result_record(
    source: VideoSource, result: VideoResult, class_names: list[str], score_threshold: float
) -> dict:
    """The content of the JSON file."""
    return {
        "video": os.fspath(source.path),
        "size": list(result.size),
        "fps": source.fps,
        "num_frames": result.num_frames,
        "skipped_frames": source.skipped,
        "class_names": list(class_names),
        "score_threshold": score_threshold,
        "tracks": [_track_record(track, class_names) for track in result.tracks],
    }


def _track_record(track: Track, class_names: list[str]) -> dict:
    return {
        "id": track.id,
        "category": track.category,
        "class_name": None if track.category is None else class_names[track.category],
        "target_id": track.target_id,
        "score": track.score,
        "segmentations": list(track.segmentations),
    }
