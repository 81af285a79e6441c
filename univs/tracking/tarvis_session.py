"""Sessions of TarViS: what a config says about a task, and one task on one video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from univs.config.tarvis import thing_classes_of, vocabulary_named, vocabulary_of_domain
from univs.data.catalog import class_table, domains
from univs.modeling.meta_arch.tarvis import TarViS
from univs.structures import FrameResult, Target, VideoResult
from univs.tracking.mode import is_offline
from univs.tracking.offline_session import OfflineSession
from univs.tracking.session import Session
from univs.tracking.tarvis_mixed_session import MixedSession
from univs.tracking.tarvis_objects import ObjectTask
from univs.tracking.tarvis_panoptic import PanopticTask, SemanticTask
from univs.tracking.tarvis_tasks import InstanceTask, Task

#: What TarViS can be asked of a video.
TARVIS_TASKS = ("vis", "vps", "vss", "vos", "pet")
_FOLLOWING = ("vos", "pet")  # of given objects


def open_session(
    model: TarViS,
    cfg: CfgNode,
    *,
    task: str | None = None,
    vocabulary: str | None = None,
    one_category_per_track: bool = True,
) -> TarVisSession | OfflineSession:
    """Begin a video.

    Args:
        model: in evaluation mode.
        cfg: its config.
        task: one of :data:`TARVIS_TASKS`; by default the one that ``MODEL.TARVIS.TEST.VOCABULARY``
            stands for: ``vos`` if it is empty, ``vps`` if it has stuff, else ``vis``.
        vocabulary: what to look for, see :func:`~univs.config.tarvis.vocabulary_named`; by default
            ``TEST.VOCABULARY`` if it fits the task, else that of the task. ``vos`` and ``pet`` need
            none.
        one_category_per_track: see :class:`~univs.tracking.tarvis_tasks.InstanceTask`.

    Raises:
        ValueError: TarViS does not do this task, or not with this vocabulary.
    """
    task = task or default_task(cfg)
    vocabularies = {task: _vocabulary_for(cfg, task, vocabulary)}
    session = TarVisSession(_mixed_session(model, cfg, vocabularies, one_category_per_track))
    return OfflineSession(session) if is_offline(cfg) else session


def open_mixed_session(
    model: TarViS,
    cfg: CfgNode,
    *,
    tasks: Sequence[str],
    vocabulary: str | None = None,
    one_category_per_track: bool = True,
) -> MixedSession:
    """Begin a video that is segmented by several tasks in one pass.

    Args:
        model: in evaluation mode.
        cfg: its config; all tasks share its clips and its size of frames.
        tasks: of :data:`TARVIS_TASKS`, without repeats.
        vocabulary: as for :func:`open_session`, for those tasks that it fits.
        one_category_per_track: see :class:`~univs.tracking.tarvis_tasks.InstanceTask`.

    Raises:
        ValueError: there is no task, one is listed twice, or TarViS does not do it; or results are
            to wait for the end of the video.
    """
    if is_offline(cfg):
        raise ValueError("several tasks at once cannot be offline: leave out the mode")
    if not tasks or len(set(tasks)) < len(tasks):
        raise ValueError(
            f"give one or more of {', '.join(TARVIS_TASKS)}, each once, not {list(tasks)}"
        )
    vocabularies = {}
    for task in tasks:
        fits = vocabulary is not None and _fits(cfg, task, vocabulary_named(cfg, vocabulary))
        vocabularies[task] = _vocabulary_for(cfg, task, vocabulary if fits else None)
    return _mixed_session(model, cfg, vocabularies, one_category_per_track)


def default_task(cfg: CfgNode) -> str:
    """The task that ``MODEL.TARVIS.TEST.VOCABULARY`` stands for."""
    vocabulary = cfg.MODEL.TARVIS.TEST.VOCABULARY
    if not vocabulary:
        return "vos"
    return "vps" if thing_classes_of(cfg, vocabulary) else "vis"


class TarVisSession(Session):
    """One task on one video, see :class:`~univs.tracking.session.Session`.

    Several tasks at once are the business of
    :class:`~univs.tracking.tarvis_mixed_session.MixedSession`.
    """

    def __init__(self, mixed: MixedSession) -> None:
        """
        Args:
            mixed: a new session of one task.
        """
        super().reset()
        self._mixed = mixed
        (self._name,) = mixed.tasks

    @property
    def class_names(self) -> list[str]:
        """Names of the 0-based categories of results; none if objects are given."""
        return self._mixed.class_names[self._name]

    @property
    def task(self) -> Task:
        """The task of the current video."""
        return self._mixed.tasks[self._name]

    @property
    def num_frames(self) -> int:
        return self._mixed.num_frames

    @property
    def latency(self) -> int:
        return self._mixed.latency

    def reset(self) -> None:
        super().reset()
        self._mixed.reset()

    def _push(self, frame: np.ndarray) -> list[FrameResult]:
        return self._mixed.advance(frame)[self._name]

    def _flush(self) -> list[FrameResult]:
        return self._mixed.advance_to_end()[self._name]

    def finish(self) -> VideoResult:
        return self._mixed.finish()[self._name]

    def add(self, target: Target) -> None:
        """Give an object by a mask or one point, before its frame is segmented."""
        self._mixed.add(target)

    def refine(self, target_id: int, target: Target) -> None:
        """See :meth:`~univs.tracking.tarvis_mixed_session.MixedSession.refine`."""
        self._mixed.refine(target_id, target)

    def remove(self, target_id: int) -> None:
        """See :meth:`~univs.tracking.tarvis_mixed_session.MixedSession.remove`."""
        self._mixed.remove(target_id)
        self._states.forget(target_id, self._mixed.num_segmented)


def _mixed_session(
    model: TarViS, cfg: CfgNode, vocabularies: Mapping[str, str], one_category_per_track: bool
) -> MixedSession:
    """A session of the tasks that are the keys of ``vocabularies``."""
    length, overlap = cfg.TEST.CLIP_LENGTH, overlap_of(cfg)
    return MixedSession(
        model,
        {
            task: _task_maker(cfg, task, vocabulary, overlap, one_category_per_track)
            for task, vocabulary in vocabularies.items()
        },
        class_names={
            task: class_names_of(cfg, vocabulary) for task, vocabulary in vocabularies.items()
        },
        clip_length=length,
        overlap=overlap,
        min_size=cfg.INPUT.MIN_SIZE_TEST,
        max_size=cfg.INPUT.MAX_SIZE_TEST,
    )


def overlap_of(cfg: CfgNode) -> int:
    """Frames that a clip shares with the one before."""
    length, published = cfg.TEST.CLIP_LENGTH, cfg.MODEL.TARVIS.TEST.FRAME_OVERLAP
    if cfg.TEST.MODE != "semi-online":
        return published
    stride = cfg.TEST.CLIP_STRIDE
    return length - stride if stride else min(published, length // 2)


def _task_maker(
    cfg: CfgNode, task: str, vocabulary: str, overlap: int, one_category_per_track: bool
) -> Callable[[], Task]:
    """What makes a new task."""
    options, published = cfg.MODEL.TARVIS.TEST, cfg.MODEL.TARVIS.PUBLISHED_BEHAVIOUR
    if task in _FOLLOWING:
        return lambda: ObjectTask(overlap=overlap, published=published)
    if task == "vss":
        return lambda: SemanticTask(vocabulary, overlap=overlap)
    kept = options.INSTANCE if task == "vis" else options.PANOPTIC
    stitching = {
        "overlap": overlap,
        "max_tracks_per_clip": kept.MAX_TRACKS_PER_CLIP,
        "score_threshold": kept.SCORE_THRESHOLD,
        "iou_threshold": options.ASSOCIATION_IOU,
        "published": published,
    }
    if task == "vps":
        things = thing_classes_of(cfg, vocabulary)
        return lambda: PanopticTask(vocabulary, thing_classes=things, **stitching)
    return lambda: InstanceTask(
        vocabulary,
        max_tracks=cfg.TEST.DETECTIONS_PER_IMAGE,
        one_category_per_track=one_category_per_track,
        **stitching,
    )


def _vocabulary_for(cfg: CfgNode, task: str, vocabulary: str | None) -> str:
    """The vocabulary of a task, which was asked for or which the config names.

    Returns:
        its name; "" for tasks that follow given objects.
    """
    if task not in TARVIS_TASKS:
        raise ValueError(f"TarViS does {', '.join(TARVIS_TASKS)}, but not {task!r}")
    if task in _FOLLOWING:
        return ""
    options = cfg.MODEL.TARVIS.TEST
    if vocabulary is not None:
        named = vocabulary_named(cfg, vocabulary)
        if not _fits(cfg, task, named):
            raise ValueError(
                f"the vocabulary {named} has no stuff, so there is nothing to do for {task}: use "
                "vis, or a panoptic vocabulary"
            )
        return named
    if options.VOCABULARY and _fits(cfg, task, options.VOCABULARY):
        return vocabulary_named(cfg, options.VOCABULARY)
    of_task = options.INSTANCE if task == "vis" else options.PANOPTIC
    return _vocabulary_for(cfg, task, of_task.VOCABULARY)


def _fits(cfg: CfgNode, task: str, vocabulary: str) -> bool:
    """Tell whether a task has something to do with a vocabulary."""
    return task == "vis" or bool(thing_classes_of(cfg, vocabulary))


def class_names_of(cfg: CfgNode, vocabulary: str) -> list[str]:
    """Names of the classes of a vocabulary, as the data sets of the config know them.

    Args:
        cfg: the config.
        vocabulary: one of ``MODEL.TARVIS.VOCABULARIES``; "" has no classes.
    """
    if not vocabulary:
        return []
    tables: dict[str, list[str]] = {}  # by vocabulary
    known = set(cfg.MODEL.TARVIS.VOCABULARIES)
    metadata = [MetadataCatalog.get(n) for n in (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN)]
    for entry in metadata:
        name = vocabulary_of_domain(entry.get("domain") or "")
        if name in known and entry.get("class_names"):
            tables.setdefault(name, list(entry.class_names))
    for domain in domains():
        tables.setdefault(vocabulary_of_domain(domain), list(class_table(domain).names))
    sizes = dict(zip(cfg.MODEL.TARVIS.VOCABULARIES, cfg.MODEL.TARVIS.VOCABULARY_SIZES, strict=True))
    names = tables.get(vocabulary, [])
    if len(names) != sizes[vocabulary]:
        return [f"class {index}" for index in range(sizes[vocabulary])]
    return names
