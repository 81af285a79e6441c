"""A trained model, ready to segment videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model
from univs.checkpoint import load_tensors, provenance_of, read_checkpoint
from univs.config import load_config, parse_config
from univs.data import register_datasets
from univs.data.video_source import open_source
from univs.modeling.meta_arch import Genvis, TarViS, VideoMaskFormer, Vita
from univs.modeling.meta_arch.univs import UnivsBase
from univs.structures import Target, VideoResult
from univs.tracking import (
    genvis_tracker,
    tarvis_session,
    univs_session,
    video_session,
    vita_tracker,
)
from univs.tracking.mode import check_mode
from univs.tracking.session import TARGET_TASKS, TASKS, Session, task_of_targets
from univs.tracking.shots import SceneCutDetector, ShotSession
from univs.tracking.tarvis_mixed_session import MixedSession

# How to open a session, and the tasks, by meta-architecture; the first that fits counts.
_SYSTEMS: tuple[tuple[type, Callable[..., Session], tuple[str, ...]], ...] = (
    (Genvis, genvis_tracker.open_session, ("vis",)),  # before Vita, which it derives from
    (Vita, vita_tracker.open_session, ("vis",)),
    (VideoMaskFormer, video_session.open_session, ("vis",)),
    (TarViS, tarvis_session.open_session, ("vis", "vps", "vss", "vos", "pet")),
    (UnivsBase, univs_session.open_session, TASKS),
)


def is_video_model(model: nn.Module) -> bool:
    """Whether there are sessions for a model."""
    return any(isinstance(model, system) for system, _, _ in _SYSTEMS)


def tasks_of(model: nn.Module) -> tuple[str, ...]:
    """What a model can be asked for in a video; nothing if it is none for videos."""
    return next((tasks for system, _, tasks in _SYSTEMS if isinstance(model, system)), ())


class Segmenter:
    """A model with the settings it is used with. It keeps no state of any video.

    Attributes:
        model: the network, in evaluation mode.
        class_names: name of each contiguous category.
        cfg: the config that sessions are opened with.
        tasks: what the model can be asked for: ``"vis"``, ``"vos"``, ...
    """

    def __init__(self, model: nn.Module, cfg, class_names: Sequence[str]) -> None:
        """
        Args:
            model: the network.
            cfg: its config, of which ``INPUT`` and ``TEST`` say how videos are fed.
            class_names: name of each contiguous category.

        Raises:
            ValueError: the model is none for videos, or has no such ``TEST.MODE``.
        """
        if not is_video_model(model):
            raise ValueError(f"a {type(model).__name__} segments images, not videos")
        check_mode(cfg)
        self.model = model.eval()
        self.class_names = list(class_names)
        self.cfg = cfg
        self._open_session, self.tasks = next(
            (opener, tasks) for system, opener, tasks in _SYSTEMS if isinstance(model, system)
        )

    def session(
        self,
        task: str | None = None,
        *,
        vocabulary: str | None = None,
        one_category_per_track: bool = True,
        scene_cuts: float | None = None,
    ) -> Session:
        """Begin a video.

        Args:
            task: one of ``tasks``; what the config was made for by default.
            vocabulary: name of the class list to look for, for models that know several.
            one_category_per_track: see :func:`~univs.tracking.instance_tracks.best_pairs`.
            scene_cuts: begin anew where the scene is cut: the threshold of
                :class:`~univs.tracking.shots.SceneCutDetector`, e.g. 0.3; not by default.

        Raises:
            ValueError: the model cannot do this task, or does not know the class list.
        """
        if task is not None and task not in TASKS:
            raise ValueError(f"there is no task {task!r}: choose one of {', '.join(TASKS)}")
        new_session = partial(
            self._open_session,
            self.model,
            self.cfg,
            task=task,
            vocabulary=vocabulary,
            one_category_per_track=one_category_per_track,
        )
        if scene_cuts is None:
            return new_session()
        if task in TARGET_TASKS:
            raise ValueError(f"{task} follows its targets across scene cuts: leave out scene_cuts")
        return ShotSession(new_session, SceneCutDetector(scene_cuts))

    def mixed_session(self, tasks: Sequence[str], *, vocabulary: str | None = None) -> MixedSession:
        """Begin a video that several tasks look at in one pass, on the same features.

        Args:
            tasks: of ``tasks``, without repeats.
            vocabulary: name of the class list to look for, for those tasks that it fits.

        Raises:
            ValueError: the model is no TarViS, or cannot do one of the tasks.
        """
        if not isinstance(self.model, TarViS):
            raise ValueError(
                f"a {type(self.model).__name__} does one task at a time, but was asked for "
                f"{', '.join(tasks)}: use a TarViS model"
            )
        return tarvis_session.open_mixed_session(
            self.model, self.cfg, tasks=tasks, vocabulary=vocabulary
        )

    def segment(
        self,
        source: str | os.PathLike | int | Iterable[np.ndarray],
        *,
        task: str | None = None,
        targets: Sequence[Target] = (),
        vocabulary: str | None = None,
    ) -> VideoResult:
        """Segment a whole video.

        Args:
            source: what :func:`univs.open_source` opens (a file, a folder of images, the number of
                a camera, the URL of a stream); or frames, RGB uint8 ``(H, W, 3)`` each, as an array
                or any iterator. One frame is held at a time.
            task: see :meth:`session`; with targets and without task, that of the targets.
            targets: what to follow.
            vocabulary: see :meth:`session`.

        Raises:
            ValueError: there are no frames, a target does not fit, or see :meth:`session`.
        """
        if isinstance(source, str | os.PathLike | int):
            source = open_source(str(source))
        task = task or task_of_targets(targets)
        with self.session(task, vocabulary=vocabulary) as session:
            for target in targets:
                session.add(target)
            for frame in source:
                session.push(frame)
            return session.finish()


def load(
    source: str | os.PathLike,
    weights: str | os.PathLike | None = None,
    *,
    options: Sequence[object] = (),
    device: str | torch.device | None = None,
) -> Segmenter:
    """Build a model and load its weights.

    Args:
        source: a checkpoint that was trained with this project, which carries all that is needed;
            or the YAML file of a config.
        weights: with a config, the checkpoint; ``MODEL.WEIGHTS`` of the config by default.
        options: config overrides, ``[key, value, key, value, ...]``.
        device: where to run; a GPU if there is one by default.

    Raises:
        FileNotFoundError: the config or the weights do not exist.
        univs.config.ConfigError: a key is unknown or has a wrong type.
        univs.checkpoint.CheckpointFileError: the checkpoint cannot be read, or carries no config.
        univs.checkpoint.CheckpointMismatchError: the weights are for another model.
    """
    if Path(source).suffix.lower() in (".yaml", ".yml"):
        cfg, names = load_config(source, options), None
        weights = os.fspath(weights) if weights is not None else cfg.MODEL.WEIGHTS
        if not weights:
            raise ValueError(
                f"{source} names no weights: give a checkpoint with weights=... (--weights)"
            )
        checkpoint = read_checkpoint(weights)
    else:
        if weights is not None:
            raise ValueError(f"{source} is no config, so it and {weights} would both be weights")
        checkpoint = read_checkpoint(source)
        provenance = provenance_of(checkpoint)
        cfg = parse_config(provenance.config, options, source=f"the config in {source}")
        names = next((list(names) for names in provenance.class_names.values() if names), None)
    register_datasets()
    cfg.MODEL.DEVICE = str(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    cfg.MODEL.WEIGHTS = checkpoint.path
    model = build_model(cfg)
    load_tensors(model, checkpoint, strict=True)
    return Segmenter(model, cfg, names or _class_names(cfg))


def class_names(dataset_name: str) -> list[str]:
    """Names of the contiguous categories of a registered dataset; empty if it has none."""
    metadata = MetadataCatalog.get(dataset_name)
    return list(metadata.get("thing_classes", [])) or list(metadata.get("stuff_classes", []))


def _class_names(cfg) -> list[str]:
    for dataset_name in (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN):
        names = class_names(dataset_name)
        if names:
            return names
    return [f"class {index}" for index in range(cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES)]
