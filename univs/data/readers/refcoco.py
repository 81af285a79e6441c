"""RefCOCO, RefCOCO+ and RefCOCOg: expressions for objects of COCO images, as published with REFER.

``refs(unc).p`` and ``refs(umd).p`` are pickles of plain lists and dictionaries. They are untrusted:
anything else in them is refused. The same content as json is read, too.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from univs.data.frames import ImageFrames
from univs.data.readers.coco import read_coco_instances
from univs.data.readers.json_file import AnnotationError, require
from univs.data.record import ExpressionRecord, ObjectRecord, VideoRecord

_PREFIX = "COCO_train2014_"  # of file names; COCO 2017 has the same images without it


def read_refcoco(
    reference_file: str | Path,
    instance_file: str | Path,
    image_root: str | Path,
    *,
    dataset: str,
    split: str,
) -> list[VideoRecord]:
    """Read the images of a split; objects are those that an expression of the split names.

    Args:
        reference_file: ``refs(...).p``, or a json file with the same content.
        instance_file: ``instances.json``.
        image_root: COCO's ``train2017`` or ``train2014``.
        dataset: registered name.
        split: ``train``, ``val``, ``test``, ``testA`` or ``testB``.

    Raises:
        AnnotationError: a file is damaged, the two contradict one another, or nothing is of the
            split.
    """
    references = [r for r in read_references(reference_file) if r["split"] == split]
    if not references:
        raise AnnotationError(f"{reference_file} has no references of the split {split!r}.")
    images = read_coco_instances(
        instance_file, image_root, dataset=dataset, domain=None, categories=None
    )
    by_id = {record.official_id: record for record in images}
    named: dict[int, list[dict]] = {}
    for reference in references:
        if reference["image_id"] not in by_id:
            raise AnnotationError(
                f"{reference_file}: reference {reference['ref_id']} is of image "
                f"{reference['image_id']}, which is not in {instance_file}."
            )
        named.setdefault(reference["image_id"], []).append(reference)
    keeps_prefix = Path(image_root).name.endswith("2014")
    return [
        _record(by_id[image], items, reference_file, keeps_prefix)
        for image, items in sorted(named.items())
    ]


def read_mixed_refcoco(
    sources: Sequence[tuple[str | Path, str | Path]],
    image_root: str | Path,
    *,
    dataset: str,
    smallest: int = 360,
) -> list[VideoRecord]:
    """The training images of several of the sets as one dataset, one record per image and set.

    Args:
        sources: pairs of reference file and instance file.
        image_root: as for :func:`read_refcoco`.
        dataset: registered name.
        smallest: images whose longer side has fewer pixels are left out, as in UniVS.
    """
    records = []
    for references, instances in sources:
        prefix = Path(references).parent.name
        for record in read_refcoco(
            references, instances, image_root, dataset=dataset, split="train"
        ):
            if max(record.size) >= smallest:
                records.append(replace(record, video_id=f"{prefix}/{record.video_id}"))
    return records


def _record(
    image: VideoRecord, references: Sequence[dict], path: str | Path, keeps_prefix: bool
) -> VideoRecord:
    available = {item.official_id: item for item in image.objects}
    objects: dict[int, ObjectRecord] = {}
    expressions = []
    for reference in references:
        where = f"{path}: reference {reference['ref_id']}"
        official = reference["ann_id"]
        if official not in available:
            raise AnnotationError(
                f"{where} names annotation {official}, which image {image.official_id} does not "
                "have."
            )
        if official not in objects:
            objects[official] = replace(available[official], id=len(objects), category=None)
        for sentence in reference["sentences"]:
            require(sentence, ("sent_id", "sent"), f"{where}: a sentence")
            expressions.append(
                ExpressionRecord(
                    id=sentence["sent_id"],
                    text=sentence["sent"],
                    object_id=objects[official].id,
                )
            )
    (name,) = image.frames.file_names
    frames = ImageFrames(image.frames.root, (name if keeps_prefix else name.removeprefix(_PREFIX),))
    return replace(
        image, frames=frames, objects=tuple(objects.values()), expressions=tuple(expressions)
    )


def read_references(path: str | Path) -> list[dict[str, Any]]:
    """Read a file of references.

    Raises:
        AnnotationError: it is damaged, holds more than plain data, or lacks a key.
    """
    try:
        if Path(path).suffix == ".json":
            references = json.loads(Path(path).read_text(encoding="utf-8"))
        else:
            with open(path, "rb") as file:
                references = _PlainUnpickler(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError) as error:
        raise AnnotationError(
            f"{path} cannot be read as a file of references ({error}); fetch it again."
        ) from error
    if not isinstance(references, list):
        raise AnnotationError(f"{path} must hold a list of references.")
    for position, reference in enumerate(references):
        keys = ("ref_id", "ann_id", "image_id", "split", "sentences")
        require(reference, keys, f"{path}: reference {position}")
    return references


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, dictionaries, text and numbers, which need no class; refuses anything else."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which plain data does not")
