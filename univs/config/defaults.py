"""The configuration that every YAML file of this project starts from."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.config import get_cfg as get_detectron2_cfg
from univs.config import genvis, mask2former, tarvis, translate, univs, video, vita

# Keys of the original projects, of all systems.
TRANSLATIONS = translate.table(
    mask2former.TRANSLATIONS,
    univs.TRANSLATIONS,
    tarvis.TRANSLATIONS,
    vita.TRANSLATIONS,
    genvis.TRANSLATIONS,
)

# Defaults of single systems where their projects disagree, by the beginning of the name of the
# architecture; ``load_config`` applies them to keys that no file sets.
SYSTEM_DEFAULTS = {"UniVS": univs.SYSTEM_DEFAULTS}


def get_cfg() -> CfgNode:
    """Return Detectron2's defaults with all keys of this project added.

    Each call returns an independent copy. The values are those of the original code bases, which no
    published model was trained with as they are: read a YAML file with
    :func:`univs.config.load_config` to get a usable configuration.
    """
    cfg = get_detectron2_cfg()
    mask2former.add_maskformer2_config(cfg)
    video.add_maskformer2_video_config(cfg)
    univs.add_univs_config(cfg)
    tarvis.add_tarvis_config(cfg)
    vita.add_vita_config(cfg)
    genvis.add_genvis_config(cfg)
    return cfg
