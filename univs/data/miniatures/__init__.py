"""Miniatures of every dataset of the catalogue, in the layouts of the official downloads.

They hold a few toy videos, whose shapes stand for classes of the dataset, so that any config can be
tried from loading to evaluation before anything is downloaded:

    python -m univs.data.miniatures --root /tmp/miniatures
    UNIVS_DATASETS=/tmp/miniatures python train_net.py --config-file ...
"""

from __future__ import annotations

from univs.data.miniatures.families import FAMILIES, write_miniatures

__all__ = ["FAMILIES", "write_miniatures"]
