"""Training clips of TarViS: a clip together with the vocabulary that its classes belong to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.structures import Instances
from univs.config.tarvis import thing_classes_of
from univs.data.catalog import DatasetEntry, find_entry
from univs.data.mapper.clip import ClipMapper
from univs.data.mapper.image_sequence import ImageSequenceMapper
from univs.data.mapper.tarvis_clip import MOST_GIVEN, TarVisClipMapper

# What the semantic losses of the models leave out.
IGNORE_LABEL = -100

# By layout: objects of fewer pixels count as absent.
_SMALLEST_OBJECTS = {"burst": 100}


class TarVisMapper:
    """Adds to clips what their task is.

    Clips of panoptic data sets get a class map ``sem_seg`` of all their segments, and keep things
    only as instances. Clips whose objects are given begin with a frame in which one is visible, so
    that they can be given there, and say how many of them are to be followed.
    """

    def __init__(
        self,
        clip_mapper: Callable[[dict], dict],
        *,
        vocabulary: str,
        thing_classes: frozenset[int] | None,
    ) -> None:
        """
        Args:
            clip_mapper: makes a sample with ``image`` and ``instances`` of T frames.
            vocabulary: name of the classes, "" if objects are given.
            thing_classes: contiguous thing classes of a panoptic data set; None for all others.
        """
        self.clip_mapper = clip_mapper
        self.vocabulary = vocabulary
        self.thing_classes = thing_classes

    @classmethod
    def of_dataset(cls, cfg: CfgNode, dataset_name: str, *, is_video: bool) -> TarVisMapper:
        """The mapper of a data set of ``DATASETS.TRAIN``.

        Raises:
            ValueError: the config does not say what the vocabulary of the data set is.
        """
        names, vocabularies = list(cfg.DATASETS.TRAIN), cfg.DATASETS.TRAIN_VOCABULARIES
        _check_lengths(cfg, len(names))
        index = names.index(dataset_name)
        vocabulary = vocabularies[index]
        cfg = _config_of(cfg, index)
        things = thing_classes_of(cfg, vocabulary)
        entry = _entry_of(dataset_name)
        if not things and vocabulary:
            things = stuff_aware_things(dataset_name)
        if is_video:
            crops = cfg.INPUT.CROP_FRACTIONS
            mapper: ClipMapper = TarVisClipMapper(
                cfg,
                crop=crops[index] if crops else (),
                is_panoptic=bool(things),
                gives_objects=not vocabulary,
                smallest_object=_SMALLEST_OBJECTS.get(entry.layout, 0) if entry else 0,
            )
        else:
            mapper = ImageSequenceMapper(cfg, domain=entry and entry.domain)
        return cls(
            mapper, vocabulary=vocabulary, thing_classes=frozenset(things) if things else None
        )

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry; see :mod:`univs.modeling.tarvis_targets` for what is added."""
        sample = self.clip_mapper(dataset_dict)
        sample["vocabulary"] = self.vocabulary
        if not self.vocabulary:
            visible = [bool((frame.gt_ids != -1).any()) for frame in sample["instances"]]
            sample["reference_frame"] = visible.index(True) if any(visible) else 0
            # The first clip of a batch decides for all, so that each number is as frequent.
            sample["num_objects"] = int(torch.randint(1, MOST_GIVEN + 1, ()))
        if self.thing_classes is not None:
            sample["sem_seg"] = class_map(sample["instances"])
            sample["instances"] = [self._things(frame) for frame in sample["instances"]]
        return sample

    def _things(self, instances: Instances) -> Instances:
        """Stuff counts as absent; its rows stay, so that those of all frames agree."""
        things = torch.tensor(sorted(self.thing_classes), dtype=instances.gt_classes.dtype)
        is_thing = torch.isin(instances.gt_classes, things) | (instances.gt_classes < 0)
        things_only = Instances(instances.image_size, **instances.get_fields())
        things_only.gt_ids = torch.where(is_thing, instances.gt_ids, -1)
        things_only.gt_classes = torch.where(is_thing, instances.gt_classes, -1)
        return things_only


def stuff_aware_things(dataset_name: str) -> list[int]:
    """0-based thing classes of a dataset that has stuff, too; empty if all classes are things.

    Some datasets have their class list in their files: what is known of them was read with those.
    """
    metadata = MetadataCatalog.get(dataset_name)
    if not metadata.get("stuff_classes"):
        return []
    return sorted(metadata.get("thing_dataset_id_to_contiguous_id", {}).values())


def _entry_of(dataset_name: str) -> DatasetEntry | None:
    try:
        return find_entry(dataset_name)
    except KeyError:  # registered by the user's own code
        return None


def _check_lengths(cfg: CfgNode, count: int) -> None:
    inputs = cfg.INPUT
    keys = {
        "DATASETS.TRAIN_VOCABULARIES": len(cfg.DATASETS.TRAIN_VOCABULARIES),
        **{
            f"INPUT.{key}": len(inputs[key]) or count  # empty: the same for all
            for key in ("FRAME_RANGE_FACTORS", "CROP_FRACTIONS", "MIN_SIZES_TRAIN")
        },
        "INPUT.MAX_SIZES_TRAIN": len(inputs.MAX_SIZES_TRAIN) or count,
    }
    wrong = [f"{key} has {number}" for key, number in keys.items() if number != count]
    if wrong:
        raise ValueError(
            f"DATASETS.TRAIN names {count} data sets, but {', '.join(wrong)} entries: give one for "
            "every data set."
        )


def _config_of(cfg: CfgNode, index: int) -> CfgNode:
    """The config of one data set: its range of frames and sizes in place of the common ones."""
    cfg = cfg.clone()
    cfg.defrost()
    inputs = cfg.INPUT
    if inputs.FRAME_RANGE_FACTORS:
        factor = inputs.FRAME_RANGE_FACTORS[index]
        inputs.SAMPLING_FRAME_RANGE = round(factor * inputs.SAMPLING_FRAME_NUM)
    if inputs.MIN_SIZES_TRAIN:
        inputs.MIN_SIZE_TRAIN = tuple(inputs.MIN_SIZES_TRAIN[index])
    if inputs.MAX_SIZES_TRAIN:
        inputs.MAX_SIZE_TRAIN = inputs.MAX_SIZES_TRAIN[index]
    return cfg


def class_map(frames: list[Instances]) -> Tensor:
    """Class of every pixel, int64 ``(T, H, W)``, :data:`IGNORE_LABEL` where no segment is.

    Where segments overlap the last one counts.
    """
    return torch.stack([_classes_of_pixels(instances) for instances in frames])


def _classes_of_pixels(instances: Instances) -> Tensor:
    masks = instances.gt_masks.tensor.flip(0)  # N H W
    if not len(masks):
        return torch.full(instances.image_size, IGNORE_LABEL, dtype=torch.long)
    labels = instances.gt_classes.flip(0)[masks.byte().argmax(0)]
    return labels.masked_fill(~masks.any(0), IGNORE_LABEL)
