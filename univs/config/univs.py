"""Keys of UniVS (Li et al. 2024), with the defaults of the original code.

Keys that the original declares but never reads, or that only switch its dead code, are listed in
``TRANSLATIONS``.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from univs.config.translate import Translation

_NEVER_READ = "the original code never reads it"
_ALWAYS_ON = "it is always on; a call without prompts uses the learnable queries only"
_NO_BOX_SUPERVISION = "box supervision never worked in the original code"
_NO_SUCH_PATH = "the tracker that it belongs to does not run in the original code"

TRANSLATIONS = (
    # Renamed: sections named after another project, and spelling.
    Translation("MODEL.BoxVIS.EMA_ENABLED", new="MODEL.UniVS.EMA_ENABLED"),
    Translation("MODEL.BoxVIS.TEST.CLIP_STRIDE", new="TEST.CLIP_STRIDE"),
    Translation("MODEL.BoxVIS.TEST.APPLY_CLS_THRES", new="MODEL.UniVS.TEST.CLASS_SCORE_THRESHOLD"),
    Translation("MODEL.BoxVIS.TEST.NUM_FRAMES_WINDOW", new="MODEL.UniVS.TEST.NUM_FRAMES_WINDOW"),
    Translation(
        "MODEL.BoxVIS.TEST.ZERO_SHOT_INFERENCE", new="MODEL.UniVS.TEST.ZERO_SHOT_INFERENCE"
    ),
    # Dead, and in nearly every original file.
    *(
        Translation(key, reason=_NEVER_READ, silent=True)
        for key in (
            "INPUT.SAMPLING_FRAME_WINDOE_NUM",
            "INPUT.SAMPLING_FRAME_RANGE_MOT",
            "MODEL.VIT",
            "MODEL.SEM_SEG_HEAD.LANG_DIM",
            "MODEL.MASK_FORMER.REID_WEIGHT_MATCHER",
            "MODEL.UniVS.PROMPT_TYPE",
            "MODEL.UniVS.VISUAL_PROMPT_TO_IMAGE_ENABLE",
            "MODEL.UniVS.MASKDEC_ATTN_ORDER",
            "MODEL.UniVS.TEST.ENABLED_PREV_FRAMES_MEMORY",
            "MODEL.UniVS.TEST.CLIP_STRIDE",
            "MODEL.BoxVIS.TEST.NUM_FRAMES",
            "MODEL.BoxVIS.TEST.NUM_MAX_INST",
            "MODEL.BoxVIS.TEST.WINDOW_INFERENCE",
            "MODEL.BoxVIS.TEST.MULTI_CLS_ON",
            "MODEL.BoxVIS.TEST.LSJ_AUG_ENABLED",
            "MODEL.BoxVIS.TEST.MERGE_ON_CPU",
            "MODEL.CLIP.BACKBONE_FREEZE_AT",
        )
    ),
    *(
        Translation(f"MODEL.UniVS.{name}", reason=_ALWAYS_ON)
        for name in ("VISUAL_PROMPT_ENCODER", "TEXT_PROMPT_ENCODER", "PROMPT_AS_QUERIES")
    ),
    Translation(
        "MODEL.UniVS.LANGUAGE_ENCODER_ENABLE",
        reason="the text tower is loaded when an expression first needs it",
        silent=True,
    ),
    Translation(
        "MODEL.UniVS.USE_CONTRASTIVE_LOSS", reason="no published model does without the loss"
    ),
    Translation(
        "MODEL.UniVS.DISABLE_LEARNABLE_QUERIES_SA1B", reason="it never worked in the original code"
    ),
    *(
        Translation(
            f"MODEL.SEM_SEG_HEAD.FROZEN_{name}", reason="no published model was trained with it"
        )
        for name in ("PIXEL_DECODER", "MASK_CONVS", "PREDICTOR")
    ),
    Translation("MODEL.BoxVIS.BoxVIS_ENABLED", reason=_NO_BOX_SUPERVISION, silent=True),
    Translation("MODEL.BoxVIS.PSEUDO_MASK_SCORE_THRESH", reason=_NO_BOX_SUPERVISION, silent=True),
    Translation(
        "MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_QUERIES",
        reason="targets take the masks of their prompts, as in every published configuration",
        silent=True,
    ),
    *(
        Translation(
            f"MODEL.UniVS.TEST.{name}",
            reason="to segment a video of your own use the command univs segment",
        )
        for name in ("CUSTOM_VIDEOS_ENABLE", "CUSTOM_VIDEOS_TEXT")
    ),
    *(
        Translation(
            f"MODEL.UniVS.TEST.SEMANTIC_EXTRACTION.{name}",
            reason="use tools/extract_video_features.py",
        )
        for name in ("ENABLE", "OUTPUT_DIR")
    ),
    Translation("MODEL.BoxVIS.TEST.TRACKER_TYPE", reason=_NO_SUCH_PATH),
    Translation(
        "MODEL.CLIP.RESNETS_DEPTH", reason="set MODEL.UniVS.TEXT_ENCODER to the name of the model"
    ),
    *(
        Translation(f"MODEL.CLIP.{name}", reason=_NEVER_READ, silent=True)
        for name in (  # of RegionCLIP, which UniVS took its text tower from
            "CROP_REGION_TYPE",
            "BB_RPN_WEIGHTS",
            "IMS_PER_BATCH_TEST",
            "USE_TEXT_EMB_CLASSIFIER",
            "TEXT_EMB_PATH",
            "TEXT_EMB_DIM",
            "OFFLINE_RPN_CONFIG",
            "OFFLINE_RPN_NMS_THRESH",
            "OFFLINE_RPN_POST_NMS_TOPK_TEST",
            "OFFLINE_RPN_LSJ_PRETRAINED",
            "NO_BOX_DELTA",
            "BG_CLS_LOSS_WEIGHT",
            "ONLY_SAMPLE_FG_PROPOSALS",
            "MULTIPLY_RPN_SCORE",
            "OPENSET_TEST_NUM_CLASSES",
            "OPENSET_TEST_TEXT_EMB_PATH",
            "CLSS_TEMP",
            "FOCAL_SCALED_LOSS",
            "PRETRAIN_IMG_TXT_LEVEL",
            "PRETRAIN_ONLY_EOT",
            "PRETRAIN_RPN_REGIONS",
            "PRETRAIN_SAMPLE_REGIONS",
            "GATHER_GPUS",
            "GRID_REGIONS",
            "CONCEPT_POOL_EMB",
            "CONCEPT_THRES",
            "TEACHER_RESNETS_DEPTH",
            "TEACHER_CONCEPT_POOL_EMB",
        )
    ),
)


SYSTEM_DEFAULTS = {
    "INPUT.LSJ_AUG.ENABLED": True,
    "INPUT.LSJ_AUG.MIN_SCALE": 0.25,
    "INPUT.LSJ_AUG.MAX_SCALE": 4.0,
}


def add_univs_config(cfg: CfgNode) -> None:
    """Declare the keys of UniVS in ``cfg``, in place; those of Mask2Former must be there."""
    _add_input_keys(cfg)
    _add_training_keys(cfg)
    _add_model_keys(cfg)
    _add_inference_keys(cfg)


def _add_input_keys(cfg: CfgNode) -> None:
    # Sampling weights of the data sets in DATASETS.TRAIN, in the same order; empty: all alike.
    cfg.DATASETS.DATASET_RATIO = []
    # What is drawn by these weights: "iter", the data set of every batch; "epoch", of every 1000.
    cfg.DATASETS.DATALOADER_TYPE = "iter"

    # Frames of a training video that is cut into clips of SAMPLING_FRAME_NUM (long-video
    # training); -1: samples are single clips.
    cfg.INPUT.SAMPLING_FRAME_VIDEO_NUM = -1
    # SAMPLING_FRAME_RANGE of data sets with a mask per object and no classes.
    cfg.INPUT.SAMPLING_FRAME_RANGE_SOT = 20
    # Least distance of the drawn frames from the reference frame.
    cfg.INPUT.SAMPLING_INTERVAL = 1

    # Augmentations of pseudo clips made from images, and, as published, of videos as well.
    pseudo = cfg.INPUT.PSEUDO = CfgNode()
    pseudo.AUGMENTATIONS = ["rotation"]
    pseudo.MIN_SIZE_TRAIN = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768]
    pseudo.MAX_SIZE_TRAIN = 768
    pseudo.MIN_SIZE_TRAIN_SAMPLING = "choice_by_clip"
    pseudo.CROP = CfgNode()
    pseudo.CROP.ENABLED = False
    pseudo.CROP.TYPE = "absolute_range"
    pseudo.CROP.SIZE = [384, 600]

    # Large-scale jittering: frames are scaled by a factor from [MIN_SCALE, MAX_SCALE] relative to
    # IMAGE_SIZE, and cropped or padded to a square of IMAGE_SIZE pixels. VITA knows it for clips
    # made of images, with these defaults; UniVS has SYSTEM_DEFAULTS of its own.
    jitter = cfg.INPUT.LSJ_AUG = CfgNode()
    jitter.ENABLED = False
    jitter.IMAGE_SIZE = 1024
    jitter.MIN_SCALE = 0.1
    jitter.MAX_SCALE = 2.0
    # UniVS: the square; otherwise frames are resized instead. At inference, frames are padded to
    # it.
    jitter.SQUARE_ENABLED = True


def _add_training_keys(cfg: CfgNode) -> None:
    options = cfg.MODEL.MASK_FORMER
    # Weight of every re-identification loss.
    options.REID_WEIGHT = 0.25
    # Weights of the costs in the matching.
    options.CLASS_WEIGHT_MATCHER = 5.0
    options.MASK_WEIGHT_MATCHER = 5.0
    options.DICE_WEIGHT_MATCHER = 5.0


def _add_model_keys(cfg: CfgNode) -> None:
    # File of the text tower of CLIP, or of the whole model.
    cfg.MODEL.CLIP = CfgNode()
    cfg.MODEL.CLIP.WEIGHTS = (
        "pretrained/regionclip/regionclip_pretrained-cc_rn50x4_only_lang_encoder.pth"
    )
    # File of CLIP's vocabulary; empty: looked for in the usual places.
    cfg.MODEL.CLIP.VOCABULARY = ""

    univs = cfg.MODEL.UniVS = CfgNode()
    # Text embeddings of all categories; needed to build a model, and no part of checkpoints.
    univs.CLIP_CLASS_EMBED_PATH = "datasets/concept_emb/combined_datasets_cls_emb_rn50x4.pth"
    # What turns text into features: a CLIP model ("RN50x4", "ViT-B/32", ...), or "hashed", which
    # needs no files and makes the category embeddings as well; for toy models and tests only.
    univs.TEXT_ENCODER = "RN50x4"
    # Width of its features.
    univs.TEXT_DIM = 640
    # With "hashed": pairs of the name of a class list and its class names.
    univs.CONCEPTS = []

    # Most objects of a training clip, and most prompts.
    univs.NUM_POS_QUERIES = 30
    # Text prompts attend to the pixels of a frame before they become queries.
    univs.TEXT_PROMPT_TO_IMAGE_ENABLE = True
    # Self-attention of prompts: "sep", "sep-blocked", "sep-l2p" or "all".
    univs.MASKDEC_SELF_ATTN_MASK_TYPE = "sep"
    # Tokens taken from a visual prompt, per frame.
    univs.VISUAL_PROMPT_PIXELS_PER_IMAGE = 32
    # Decoder layers, from the first on, in which prompts attend to their own tokens; -1: all.
    univs.PROMPT_SELF_ATTN_LAYERS = -1
    # How frames are told apart: "ArbitraryT", by their index in the video; "FixedT", by their place
    # in the clip. Weights do not depend on it, results do.
    univs.POSITION_EMBEDDING_SINE3D = "ArbitraryT"
    # Keep an average of the weights over training (backbone_t, sem_seg_head_t), and
    # at inference use "teacher", this average, or "student", the weights themselves.
    univs.EMA_ENABLED = False
    univs.EMA_INFERENCE = "teacher"

    # Odd behaviours of the original that its published numbers come from:
    # - a visual prompt's tokens are drawn at random; otherwise they are spread evenly;
    # - objects so small that none of them covers the corner of a cell are prompted by the whole
    #   frame, or by nothing beside larger ones; otherwise by the cell with most of their pixels;
    # - a box prompt lacks its first row and column of cells and has one too many at the end;
    # - frames before the clip in which the prompt memory is made enter it with the features of the
    #   wrong frames; otherwise they stay blank;
    # - targets given by masks in a later frame are prompted from the clip after the one that they
    #   appear in, and seen by others from the first clip on; otherwise both begin with their frame;
    # - given masks come out a little wider than they are, because they went through the network's
    #   input; otherwise as they are;
    # - large-scale jittering draws a scale for every frame of a clip; otherwise one for the clip.
    univs.PUBLISHED_BEHAVIOUR = True


def _add_inference_keys(cfg: CfgNode) -> None:
    options = cfg.MODEL.MASK_FORMER.TEST
    # Predictions whose masks are less certain are dropped: the share of pixels with probability
    # above 0.27 whose probability is above 0.73.
    options.STABILITY_SCORE_THRESH = 0.0
    # An entity keeps its mask in a clip if it wins this share of its pixels against the others.
    options.OVERLAP_THRESHOLD_ENTITY = 0.5

    test = cfg.MODEL.UniVS.TEST = CfgNode()
    # Frames of which prompts are remembered, besides the one in which a target first appeared.
    test.NUM_PREV_FRAMES_MEMORY = 5
    # Frames whose backbone features are computed at once.
    test.NUM_FRAMES_WINDOW = 5
    # Entities and pairs of query and class with a lower score are dropped.
    test.CLASS_SCORE_THRESHOLD = 0.05
    # Softmax instead of sigmoid scores, for classes that were not trained with.
    test.ZERO_SHOT_INFERENCE = False
    # Track entities with prompts, for every task; otherwise by matching the learnable queries.
    test.VIDEO_UNIFIED_INFERENCE_ENABLE = False
    # Task and class list, such as "entity_vps_vipseg"; empty: those of the data set.
    test.VIDEO_UNIFIED_INFERENCE_ENTITIES = ""
    # Boxes of new entities that overlap more are duplicates.
    test.BOX_NMS_THRESH = 0.75
    # A target is lost in a clip if its query is less like those of earlier clips.
    test.TEMPORAL_CONSISTENCY_THRESHOLD = 0.05
    # A detection is a new entity if it is less like all known ones.
    test.DETECT_NEWLY_OBJECT_THRESHOLD = 0.05
    # Frames between looks for new entities.
    test.DETECT_NEWLY_INTERVAL_FRAMES = 1
    # Entities without a mask in so many frames are no longer looked for, so that they do not add up
    # in long videos; 0: they always are, as published.
    test.MAX_ABSENT_FRAMES = 0
    # Expressions are also prompted by their masks of earlier frames.
    test.ENABLED_PREV_VISUAL_PROMPTS_FOR_GROUNDING = False
    # Semantic segmentation of images by prompt queries only.
    test.DISABLE_SEMANTIC_QUERIES = False
    # Features for other models (tools/extract_video_features.py) are smaller in space and time by
    # these factors.
    extraction = test.SEMANTIC_EXTRACTION = CfgNode()
    extraction.COMPRESSION_RATIO = 32
    extraction.COMPRESSION_RATIO_TEMPORAL = 1
