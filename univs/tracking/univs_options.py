"""What a config says about sessions of UniVS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from univs.modeling.concepts import ConceptTable
from univs.tracking.mode import clips_of
from univs.tracking.univs_discovery import (
    DiscoveryThresholds,
    InstanceDiscovery,
    PanopticDiscovery,
)
from univs.tracking.univs_entity_task import EntityOptions
from univs.tracking.univs_instance_task import InstanceTask
from univs.tracking.univs_panoptic_task import PanopticTask
from univs.tracking.univs_query_task import QueryTask
from univs.tracking.univs_semantic_task import SemanticTask
from univs.tracking.univs_task import UnivsTask

_WINDOW_UNIT = 5
# What MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES may ask for, beside names of class lists.
_ENTITIES = {
    "vis_coco": "coco",
    "vis_entityseg": "entityseg_instance",
    "vps_entityseg": "entityseg_panoptic",
    "vss_entityseg": "entityseg_panoptic",
}
_TASK_OF_EVALUATOR = {
    "ytvis": "vis",
    "video_panoptic_seg": "vps",
    "video_semantic_seg": "vss",
    "davis": "vos",
    "vos": "vos",
    "pvos": "pvos",
    "burst_point": "pet",
}


def default_task(cfg: CfgNode) -> str:
    """The task that a config is for."""
    entities = cfg.MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES
    if entities:
        return split_entities(entities)[0]
    for name in cfg.DATASETS.TEST:
        return _TASK_OF_EVALUATOR.get(MetadataCatalog.get(name).get("evaluator_type"), "vis")
    return "vis"


def default_vocabulary(cfg: CfgNode, task: str, concepts: ConceptTable) -> str | None:
    """The class list of the concept table that a config is for, as far as a task is concerned.

    It is that of the first data set of the task, in DATASETS.TEST if there is one; None if there is
    no data set of the task whose classes are in the table.
    """
    entities = cfg.MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES
    if entities and split_entities(entities)[0] == task:
        return split_entities(entities)[1]
    for name in (*cfg.DATASETS.TEST, *sorted(MetadataCatalog.list())):
        metadata = MetadataCatalog.get(name)
        is_of_task = _TASK_OF_EVALUATOR.get(metadata.get("evaluator_type")) == task
        if is_of_task and concepts.has(metadata.get("domain")):
            return metadata.get("domain")
    return None


def class_names_of(
    cfg: CfgNode, concepts: ConceptTable, vocabulary: str | None
) -> list[str] | None:
    """Names of the categories of a class list; None without a class list.

    They come from the config, or else from a data set of the class list; where neither knows them
    categories are numbered.
    """
    if vocabulary is None:
        return None
    count = concepts.rows(vocabulary).stop - concepts.rows(vocabulary).start
    listed = [list(names) for domain, names in cfg.MODEL.UniVS.CONCEPTS if domain == vocabulary]
    for name in sorted(MetadataCatalog.list()):
        metadata = MetadataCatalog.get(name)
        if metadata.get("domain") == vocabulary:
            listed.append(list(metadata.get("class_names", ())))
    fitting = (names for names in listed if len(names) == count)
    return next(fitting, [f"class {index}" for index in range(count)])


def thing_classes_of(vocabulary: str) -> frozenset[int]:
    """0-based thing classes of a panoptic class list.

    Raises:
        ValueError: no data set of it is registered that tells things from stuff.
    """
    return _classes_of(vocabulary, "thing")


def stuff_classes_of(vocabulary: str) -> frozenset[int]:
    """0-based stuff classes of a panoptic class list; see :func:`thing_classes_of`."""
    return _classes_of(vocabulary, "stuff")


def _classes_of(vocabulary: str, kind: str) -> frozenset[int]:
    for name in sorted(MetadataCatalog.list()):
        metadata = MetadataCatalog.get(name)
        if metadata.get("domain") == vocabulary and metadata.get("stuff_classes"):
            return frozenset(metadata.get(f"{kind}_dataset_id_to_contiguous_id", {}).values())
    raise ValueError(
        f"which classes of {vocabulary!r} are things and which stuff is not known: use the class "
        "list of a panoptic data set, such as vipseg"
    )


def category_task(
    cfg: CfgNode, task: str, vocabulary: str, one_category_per_track: bool
) -> Callable[[], UnivsTask]:
    """Makes the task of a new video that looks for categories."""
    test, heads = cfg.MODEL.UniVS.TEST, cfg.MODEL.MASK_FORMER.TEST
    if task == "vss":
        return partial(SemanticTask, vocabulary)
    results = {
        "max_tracks": cfg.TEST.DETECTIONS_PER_IMAGE,
        "one_category_per_track": one_category_per_track,
    }
    if task == "vis" and not test.VIDEO_UNIFIED_INFERENCE_ENABLE:
        return partial(
            QueryTask,
            vocabulary,
            prefers_quality=heads.STABILITY_SCORE_THRESH > 0,
            zero_shot=test.ZERO_SHOT_INFERENCE,
            **results,
        )
    thresholds = DiscoveryThresholds(
        score=test.CLASS_SCORE_THRESHOLD,
        similarity=test.DETECT_NEWLY_OBJECT_THRESHOLD,
        box_overlap=test.BOX_NMS_THRESH,
        quality=heads.STABILITY_SCORE_THRESH,
        most=cfg.TEST.DETECTIONS_PER_IMAGE,
    )
    options = _entity_options(cfg)
    if task == "vis":
        return partial(InstanceTask, vocabulary, InstanceDiscovery(thresholds), options, **results)
    discovery = PanopticDiscovery(thresholds, thing_classes_of(vocabulary))
    return partial(
        PanopticTask, vocabulary, discovery, options, least_visible=heads.OVERLAP_THRESHOLD
    )


def _entity_options(cfg: CfgNode) -> EntityOptions:
    test, clips = cfg.MODEL.UniVS.TEST, clip_options(cfg, "vis")
    at_once = max(test.NUM_FRAMES_WINDOW, clips["clip_length"])
    return EntityOptions(
        clip_length=clips["clip_length"],
        num_remembered=test.NUM_PREV_FRAMES_MEMORY,
        stride=clips["stride"],
        consistency=test.TEMPORAL_CONSISTENCY_THRESHOLD,
        least_won=cfg.MODEL.MASK_FORMER.TEST.OVERLAP_THRESHOLD_ENTITY,
        discovery_interval=test.DETECT_NEWLY_INTERVAL_FRAMES,
        max_absent=test.MAX_ABSENT_FRAMES,
        window=_WINDOW_UNIT * (-(-at_once // _WINDOW_UNIT) + 1),
        published=cfg.MODEL.UniVS.PUBLISHED_BEHAVIOUR,
    )


def clip_options(cfg: CfgNode, task: str) -> dict[str, int]:
    """What :class:`~univs.tracking.univs_frames.UnivsFrames` takes."""
    length = clips_of(cfg, cfg.INPUT.SAMPLING_FRAME_NUM, published_stride=1).length
    stride = min(cfg.TEST.CLIP_STRIDE or 1, length)
    return {
        "clip_length": length,
        # Semantic segmentation takes nothing from one clip to the next.
        "stride": length if task == "vss" else stride,
        "min_size": cfg.INPUT.MIN_SIZE_TEST,
        "max_size": cfg.INPUT.MAX_SIZE_TEST,
        "most_at_once": cfg.MODEL.UniVS.TEST.NUM_FRAMES_WINDOW,
    }


def split_entities(entities: str) -> tuple[str, str]:
    """Task and class list of a value such as ``entity_vps_vipseg``."""
    name = entities.removeprefix("entity_")
    task, _, vocabulary = name.partition("_")
    if task not in ("vis", "vps", "vss") or not vocabulary:
        raise ValueError(
            "MODEL.UniVS.TEST.VIDEO_UNIFIED_INFERENCE_ENTITIES must be empty or like "
            f"entity_vps_vipseg, with vis, vps or vss, but is {entities!r}"
        )
    return task, _ENTITIES.get(name, vocabulary)
