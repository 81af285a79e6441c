"""Keys of TarViS, with the published values.

The network itself is configured by the keys of Mask2Former: ``SEM_SEG_HEAD`` for the neck,
``MASK_FORMER`` for the decoder, ``MASK_FORMER.NUM_OBJECT_QUERIES`` for the instance queries.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from univs.config.errors import ConfigError
from univs.config.translate import Translation

TRANSLATIONS = (Translation("MODEL.TARVIS.TEST.FRAMES", new="TEST.FRAMES"),)

_VIPSEG_THINGS = (
    *(2, 4, 8, 10, 41, 43, 44, 46, 47, 48, 49, 50, 51, 52, 54, 55, 56, 60, 61, 62, 63, 64, 65),
    *(72, 74, 76, 77, 78, 79, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 95, 96, 97, 99, 100),
    *(101, 102, 106, 107, 108, 109, 114, 115, 116, 117, 118, 122, 123),
)

# Vocabularies whose published name is not that of the class list of their data sets.
_VOCABULARY_OF_DOMAIN = {
    "ytvis21": "YOUTUBE_VIS",
    "cityscapes": "CITYSCAPES_VPS",
    "coco_panoptic": "COCO",
    "cityscapes_panoptic": "CITYSCAPES",
}


def add_tarvis_config(cfg: CfgNode) -> None:
    """Declare the keys of TarViS in ``cfg``, in place."""
    node = cfg.MODEL.TARVIS = CfgNode()
    _add_query_keys(node)
    _add_loss_keys(node)
    _add_test_keys(node)
    _add_sampling_keys(cfg)


def _add_query_keys(node: CfgNode) -> None:
    # Odd behaviours of the original that published weights and numbers need:
    # - frames are padded with the grey value 128 before they are normalised, not with the mean;
    # - where clips overlap, instances keep the masks of the earlier clip; objects take those of the
    #   later clip but for the last one, and keep stale masks if the later clip has lost them;
    # - instances without a pixel in the overlap count as equal.
    # False: padding has the mean colour, overlapping mask logits are averaged, and instances
    # without a pixel in the overlap are never associated.
    node.PUBLISHED_BEHAVIOUR = True
    # Names and numbers of classes of the data sets that the class queries belong to, in any order;
    # in checkpoints they lie in alphabetical order.
    node.VOCABULARIES = ["CITYSCAPES_VPS", "KITTI_STEP", "OVIS", "VIPSEG", "YOUTUBE_VIS"]
    node.VOCABULARY_SIZES = [19, 19, 25, 124, 40]
    # 0-based thing classes of each of the VOCABULARIES; empty: all its classes are things. Those of
    # VIPSeg follow its official list.
    node.THING_CLASSES = [list(range(11, 19)), [11, 13], [], list(_VIPSEG_THINGS), []]
    # Queries that mean "no object"; the best of them counts.
    node.NUM_BACKGROUND_QUERIES = 1
    # Layers of the object encoder; its width is MASK_FORMER.DIM_FEEDFORWARD.
    node.OBJECT_ENCODER_LAYERS = 4
    # Rows and columns of the background queries around given objects; may be changed for testing.
    node.BACKGROUND_GRID = [4, 4]
    # Queries of an object that is given by a mask, in training; TEST has its own.
    node.QUERIES_PER_OBJECT = 4
    # Training: probability with which an object is given by a point instead of its mask.
    node.POINT_LIKELIHOOD = 0.3
    # Training: most queries of given objects, which bounds their number to
    # MAX_OBJECT_QUERIES // QUERIES_PER_OBJECT; a random choice is kept.
    node.MAX_OBJECT_QUERIES = 32


def _add_loss_keys(node: CfgNode) -> None:
    loss = node.LOSS = CfgNode()
    # Weights of the semantic cross entropy in instance and in panoptic data sets.
    loss.INSTANCE_SEMANTIC_WEIGHT = 2.0
    loss.PANOPTIC_SEMANTIC_WEIGHT = 2.0
    # Points per frame of the semantic loss in panoptic data sets; elsewhere
    # MASK_FORMER.TRAIN_NUM_POINTS.
    loss.PANOPTIC_SEMANTIC_NUM_POINTS = 25088
    # Leave out classes that no sampled point of the batch has or is predicted to have.
    loss.IGNORE_NULL_CLASSES = False
    # Add a thousandth of the mean norm of the class logits at the sampled points.
    loss.SEMANTIC_REGULARIZATION = False
    # Sample class numbers of instance data sets bilinearly and round down, as the original does by
    # mistake: pixels at borders get unrelated classes.
    loss.INTERPOLATE_LABELS = False


def _add_test_keys(node: CfgNode) -> None:
    test = node.TEST = CfgNode()
    # Queries of an object that is given by a mask.
    test.QUERIES_PER_OBJECT = 8
    # Frames that a clip shares with the one before, where TEST.CLIP_STRIDE is not used. The length
    # of a clip is TEST.CLIP_LENGTH.
    test.FRAME_OVERLAP = 6
    # What to look for if nothing else is said: a name of VOCABULARIES, or "" for given objects.
    test.VOCABULARY = "YOUTUBE_VIS"
    # Overlap (intersection over union) above which instances of two clips are the same.
    test.ASSOCIATION_IOU = 0.5
    # By task: the vocabulary where TEST.VOCABULARY does not fit the task, and which instances of a
    # clip are kept: at most so many, of at least this score.
    test.INSTANCE = CfgNode()
    test.INSTANCE.VOCABULARY = "YOUTUBE_VIS"
    test.INSTANCE.MAX_TRACKS_PER_CLIP = 10
    test.INSTANCE.SCORE_THRESHOLD = 0.0
    test.PANOPTIC = CfgNode()
    test.PANOPTIC.VOCABULARY = "VIPSEG"
    test.PANOPTIC.MAX_TRACKS_PER_CLIP = 1000
    test.PANOPTIC.SCORE_THRESHOLD = 0.5


def _add_sampling_keys(cfg: CfgNode) -> None:
    # Vocabulary of each data set of DATASETS.TRAIN; "" for one whose objects are given.
    cfg.DATASETS.TRAIN_VOCABULARIES = []
    # The other frames of a clip are drawn from at most so many times its length away from the
    # reference frame, for each data set of DATASETS.TRAIN. Empty: INPUT.SAMPLING_FRAME_RANGE.
    # 0: neighbouring frames.
    cfg.INPUT.FRAME_RANGE_FACTORS = []
    # Share of the height and width that clips are cropped to, for each data set of DATASETS.TRAIN;
    # [] for one whose clips are not cropped. Empty: none are.
    cfg.INPUT.CROP_FRACTIONS = []
    # INPUT.MIN_SIZE_TRAIN and INPUT.MAX_SIZE_TRAIN of each data set. Empty: the same for all.
    cfg.INPUT.MIN_SIZES_TRAIN = []
    cfg.INPUT.MAX_SIZES_TRAIN = []
    # Weights of instance, panoptic and object segmentation: the task is drawn for every eight
    # batches, which needs data sets with stuff. Empty: the data set says the task.
    cfg.MODEL.TARVIS.TASK_WEIGHTS = []


def thing_classes_of(cfg: CfgNode, vocabulary: str) -> tuple[int, ...]:
    """0-based thing classes of a panoptic vocabulary; empty if all its classes are things.

    Args:
        cfg: the config.
        vocabulary: one of ``MODEL.TARVIS.VOCABULARIES``; "", which stands for given objects, and
            unknown ones have none.

    Raises:
        ConfigError: ``THING_CLASSES`` does not have one entry for each vocabulary.
    """
    options = cfg.MODEL.TARVIS
    if len(options.THING_CLASSES) != len(options.VOCABULARIES):
        raise ConfigError(
            f"MODEL.TARVIS.THING_CLASSES has {len(options.THING_CLASSES)} lists for "
            f"{len(options.VOCABULARIES)} VOCABULARIES: give one list for each, [] for things only"
        )
    if vocabulary not in options.VOCABULARIES:
        return ()
    return tuple(options.THING_CLASSES[list(options.VOCABULARIES).index(vocabulary)])


def vocabulary_of_domain(domain: str) -> str:
    """The published name of the vocabulary of a class list of data sets, such as ``ytvis21``."""
    return _VOCABULARY_OF_DOMAIN.get(domain.lower(), domain.upper())


def vocabulary_named(cfg: CfgNode, name: str) -> str:
    """The vocabulary that a name stands for.

    Args:
        cfg: the config.
        name: one of ``MODEL.TARVIS.VOCABULARIES`` in any case, or a class list of data sets, such
            as ``ytvis21``.

    Raises:
        ConfigError: the model has no such vocabulary.
    """
    vocabularies = list(cfg.MODEL.TARVIS.VOCABULARIES)
    for candidate in (name, vocabulary_of_domain(name)):
        if candidate in vocabularies:
            return candidate
    raise ConfigError(
        f"this model does not know the classes of {name!r}: it has the vocabularies "
        f"{', '.join(sorted(vocabularies))} (MODEL.TARVIS.VOCABULARIES)"
    )
