"""Training clips of TarViS: a clip together with the vocabulary that its classes belong to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from detectron2.config import CfgNode
from detectron2.structures import Instances
from univs.config.tarvis import thing_classes_of
from univs.data.mapper.clip import ClipMapper
from univs.data.mapper.pseudo_clip import PseudoClipMapper

# What the semantic losses of the models leave out.
IGNORE_LABEL = -100


class TarVisMapper:
    """Adds to clips what their task is.

    Clips of panoptic data sets get a class map ``sem_seg`` of all their segments, and keep things
    only as instances. Clips whose objects are given begin with a frame in which one is visible, so
    that they can be given there.
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
        factors = cfg.INPUT.FRAME_RANGE_FACTORS
        if len(vocabularies) != len(names) or len(factors) not in (0, len(names)):
            raise ValueError(
                f"DATASETS.TRAIN names {len(names)} data sets, DATASETS.TRAIN_VOCABULARIES "
                f"{len(vocabularies)} vocabularies and INPUT.FRAME_RANGE_FACTORS {len(factors)} "
                "factors: give one of each for every data set"
            )
        index = names.index(dataset_name)
        cfg = cfg.clone()
        cfg.defrost()
        if factors:
            cfg.INPUT.SAMPLING_FRAME_RANGE = round(factors[index] * cfg.INPUT.SAMPLING_FRAME_NUM)
        things = thing_classes_of(cfg, vocabularies[index])
        return cls(
            ClipMapper(cfg) if is_video else PseudoClipMapper(cfg),
            vocabulary=vocabularies[index],
            thing_classes=frozenset(things) if things else None,
        )

    def __call__(self, dataset_dict: dict) -> dict:
        """Map one entry; see :mod:`univs.modeling.tarvis_targets` for what is added."""
        sample = self.clip_mapper(dataset_dict)
        sample["vocabulary"] = self.vocabulary
        if not self.vocabulary:
            visible = [bool((frame.gt_ids != -1).any()) for frame in sample["instances"]]
            sample["reference_frame"] = visible.index(True) if any(visible) else 0
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


def class_map(frames: list) -> Tensor:
    """Class of every pixel, int64 ``(T, H, W)``, :data:`IGNORE_LABEL` where no segment is."""
    maps = []
    for instances in frames:
        labels = torch.full(instances.image_size, IGNORE_LABEL, dtype=torch.long)
        for mask, label in zip(instances.gt_masks.tensor, instances.gt_classes, strict=True):
            labels[mask] = label
        maps.append(labels)
    return torch.stack(maps)
