"""Keys of the Mask2Former base, with the defaults of the original code.

Published models override many of them in their YAML files (for example CLASS/DICE/MASK_WEIGHT
2/5/5, DROPOUT 0, DEC_LAYERS 10), so a default here says nothing about how a model was trained.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from univs.config.translate import Translation

_NEVER_READ = "the original code never reads it"
_OTHER_MODEL = "it belongs to a model that is not part of this project"

TRANSLATIONS = (
    *(
        Translation(f"MODEL.SWIN.{name}", reason="no published model sets it")
        for name in ("QK_SCALE", "DROP_RATE", "ATTN_DROP_RATE")
    ),
    Translation(
        "MODEL.MASK_FORMER.TRANSFORMER_IN_FEATURE",
        reason="the decoders of this project attend to all levels of the pixel decoder",
        silent=True,
    ),
    *(
        Translation(key, reason=_NEVER_READ, silent=True)
        for key in (
            "MODEL.RESNETS.STEM_TYPE",
            "MODEL.RESNETS.RES4_DILATION",
            "MODEL.RESNETS.RES5_MULTI_GRID",
            "MODEL.SEM_SEG_HEAD.DEFORMABLE_TRANSFORMER_ENCODER_N_POINTS",
            "MODEL.SEM_SEG_HEAD.DEFORMABLE_TRANSFORMER_ENCODER_N_HEADS",
        )
    ),
    *(
        Translation(f"MODEL.SEM_SEG_HEAD.{name}", reason=_OTHER_MODEL, silent=True)
        for name in (  # DeepLab; in every configuration that Mask2Former writes beside a model
            "LOSS_TYPE",
            "PROJECT_FEATURES",
            "PROJECT_CHANNELS",
            "ASPP_CHANNELS",
            "ASPP_DILATIONS",
            "ASPP_DROPOUT",
            "USE_DEPTHWISE_SEPARABLE_CONV",
        )
    ),
)


def add_maskformer2_config(cfg: CfgNode) -> None:
    """Declare the keys of image Mask2Former in ``cfg``, in place."""
    _add_input_keys(cfg)
    _add_solver_keys(cfg)
    _add_swin_keys(cfg)
    _add_small_cnn_keys(cfg)
    _add_pixel_decoder_keys(cfg)
    _add_mask_former_keys(cfg)


def _add_input_keys(cfg: CfgNode) -> None:
    # Name of the dataset mapper that turns a dataset record into a training sample.
    cfg.INPUT.DATASET_MAPPER_NAME = "mask_former_semantic"
    # Random brightness, contrast, saturation and hue as in SSD (semantic segmentation only).
    cfg.INPUT.COLOR_AUG_SSD = False
    # Crops are redrawn while one category covers more than this share of them; 1.0: never redrawn.
    cfg.INPUT.CROP.SINGLE_CATEGORY_MAX_AREA = 1.0
    # Semantic training samples are padded to this multiple in pixels; -1: not padded.
    cfg.INPUT.SIZE_DIVISIBILITY = -1

    # Large-scale jittering: the image is scaled by a factor drawn from [MIN_SCALE, MAX_SCALE]
    # relative to IMAGE_SIZE, then cropped or padded to a square of IMAGE_SIZE pixels.
    cfg.INPUT.IMAGE_SIZE = 1024
    cfg.INPUT.MIN_SCALE = 0.1
    cfg.INPUT.MAX_SCALE = 2.0


def _add_solver_keys(cfg: CfgNode) -> None:
    # "ADAMW" or "SGD".
    cfg.SOLVER.OPTIMIZER = "ADAMW"
    # Factor on BASE_LR for parameters whose module path contains "backbone".
    cfg.SOLVER.BACKBONE_MULTIPLIER = 0.1
    # Weight decay of every nn.Embedding (learnable queries, level embedding of the decoder).
    cfg.SOLVER.WEIGHT_DECAY_EMBED = 0.0
    # LR_SCHEDULER_NAME "WarmupPolyLR": factor (1 - iteration / MAX_ITER) ** POLY_LR_POWER, which
    # never falls below POLY_LR_CONSTANT_ENDING after the warm-up if that is positive.
    cfg.SOLVER.POLY_LR_POWER = 0.9
    cfg.SOLVER.POLY_LR_CONSTANT_ENDING = 0.0


def _add_swin_keys(cfg: CfgNode) -> None:
    """Swin transformer, MODEL.BACKBONE.NAME "D2SwinTransformer". Defaults are those of Swin-T."""
    swin = cfg.MODEL.SWIN = CfgNode()
    # Side in pixels of the pre-training images; sets the size of the absolute position embedding.
    swin.PRETRAIN_IMG_SIZE = 224
    # Side in pixels of a patch.
    swin.PATCH_SIZE = 4
    # Channels of the first stage; each further stage doubles them.
    swin.EMBED_DIM = 96
    # Blocks and attention heads of the four stages.
    swin.DEPTHS = [2, 2, 6, 2]
    swin.NUM_HEADS = [3, 6, 12, 24]
    # Side of an attention window in patches.
    swin.WINDOW_SIZE = 7
    # Hidden width of a block's MLP relative to its channels.
    swin.MLP_RATIO = 4.0
    # Bias of the joint query, key and value projection.
    swin.QKV_BIAS = True
    # The largest stochastic depth.
    swin.DROP_PATH_RATE = 0.3
    # Absolute position embedding added to the patches.
    swin.APE = False
    # Layer norm after the patch embedding.
    swin.PATCH_NORM = True
    # Stages to return, named by stride: res2 is 4, res5 is 32.
    swin.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    # Recompute activations in the backward pass to save memory.
    swin.USE_CHECKPOINT = False


def _add_small_cnn_keys(cfg: CfgNode) -> None:
    """A network for toy data, MODEL.BACKBONE.NAME "SmallCNN"."""
    node = cfg.MODEL.SMALL_CNN = CfgNode()
    # Channels at stride 2, and of the stages at strides 4, 8, 16, 32.
    node.STEM_CHANNELS = 32
    node.CHANNELS = [48, 64, 96, 128]
    # Normalisation after every convolution.
    node.NORM = "BN"


def _add_pixel_decoder_keys(cfg: CfgNode) -> None:
    head = cfg.MODEL.SEM_SEG_HEAD
    # Registered name of the pixel decoder; published models use "MSDeformAttnPixelDecoder".
    head.PIXEL_DECODER_NAME = "BasePixelDecoder"
    # Channels of the mask features and of the mask embeddings multiplied with them.
    head.MASK_DIM = 256
    # Layers of the deformable encoder, which samples 4 points per level, and their feed-forward
    # width; published models have 1024, whatever MASK_FORMER.DIM_FEEDFORWARD says.
    head.TRANSFORMER_ENC_DIM_FEEDFORWARD = 1024
    head.TRANSFORMER_ENC_LAYERS = 0
    # Backbone features that enter the deformable encoder.
    head.DEFORMABLE_TRANSFORMER_ENCODER_IN_FEATURES = ["res3", "res4", "res5"]


def _add_mask_former_keys(cfg: CfgNode) -> None:
    node = cfg.MODEL.MASK_FORMER = CfgNode()

    # Losses. DEEP_SUPERVISION applies them to every prediction head, not only to the last.
    node.DEEP_SUPERVISION = True
    # Weight of the class "no object" in the cross entropy.
    node.NO_OBJECT_WEIGHT = 0.1
    # Weights of the loss terms, and of the costs in the matching.
    node.CLASS_WEIGHT = 1.0
    node.DICE_WEIGHT = 1.0
    node.MASK_WEIGHT = 20.0
    # Mask losses are computed on TRAIN_NUM_POINTS points per mask: IMPORTANCE_SAMPLE_RATIO of them
    # are the most uncertain of OVERSAMPLE_RATIO times as many random points, the rest is random.
    node.TRAIN_NUM_POINTS = 112 * 112
    node.OVERSAMPLE_RATIO = 3.0
    node.IMPORTANCE_SAMPLE_RATIO = 0.75

    # Transformer decoder, by registered name.
    node.TRANSFORMER_DECODER_NAME = "MultiScaleMaskedTransformerDecoder"
    node.NUM_OBJECT_QUERIES = 100
    node.HIDDEN_DIM = 256
    node.NHEADS = 8
    node.DIM_FEEDFORWARD = 2048
    # Dropout of the pixel decoder's encoder; the masked decoder never drops (as published).
    node.DROPOUT = 0.1
    # Encoder layers inside the decoder module; only 0 is meaningful for the masked decoder.
    node.ENC_LAYERS = 0
    # Prediction heads. One looks at the learnable queries, so 10 means 9 decoder layers.
    node.DEC_LAYERS = 6
    # Normalise before, not after, each sub-layer of the decoder.
    node.PRE_NORM = False
    # Project decoder inputs even if they already have HIDDEN_DIM channels.
    node.ENFORCE_INPUT_PROJ = False
    # Images of a batch are padded to this multiple in pixels; negative: the backbone's own.
    node.SIZE_DIVISIBILITY = 32

    # Inference: which kinds of result to compute.
    test = node.TEST = CfgNode()
    test.SEMANTIC_ON = True
    test.INSTANCE_ON = False
    test.PANOPTIC_ON = False
    # Panoptic: queries with a lower class score are dropped.
    test.OBJECT_MASK_THRESHOLD = 0.0
    # Panoptic: segments that keep a smaller share of their mask after the vote are dropped.
    test.OVERLAP_THRESHOLD = 0.0
    # Resize mask logits to the output size before, not after, they become a semantic map.
    test.SEM_SEG_POSTPROCESSING_BEFORE_INFERENCE = False
