"""Target-based video segmentation: UniVS, VITA, GenVIS and TarViS on one Mask2Former base."""

from __future__ import annotations

import importlib

from univs._detectron2 import select_detectron2
from univs.version import __version__

DETECTRON2 = select_detectron2()  # "installed", "standin" or "unusable"

# Loaded when first used, so that importing the package stays quick; indexed by public name.
_LAZY = {
    "Segmenter": "univs.tracking",
    "load": "univs.tracking",
    "open_source": "univs.data.video_source",
}

__all__ = ["DETECTRON2", "Segmenter", "__version__", "load", "open_source"]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'univs' has no attribute {name!r}")
