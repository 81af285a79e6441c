"""One task on one video with TarViS, with the verbs of every session."""

from __future__ import annotations

import numpy as np

from univs.config.tarvis import thing_classes_of
from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import FrameResult, MaskTarget, PointTarget, VideoResult
from univs.tracking.session import Session
from univs.tracking.tarvis_objects import ObjectTask
from univs.tracking.tarvis_tasks import InstanceTask, PanopticTask, Task
from univs.tracking.tarvis_tracker import TarVisTracker


class TarVisSession(Session):
    """Segments one video: instances, panoptic segments, or objects that are given with ``add``.

    Several tasks on the same features are the business of
    :class:`~univs.tracking.tarvis_tracker.TarVisTracker`.

    >>> with segmenter.session() as session:
    ...     session.add(PointTarget(id=1, points=[[x, y]]))
    ...     for frame in frames:
    ...         for result in session.push(frame): ...
    ...     for result in session.flush(): ...
    ...     video = session.finish()
    """

    def __init__(
        self,
        model: TarViS,
        *,
        clip_length: int,
        overlap: int,
        min_size: int,
        max_size: int,
        vocabulary: str,
        thing_classes: tuple[int, ...],
        max_tracks: int,
        max_tracks_per_clip: int,
        score_threshold: float,
        iou_threshold: float,
        published: bool,
        one_category_per_track: bool = True,
    ) -> None:
        """
        Args:
            model: in evaluation mode.
            clip_length, overlap, min_size, max_size: see
                :class:`~univs.tracking.tarvis_tracker.TarVisTracker`.
            vocabulary: what to look for; "" for given objects only.
            thing_classes: thing classes of a panoptic vocabulary; none: all classes are things.
            max_tracks, one_category_per_track: see
                :class:`~univs.tracking.tarvis_tasks.InstanceTask`.
            max_tracks_per_clip, score_threshold, iou_threshold: see
                :class:`~univs.tracking.tarvis_stitching.TrackStitcher`.
            published: join clips as the original does.
        """
        self._tracker_options = {
            "clip_length": clip_length,
            "overlap": overlap,
            "min_size": min_size,
            "max_size": max_size,
        }
        self._stitching = {
            "max_tracks_per_clip": max_tracks_per_clip,
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "published": published,
        }
        self.model = model
        self.vocabulary, self.thing_classes = vocabulary, thing_classes
        self.max_tracks = max_tracks
        self.one_category_per_track = one_category_per_track
        self.reset()

    def reset(self) -> None:
        """Forget the video and its targets."""
        self.task = self._new_task()
        self._tracker = TarVisTracker(self.model, [self.task], **self._tracker_options)
        self._num_given = 0
        self._result: VideoResult | None = None

    def _new_task(self) -> Task:
        if not self.vocabulary:
            return ObjectTask(
                overlap=self._tracker_options["overlap"], published=self._stitching["published"]
            )
        if self.thing_classes:
            return PanopticTask(
                self.vocabulary, thing_classes=self.thing_classes, **self._stitching
            )
        return InstanceTask(
            self.vocabulary,
            max_tracks=self.max_tracks,
            one_category_per_track=self.one_category_per_track,
            **self._stitching,
        )

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return self._tracker.num_frames

    @property
    def latency(self) -> int:
        return self._tracker_options["clip_length"] - 1

    def add(self, target: MaskTarget | PointTarget) -> None:
        """Give an object, before its frame is pushed.

        Raises:
            ValueError: the session looks for categories, the frame is past, the id is taken, or
                TarViS does not take such targets.
        """
        if not isinstance(self.task, ObjectTask):
            raise ValueError(
                f"this session looks for the categories of {self.vocabulary}: to segment given "
                'objects set MODEL.TARVIS.TEST.VOCABULARY to ""'
            )
        if target.frame_index < self.num_frames:
            raise ValueError(
                f"target {target.id} is given in frame {target.frame_index}, but "
                f"{self.num_frames} frames were pushed already: add it before its frame"
            )
        self.task.add_target(target)

    def push(self, frame: np.ndarray) -> list[FrameResult]:
        """Give the next frame, RGB uint8 ``(H, W, 3)``.

        Returns:
            results that became final, in the order of frames; often none.

        Raises:
            ValueError: the frame does not fit, or the session was flushed.
        """
        if self._result is not None:
            raise ValueError("the video was flushed: reset the session to begin another one")
        self._tracker.push(frame)
        return self._new_results(self.task.num_final)

    def flush(self) -> list[FrameResult]:
        """Segment the frames that still wait, and give all results that are missing."""
        if self.num_frames == 0:
            return []
        self._finish()
        return self._new_results(self.num_frames)

    def finish(self) -> VideoResult:
        """The result of the whole video.

        Raises:
            ValueError: no frame was given.
        """
        self._finish()
        return self._result

    def _finish(self) -> None:
        if self._result is None:
            (self._result,) = self._tracker.finish()

    def _new_results(self, stop: int) -> list[FrameResult]:
        frames = range(self._num_given, stop)
        self._num_given = max(self._num_given, stop)
        return [self.task.frame_result(frame, self._tracker.frame_size) for frame in frames]


def open_session(
    model: TarViS, cfg, *, task: str | None, vocabulary: str | None, one_category_per_track: bool
) -> TarVisSession:
    """A session as the config says; see :meth:`~univs.tracking.segmenter.Segmenter.session`.

    Given objects need no vocabulary, so the tasks "vos" and "pet" leave that of the config aside.
    """
    tarvis = cfg.MODEL.TARVIS
    vocabulary = "" if task in ("vos", "pet") else vocabulary or tarvis.TEST.VOCABULARY
    return TarVisSession(
        model,
        clip_length=cfg.TEST.CLIP_LENGTH,
        overlap=tarvis.TEST.FRAME_OVERLAP,
        min_size=cfg.INPUT.MIN_SIZE_TEST,
        max_size=cfg.INPUT.MAX_SIZE_TEST,
        vocabulary=vocabulary,
        thing_classes=thing_classes_of(cfg, vocabulary),
        max_tracks=cfg.TEST.DETECTIONS_PER_IMAGE,
        max_tracks_per_clip=tarvis.TEST.MAX_TRACKS_PER_CLIP,
        score_threshold=tarvis.TEST.TRACK_SCORE_THRESHOLD,
        iou_threshold=tarvis.TEST.ASSOCIATION_IOU,
        published=tarvis.PUBLISHED_BEHAVIOUR,
        one_category_per_track=one_category_per_track,
    )
