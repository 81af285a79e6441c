"""Keys of training on clips, shared by every video system, with the original defaults.

Two of Detectron2's own keys take further values for clips: INPUT.MIN_SIZE_TRAIN_SAMPLING
"choice_by_clip" and "range_by_clip", and INPUT.RANDOM_FLIP "flip_by_clip", draw once per clip
instead of once per frame.
"""

from __future__ import annotations

from detectron2.config import CfgNode


def add_maskformer2_video_config(cfg: CfgNode) -> None:
    """Declare the keys of video Mask2Former in ``cfg``, in place."""
    # Frames of a training clip.
    cfg.INPUT.SAMPLING_FRAME_NUM = 2
    # The frames are drawn from this many frames before to this many after a reference frame.
    cfg.INPUT.SAMPLING_FRAME_RANGE = 20
    # Shuffle the frames instead of keeping them in temporal order.
    cfg.INPUT.SAMPLING_FRAME_SHUFFLE = False
    # Extra augmentations: any of "brightness", "contrast", "saturation", "rotation".
    cfg.INPUT.AUGMENTATIONS = []
    # Frames per clip at inference; results come with this latency. 0: as in training.
    cfg.TEST.CLIP_LENGTH = 0
    # "online": clips of one frame. "semi-online": clips of CLIP_LENGTH frames. "offline": results
    # come at the end of the video, with final categories and scores. "": as published. Which system
    # has which: docs/streaming.md.
    cfg.TEST.MODE = ""
    # Frames from the beginning of a clip to that of the next, at most CLIP_LENGTH; clips overlap in
    # the others. 0: as published, which is 1 for UniVS, CLIP_LENGTH less TARVIS.TEST.FRAME_OVERLAP
    # for TarViS, and CLIP_LENGTH for GenVIS. Read with MODE "semi-online", and by UniVS always.
    cfg.TEST.CLIP_STRIDE = 0
    # Which frames of benchmark videos are looked at: "all"; "annotated", those that have truth
    # (as published by TarViS for Cityscapes-VPS); or "interleaved", up to twelve per second (for
    # BURST).
    cfg.TEST.FRAMES = "all"
    # A query has no mask in a clip in which the probability of its best class is lower. 0: every
    # query has masks in all frames, as published, which takes the most time.
    cfg.TEST.MASK_SCORE_THRESHOLD = 0.0
