"""The polynomial learning-rate schedule, and the options that come with it."""

from detectron2.projects.deeplab.build_solver import build_lr_scheduler
from detectron2.projects.deeplab.config import add_deeplab_config
from detectron2.projects.deeplab.lr_scheduler import WarmupPolyLR

__all__ = ["WarmupPolyLR", "add_deeplab_config", "build_lr_scheduler"]
