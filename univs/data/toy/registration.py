"""Names, paths and classes of the toy data sets: a table for the catalogue; nothing is registered.

Paths are relative to the root of all data sets, in which the toy data sets live under ``toy/``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from univs.data.toy.classes import STUFF_CLASSES, STUFF_COLORS, THING_CLASSES, THING_COLORS
from univs.data.toy.difficulty import PRESETS
from univs.data.toy.generate import preset_root
from univs.data.toy.layouts.referring import DAVIS_TEXT_FILES
from univs.data.toy.video import SPLITS

TOY_FOLDER = "toy"

_Color = tuple[int, int, int]


@dataclass(frozen=True)
class ToyDataset:
    """Where one toy data set lies, and what it is for.

    Attributes:
        name: such as ``toy_ytvis_train`` or ``toy_ytvis_occlusion_val``.
        layout: key of ``univs.data.toy.LAYOUTS``, that is, of what to generate and how to read it.
        task: ``vis``, ``vps``, ``vss``, ``vos``, ``pvos``, ``refvos``, ``pet``, ``instance`` or
            ``panoptic`` (the last two are still images).
        preset: key of ``univs.data.toy.PRESETS``.
        split: ``train`` or ``val``.
        image_root: folder that file names of frames are relative to.
        annotations: JSON file, or text file of expressions, if the layout has one.
        masks: folder of PNG masks, if the layout has one; for ``val`` of tasks whose targets are
            masks, only the prompts.
        videos: text file that lists the videos of the split, if the layout has one.
        categories: JSON file of the classes, if they are not in ``annotations``.
        truth: file or folder to score results against, if the above do not hold it.
    """

    name: str
    layout: str
    task: str
    preset: str
    split: str
    image_root: str
    annotations: str | None = None
    masks: str | None = None
    videos: str | None = None
    categories: str | None = None
    truth: str | None = None

    @property
    def thing_classes(self) -> tuple[str, ...]:
        """Names of the thing classes; empty if objects have no classes."""
        return () if self._is_prompted else THING_CLASSES

    @property
    def stuff_classes(self) -> tuple[str, ...]:
        """Names of the stuff classes; empty unless every pixel is labelled."""
        return STUFF_CLASSES if self._labels_every_pixel else ()

    @property
    def thing_colors(self) -> tuple[_Color, ...]:
        """RGB 0-255 per thing class."""
        return () if self._is_prompted else THING_COLORS

    @property
    def stuff_colors(self) -> tuple[_Color, ...]:
        """RGB 0-255 per stuff class."""
        return STUFF_COLORS if self._labels_every_pixel else ()

    @property
    def _is_prompted(self) -> bool:
        return self.task in ("vos", "refvos", "pet")

    @property
    def _labels_every_pixel(self) -> bool:
        return self.task in ("vps", "vss", "pvos", "panoptic")


def datasets_root() -> Path:
    """Root of all data sets.

    ``$UNIVS_DATASETS``, ``$DETECTRON2_DATASETS``, ``$TARVIS_WORKSPACE_DIR``, or ``datasets``.
    """
    for variable in ("UNIVS_DATASETS", "DETECTRON2_DATASETS", "TARVIS_WORKSPACE_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    return Path("datasets")


def toy_root() -> Path:
    """Folder of the toy data sets: what :func:`univs.data.toy.generate` takes as ``root``."""
    return datasets_root() / TOY_FOLDER


def _templates(split: str) -> dict[str, dict[str, str]]:
    """Layout, task and paths under the preset's folder; indexed by the kind of data set.

    Kinds may end in ``:suffix``, which goes to the end of the name.
    """
    is_val = split == "val"
    valid = "valid" if is_val else split
    vos, mose, viposeg = f"youtube_vos/2019/{valid}", f"mose/{valid}", f"viposeg/{valid}"
    tracks = f"burst/annotations/{split}/all_classes.json"
    kinds = {
        "ytvis": {
            "layout": "ytvis",
            "task": "vis",
            "image_root": f"ytvis_2021/{valid}/JPEGImages",
            "annotations": f"ytvis_2021/{valid}.json",
        },
        "vipseg": {
            "layout": "vipseg",
            "task": "vps",
            "image_root": "VIPSeg/imgs",
            "annotations": f"VIPSeg/panoptic_gt_VIPSeg_{split}.json",
            "masks": "VIPSeg/panomasks",
            "videos": f"VIPSeg/{split}.txt",
            "categories": "VIPSeg/panoVIPSeg_categories.json",
        },
        "vspw": {
            "layout": "vspw",
            "task": "vss",
            "image_root": "VSPW_480p/data",
            "masks": "VSPW_480p/data",
            "videos": f"VSPW_480p/{split}.txt",
            "categories": "VSPW_480p/label_num_dic_final.json",
        },
        "viposeg": {
            "layout": "viposeg",
            "task": "pvos",
            "image_root": f"{viposeg}/JPEGImages",
            "annotations": f"{viposeg}/meta.json",
            "masks": f"{viposeg}/Annotations",
            "categories": f"{viposeg}/obj_class.json",
        },
        "davis": {
            "layout": "davis",
            "task": "vos",
            "image_root": "DAVIS/JPEGImages/480p",
            "masks": "DAVIS/Annotations/480p",
            "videos": f"DAVIS/ImageSets/2017/{split}.txt",
        },
        "ytvos": {
            "layout": "youtube_vos",
            "task": "vos",
            "image_root": f"{vos}/JPEGImages",
            "annotations": f"{vos}/meta.json",
            "masks": f"{vos}/Annotations",
        },
        "mose": {
            "layout": "mose",
            "task": "vos",
            "image_root": f"{mose}/JPEGImages",
            "annotations": f"mose/meta_{valid}.json",
            "masks": f"{mose}/Annotations",
        },
        "refytvos": {
            "layout": "refytvos",
            "task": "refvos",
            "image_root": f"{vos}/JPEGImages",
            "annotations": f"ref_youtube_vos/meta_expressions/{valid}/meta_expressions.json",
            "masks": f"{vos}/Annotations_gt" if is_val else f"{vos}/Annotations",
        },
        "burst_point": {
            "layout": "burst",
            "task": "pet",
            "image_root": f"burst/frames/{split}",
            "annotations": tracks.replace("all_classes", "first_frame_annotations")
            if is_val
            else tracks,
        },
        "coco_instance": {
            "layout": "coco",
            "task": "instance",
            "image_root": f"coco/{split}2017",
            "annotations": f"coco/annotations/instances_{split}2017.json",
        },
        "coco_panoptic": {
            "layout": "coco",
            "task": "panoptic",
            "image_root": f"coco/{split}2017",
            "annotations": f"coco/annotations/panoptic_{split}2017.json",
            "masks": f"coco/panoptic_{split}2017",
        },
    }
    if is_val:
        kinds["ytvos"]["truth"] = f"{vos}/Annotations_gt"
        kinds["mose"]["truth"] = f"{mose}/Annotations_gt"
        kinds["viposeg"]["truth"] = f"{viposeg}/Annotations_gt"
        kinds["burst_point"]["truth"] = tracks
    for number, name in enumerate(DAVIS_TEXT_FILES):
        kinds[f"refdavis:_{number}"] = {
            "layout": "refdavis",
            "task": "refvos",
            "image_root": "DAVIS/JPEGImages/480p",
            "annotations": f"ref_davis/davis_text_annotations/{name}",
            "masks": "DAVIS/Annotations_unsupervised/480p",
            "videos": f"ref_davis/ImageSets/2017/{split}.txt",
        }
    return kinds


def _table() -> dict[str, ToyDataset]:
    table = {}
    for preset in PRESETS:
        root = preset_root(TOY_FOLDER, preset)
        infix = "" if preset == "default" else f"_{preset}"
        for split in SPLITS:
            for kind, template in _templates(split).items():
                stem, _, suffix = kind.partition(":")
                name = f"toy_{stem}{infix}_{split}{suffix}"
                located = {
                    key: value if key in ("layout", "task") else (root / value).as_posix()
                    for key, value in template.items()
                }
                table[name] = ToyDataset(name=name, preset=preset, split=split, **located)
    return table


#: Every toy data set, by name.
TOY_DATASETS: dict[str, ToyDataset] = _table()
