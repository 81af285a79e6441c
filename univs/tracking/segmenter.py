"""A trained model, ready to segment videos."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model
from torch import nn

import univs.modeling  # noqa: F401  registers the architectures
from univs.checkpoint import load_weights
from univs.config import load_config
from univs.tracking.session import VideoSession


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
        self._session_options = {
            "clip_length": cfg.TEST.CLIP_LENGTH or cfg.INPUT.SAMPLING_FRAME_NUM,
            "min_size": cfg.INPUT.MIN_SIZE_TEST,
            "max_size": cfg.INPUT.MAX_SIZE_TEST,
            "mask_threshold": cfg.TEST.MASK_SCORE_THRESHOLD,
            "max_tracks": cfg.TEST.DETECTIONS_PER_IMAGE,
        }

    def session(self, *, one_category_per_track: bool = True) -> VideoSession:
        """Begin a video; see :class:`~univs.tracking.session.VideoSession`."""
        return VideoSession(
            self.model, one_category_per_track=one_category_per_track, **self._session_options
        )


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
    return Segmenter(model, cfg, class_names(cfg))


def class_names(cfg) -> list[str]:
    """Names of the categories of the config's first dataset; ``class 0``, ... if it has none."""
    datasets = (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN)
    names = []
    if datasets:
        metadata = MetadataCatalog.get(datasets[0])
        names = metadata.get("thing_classes") or metadata.get("stuff_classes") or []
    return list(names) or [f"class {i}" for i in range(cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES)]
