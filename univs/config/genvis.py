"""Keys of GenVIS, which come on top of VITA's (arXiv 2211.08834).

Without effect is MODEL.VITA.TEST_RUN_CHUNK_SIZE: as many frames go through the network at once as a
clip has.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from univs.config.translate import Translation

TRANSLATIONS = (Translation("MODEL.GENVIS.CLIP_STRIDE", reason="its place is TEST.CLIP_STRIDE"),)


def add_genvis_config(cfg: CfgNode) -> None:
    """Declare the keys of GenVIS in ``cfg``, in place."""
    node = cfg.MODEL.GENVIS = CfgNode()
    # Frames of a clip: 1 for online models, 3 for semi-online ones, whose results come with the
    # latency of a clip. INPUT.SAMPLING_FRAME_NUM must be a multiple of it. At inference TEST.MODE
    # and TEST.CLIP_LENGTH can ask for others; weights fit any length.
    node.LEN_CLIP_WINDOW = 5
    # Clips that the memory holds; the oldest is forgotten first. 0: all, as published. Results are
    # the published ones up to this many clips. An object of a longer video is no longer remembered
    # by what it looked like before them, only by the query that is carried from clip to clip. A
    # clip takes 0.2 MB at 100 queries, and up to a quarter more is held for the next ones.
    node.MEMORY_SIZE = 500
    # Train as published where that is a mistake: a new object may get the query of an object that
    # is hidden in the clip, so that both share it from then on. Without effect on inference.
    node.PUBLISHED_BEHAVIOUR = False
    # The similarity loss counts in the last clip of a video only. The released weights were
    # presumably trained so, with a MODEL.VITA.SIM_WEIGHT of 1.0.
    node.SIM_LAST_CLIP_ONLY = False
