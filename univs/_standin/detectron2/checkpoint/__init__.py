"""Saving and loading models and the state of a training run."""

from fvcore.common.checkpoint import Checkpointer, PeriodicCheckpointer

from detectron2.checkpoint.detection_checkpoint import DetectionCheckpointer

__all__ = ["Checkpointer", "DetectionCheckpointer", "PeriodicCheckpointer"]
