"""A trained model, ready to segment videos."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import nn

from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model
from univs.checkpoint import load_weights
from univs.config import load_config
from univs.config.tarvis import thing_classes_of
from univs.data import register_datasets
from univs.modeling.meta_arch import Genvis, TarViS, Vita
from univs.tracking.genvis_tracker import GenvisSession
from univs.tracking.instance_session import InstanceSession
from univs.tracking.session import VideoSession
from univs.tracking.tarvis_session import TarVisSession
from univs.tracking.vita_tracker import VitaSession


class Segmenter:
    """A model with the settings it is used with. It keeps no state of any video.

    Attributes:
        model: the network, in evaluation mode.
        class_names: name of each contiguous category.
    """

    def __init__(self, model: nn.Module, cfg, class_names: Sequence[str]) -> None:
        """
        Args:
            model: the network.
            cfg: its config, of which ``INPUT`` and ``TEST`` say how videos are fed.
            class_names: name of each contiguous category.
        """
        self.model = model.eval()
        self.class_names = list(class_names)
        self._session_class, self._session_options = _session(self.model, cfg)

    def session(self, *, one_category_per_track: bool = True) -> VideoSession | InstanceSession:
        """Begin a video.

        Args:
            one_category_per_track: see :func:`~univs.tracking.instance_tracks.best_pairs`.

        Returns:
            the session of the model's meta-architecture; all have the verbs ``push``, ``flush``,
            ``finish`` and ``reset``, and all are context managers.
        """
        return self._session_class(
            self.model, one_category_per_track=one_category_per_track, **self._session_options
        )


def _session(model: nn.Module, cfg) -> tuple[type, dict]:
    """Class of the sessions of a model, and what the config says about them."""
    options = {
        "min_size": cfg.INPUT.MIN_SIZE_TEST,
        "max_size": cfg.INPUT.MAX_SIZE_TEST,
        "max_tracks": cfg.TEST.DETECTIONS_PER_IMAGE,
    }
    if isinstance(model, Genvis):  # which is a Vita, too
        return GenvisSession, {**options, "mask_threshold": cfg.TEST.MASK_SCORE_THRESHOLD}
    if isinstance(model, Vita):
        return VitaSession, {
            **options,
            "chunk_length": cfg.MODEL.VITA.TEST_RUN_CHUNK_SIZE,
            "num_cached_frames": cfg.MODEL.VITA.TEST_CACHE_FRAMES,
        }
    if isinstance(model, TarViS):
        tarvis = cfg.MODEL.TARVIS
        return TarVisSession, {
            **options,
            "clip_length": cfg.TEST.CLIP_LENGTH,
            "overlap": tarvis.TEST.FRAME_OVERLAP,
            "vocabulary": tarvis.TEST.VOCABULARY,
            "thing_classes": thing_classes_of(cfg, tarvis.TEST.VOCABULARY),
            "max_tracks_per_clip": tarvis.TEST.MAX_TRACKS_PER_CLIP,
            "score_threshold": tarvis.TEST.TRACK_SCORE_THRESHOLD,
            "iou_threshold": tarvis.TEST.ASSOCIATION_IOU,
            "published": tarvis.PUBLISHED_BEHAVIOUR,
        }
    return VideoSession, {
        **options,
        "clip_length": cfg.TEST.CLIP_LENGTH or cfg.INPUT.SAMPLING_FRAME_NUM,
        "mask_threshold": cfg.TEST.MASK_SCORE_THRESHOLD,
    }


def load(
    config_file: str | os.PathLike,
    *,
    weights: str | os.PathLike | None = None,
    options: Sequence[object] = (),
    device: str | torch.device | None = None,
) -> Segmenter:
    """Build the model of a config and load its weights.

    Args:
        config_file: YAML file.
        weights: checkpoint; ``MODEL.WEIGHTS`` of the config by default.
        options: config overrides, ``[key, value, key, value, ...]``.
        device: where to run; a GPU if there is one by default.

    Raises:
        FileNotFoundError: the config or the weights do not exist.
        univs.config.ConfigError: a key is unknown or has a wrong type.
        univs.checkpoint.CheckpointMismatchError: the weights are for another model.
    """
    cfg = load_config(config_file, options)
    register_datasets()
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    cfg.MODEL.DEVICE = str(device)
    weights = os.fspath(weights) if weights is not None else cfg.MODEL.WEIGHTS
    if not weights:
        raise ValueError(
            f"{config_file} names no weights: give a checkpoint with weights=... (--weights)"
        )
    model = build_model(cfg)
    load_weights(model, weights, strict=True)
    return Segmenter(model, cfg, _class_names(cfg))


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
