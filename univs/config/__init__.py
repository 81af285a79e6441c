"""Every configuration key this project adds to Detectron2's, declared one system per file.

from univs.config import load_config

cfg = load_config("configs/mask2former/coco/panoptic/r50.yaml", ["SOLVER.IMS_PER_BATCH", 8])
"""

from univs.config.defaults import get_cfg
from univs.config.errors import ConfigError, ConfigKeyError, ConfigTypeError
from univs.config.mask2former import add_maskformer2_config
from univs.config.merge import load_config
from univs.config.video import add_maskformer2_video_config

__all__ = [
    "ConfigError",
    "ConfigKeyError",
    "ConfigTypeError",
    "add_maskformer2_config",
    "add_maskformer2_video_config",
    "get_cfg",
    "load_config",
]
