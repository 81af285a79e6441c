"""Keys of VITA, with the defaults of the original code (arXiv 2206.04403).

The frame detector is configured by the keys of Mask2Former; keys of clips are shared with the other
video systems.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from univs.config.translate import Translation

_IGNORED = "the original ignores it, too"

TRANSLATIONS = (
    Translation("MODEL.VITA.DROPOUT", reason=_IGNORED, silent=True),
    Translation("MODEL.VITA.MULTI_CLS_ON", reason=_IGNORED, silent=True),
    Translation("MODEL.VITA.APPLY_CLS_THRES", reason=_IGNORED, silent=True),
    Translation(
        "MODEL.VITA.TEST_INTERPOLATE_CHUNK_SIZE",
        reason="masks are resized frame by frame, which needs the least memory",
        silent=True,
    ),
)


def add_vita_config(cfg: CfgNode) -> None:
    """Declare the keys of VITA's object module in ``cfg``, in place."""
    node = cfg.MODEL.VITA = CfgNode()

    # Architecture of the object encoder and the object decoder. HIDDEN_DIM must be that of
    # MODEL.MASK_FORMER.
    node.HIDDEN_DIM = 256
    node.NHEADS = 8
    node.DIM_FEEDFORWARD = 2048
    node.ENC_LAYERS = 6
    node.DEC_LAYERS = 3
    # Normalise before, not after, each sub-layer.
    node.PRE_NORM = False
    # Frames within which the encoder attends; 0: all frames, at a cost that grows with the square
    # of their number. In evaluation every second layer shifts its windows by half (as published).
    node.ENC_WINDOW_SIZE = 0
    # Video queries, that is the most objects of a video.
    node.NUM_OBJECT_QUERIES = 100
    # Project the frame queries before the encoder.
    node.ENFORCE_INPUT_PROJ = True

    # Training. Weights of the class, mask and dice losses are those of MODEL.MASK_FORMER.
    # The queries of this many last layers of the frame decoder are trained on; inference uses the
    # last one only.
    node.LAST_LAYER_NUM = 3
    # Weight of the class "no object" in the cross entropy of video queries.
    node.NO_OBJECT_WEIGHT = 0.1
    # Losses on every layer of the object decoder, not only on the last.
    node.DEEP_SUPERVISION = True
    # Weight of the similarity loss; 0: none, and no similarity embeddings. 0.5 is the published
    # value. The released weights were presumably trained with 1.0, because the loss had a name for
    # which the original knew no weight (GenVIS: see also MODEL.GENVIS.SIM_LAST_CLIP_ONLY).
    node.SIM_WEIGHT = 0.5
    # Video queries take part in the similarity loss, not only frame queries.
    node.SIM_USE_CLIP = True
    # Train the object module only. The frame detector then stays in evaluation mode and has no
    # losses.
    node.FREEZE_DETECTOR = False

    # Inference. Frames that go through the frame detector at once, without effect on results.
    node.TEST_RUN_CHUNK_SIZE = 18
    # Masks are made when all frames have been seen. The mask features of this many first frames are
    # kept until then, so that short videos go through the backbone once; those of later frames are
    # computed a second time. Without effect on results.
    node.TEST_CACHE_FRAMES = 36
