"""Miniatures of the datasets of the catalogue, and tiny configs that are trained on them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from reference.models import CONFIGS
from univs.config import load_config
from univs.data import register_datasets
from univs.data.catalog import find_entry
from univs.data.miniatures import FAMILIES, write_miniatures

#: Family by name of a dataset.
FAMILY_OF = {
    name: family
    for family in sorted(FAMILIES, key=lambda name: name != "tarvis")  # others have precedence
    for name in FAMILIES[family].datasets
} | {"ovis_train_full": "ovis"}

#: TarViS's vocabulary by dataset that it is trained on; empty where objects are given.
TARVIS_VOCABULARIES = {
    "coco_panoptic_train": "coco_panoptic",
    "cityscapes_panoptic_train": "cityscapes_panoptic",
    "mapillary_train": "mapillary",
    "ade20k_panoptic_train": "ade20k",
    "ytvis21_train": "ytvis21",
    "ovis_train": "ovis",
    "kitti_step_train": "kitti_step",
    "cityscapes_vps_train": "cityscapes",
    "vipseg_train": "vipseg",
    "burst_train": "",
    "davis17_train": "",
}

# Windows of VPQ have up to eight frames, or four annotated ones.
_NUM_FRAMES = {"vipseg": 9, "cityscapes_vps": 16}  # of the latter, every fifth is annotated
# Of models for several datasets; none has more, but for LVIS in full.
_MOST_CLASSES = 150
# Classes by domain; the first four are those of the toy shapes.
_UNIVS_DOMAINS = {
    "lvis": 10,
    "entityseg_panoptic": 10,
    "entityseg_instance": 10,
    "burst": 6,
    "coco_panoptic": 133,
    "ade20k": 150,
    "ovis": 25,
    "ytvis19": 40,
    "ytvis21": 40,
    "vipseg": 124,
    "vspw": 124,
}


class Miniatures:
    """Writes the miniature of a family when it is first asked for.

    Args:
        folder: where roots of datasets are made, one for each family.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._write = cache(self._written)

    def ready(self, family: str) -> Path:
        """Register the datasets below the root of a family, and give the root."""
        root = self._write(family)
        register_datasets(root)
        return root

    def _written(self, family: str) -> Path:
        root = self._folder / family
        write_miniatures(root, [family], num_frames=_NUM_FRAMES.get(family, 4))
        return root


def config_of(system: str, name: str) -> CfgNode:
    """A tiny config of a system for one dataset.

    Args:
        system: file name of a toy config without its ending; ``univs``; or ``semantic``, which is
            Mask2Former for classes of every pixel.
        name: of the dataset to train on.
    """
    file = {"univs": "univs_stage2", "semantic": "mask2former_image"}.get(system, system)
    cfg = load_config(CONFIGS / "toy" / f"{file}.yaml")
    cfg.merge_from_list(
        [
            *("DATASETS.TRAIN", (name,), "DATASETS.TEST", (), "DATASETS.DATASET_RATIO", []),
            *("MODEL.WEIGHTS", "", "SOLVER.IMS_PER_BATCH", 2, "DATALOADER.NUM_WORKERS", 0),
            *("INPUT.SAMPLING_FRAME_NUM", 2, "INPUT.MIN_SIZE_TRAIN", (64,)),
            *("MODEL.SEM_SEG_HEAD.NUM_CLASSES", _MOST_CLASSES, "INPUT.MIN_SIZE_TEST", 64),
            *("INPUT.PSEUDO.MIN_SIZE_TRAIN", (64,), "INPUT.IMAGE_SIZE", 64),
            *("MODEL.MASK_FORMER.DEC_LAYERS", 4, "MODEL.MASK_FORMER.TRAIN_NUM_POINTS", 64),
        ]
    )
    if system == "semantic":
        cfg.INPUT.DATASET_MAPPER_NAME = "mask_former_semantic"
        cfg.MODEL.MASK_FORMER.TEST.SEMANTIC_ON = True
        cfg.MODEL.MASK_FORMER.TEST.INSTANCE_ON = False
    if system == "univs":
        cfg.MODEL.UniVS.CONCEPTS = [
            [domain, [f"class {index}" for index in range(count)]]
            for domain, count in _UNIVS_DOMAINS.items()
        ]
    if system == "tarvis":
        _set_vocabularies(cfg, name)
    return cfg


def benchmark_config(system: str, name: str) -> CfgNode:
    """As :func:`config_of`, for as many classes as the dataset, which is registered, has."""
    cfg = config_of(system, name)
    metadata = MetadataCatalog.get(name)
    cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = len(metadata.get("class_names", ("object",)))
    if metadata.evaluator_type == "coco_panoptic_seg":
        cfg.INPUT.DATASET_MAPPER_NAME = "coco_panoptic_lsj"
        cfg.MODEL.MASK_FORMER.TEST.PANOPTIC_ON = True
        cfg.MODEL.MASK_FORMER.TEST.INSTANCE_ON = False
        cfg.MODEL.MASK_FORMER.TEST.OBJECT_MASK_THRESHOLD = 0.0
    return cfg


def _set_vocabularies(cfg: CfgNode, name: str) -> None:
    tables = {d: find_entry(n).classes for n, d in TARVIS_VOCABULARIES.items() if d}
    options = cfg.MODEL.TARVIS
    options.VOCABULARIES = sorted(tables)
    options.VOCABULARY_SIZES = [len(tables[d]) if tables[d] else 10 for d in sorted(tables)]
    options.THING_CLASSES = [
        tables[d].things if tables[d] and tables[d].stuff else [] for d in sorted(tables)
    ]
    cfg.DATASETS.TRAIN_VOCABULARIES = [TARVIS_VOCABULARIES[name]]
    cfg.INPUT.FRAME_RANGE_FACTORS = []
    cfg.INPUT.CROP_FRACTIONS = [[0.75, 0.75]]
