"""Every configuration key this project adds to Detectron2's, declared one system per file.

from univs.config import load_config

cfg = load_config("configs/mask2former/coco/panoptic/r50.yaml", ["SOLVER.IMS_PER_BATCH", 8])
"""

from univs.config.defaults import get_cfg
from univs.config.errors import ConfigError, ConfigKeyError, ConfigTypeError
from univs.config.genvis import add_genvis_config
from univs.config.mask2former import add_maskformer2_config
from univs.config.merge import load_config, parse_config
from univs.config.univs import add_univs_config
from univs.config.video import add_maskformer2_video_config
from univs.config.vita import add_vita_config

__all__ = [
    "ConfigError",
    "ConfigKeyError",
    "ConfigTypeError",
    "add_genvis_config",
    "add_maskformer2_config",
    "add_maskformer2_video_config",
    "add_univs_config",
    "add_vita_config",
    "get_cfg",
    "load_config",
    "parse_config",
]
