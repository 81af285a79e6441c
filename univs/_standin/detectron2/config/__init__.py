"""Configs: the tree of options, its defaults, and classes that can be built from it."""

from detectron2.config.config import CfgNode, configurable, get_cfg, global_cfg, set_global_cfg

__all__ = ["CfgNode", "configurable", "get_cfg", "global_cfg", "set_global_cfg"]
