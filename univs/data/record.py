"""One video and what is known about it, in the same form for every dataset and task.

Ids are 0-based and contiguous here; the official ones are kept beside them and are used only where
files are read or written. A record holds names, sizes and compressed masks, never pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from univs.data.frames import FrameSequence
from univs.data.mask_source import IdMaps, MaskSource

OfficialId = int | str


class PromptKind(str, Enum):
    """How a target is given at test time."""

    MASK = "mask"
    BOX = "box"
    POINT = "point"


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One object (or stuff region) of a video.

    Attributes:
        id: position in ``VideoRecord.objects``.
        official_id: the id in the dataset's files.
        category: 0-based class in the record's domain; None if the dataset has no classes.
        masks: where the masks lie; None if the dataset has none.
        frames: ascending indices of the frames in which the object is known to be present.
        boxes: ``[len(frames), 4]`` (x0, y0, x1, y1) in pixels, as annotated; None if not known.
            Where there are masks, boxes of training samples come from them.
        is_thing: False for a stuff region.
        is_crowd: a group of objects that is not annotated one by one.
    """

    id: int
    official_id: OfficialId
    category: int | None
    masks: MaskSource | None
    frames: tuple[int, ...]
    boxes: np.ndarray | None = None
    is_thing: bool = True
    is_crowd: bool = False

    def __post_init__(self) -> None:
        if self.boxes is not None and self.boxes.shape != (len(self.frames), 4):
            raise ValueError(
                f"Object {self.official_id!r} has boxes of shape {self.boxes.shape} for "
                f"{len(self.frames)} frames."
            )


@dataclass(frozen=True, slots=True)
class ExpressionRecord:
    """A text that names one object.

    Attributes:
        id: the official id of the expression.
        text: the expression.
        object_id: ``ObjectRecord.id``; None if the dataset does not say.
        annotator: which annotator wrote it, if that matters for the protocol.
    """

    id: OfficialId
    text: str
    object_id: int | None = None
    annotator: str | None = None


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """How a test protocol gives one object: exactly one prompt per object and initialisation.

    Attributes:
        object_id: ``ObjectRecord.id``.
        frame: index of the frame the prompt is given in.
        kind: what is given; a mask is read from the object's ``masks``.
        point: x and y in pixels, for ``kind`` point.
        box: x0, y0, x1, y1 in pixels, for ``kind`` box.
    """

    object_id: int
    frame: int
    kind: PromptKind
    point: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        given = {PromptKind.POINT: self.point, PromptKind.BOX: self.box}
        if self.kind in given and given[self.kind] is None:
            raise ValueError(f"A {self.kind.value} prompt needs its {self.kind.value}.")


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """One video, or one image as a video of length 1.

    Attributes:
        dataset: registered name of the dataset.
        domain: name of the class list that categories index, or None if there are no classes.
        video_id: official id as text, unique in the dataset.
        official_id: the id with its original type, for result files.
        frames: the frames, decoded on access.
        size: height and width of the original frames.
        objects: ``objects[i].id == i``.
        fps: frames per second, if known.
        annotated: ascending indices of the frames that have truth; None means every frame.
        label_maps: per-pixel classes by frame, if the dataset has them.
        expressions: texts that name objects.
        prompts: how the test protocol gives objects.
        tags: such as ``seen`` and ``unseen``.
    """

    dataset: str
    domain: str | None
    video_id: str
    official_id: OfficialId
    frames: FrameSequence
    size: tuple[int, int]
    objects: tuple[ObjectRecord, ...] = ()
    fps: float | None = None
    annotated: tuple[int, ...] | None = None
    label_maps: IdMaps | None = None
    expressions: tuple[ExpressionRecord, ...] = ()
    prompts: tuple[PromptRecord, ...] = ()
    tags: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        where = f"Video {self.video_id!r} of {self.dataset}"
        if min(self.size) <= 0:
            raise ValueError(f"{where}: size (height, width) {self.size} is not positive.")
        if len(self) == 0:
            raise ValueError(f"{where} has no frames.")
        for position, item in enumerate(self.objects):
            if item.id != position:
                raise ValueError(f"{where}: object at position {position} has id {item.id}.")
            if item.frames and not 0 <= item.frames[0] <= item.frames[-1] < len(self):
                raise ValueError(
                    f"{where}: object {item.official_id!r} lies outside its {len(self)} frames."
                )
        for prompt in self.prompts:
            if not (0 <= prompt.object_id < len(self.objects) and 0 <= prompt.frame < len(self)):
                raise ValueError(f"{where}: {prompt} names an object or frame that is not there.")
        for text in self.expressions:
            if text.object_id is not None and not 0 <= text.object_id < len(self.objects):
                raise ValueError(f"{where}: {text} names an object that is not there.")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.frames)

    @property
    def tasks(self) -> frozenset[str]:
        """Tasks the record can serve: vis, vss, vps, vos, pet, refvos."""
        tasks = set()
        if any(o.category is not None and o.is_thing for o in self.objects):
            tasks.add("vis")
        if any(o.category is not None and not o.is_thing for o in self.objects):
            tasks.update(("vps", "vss"))
        if self.label_maps is not None:
            tasks.add("vss")
        kinds = {prompt.kind for prompt in self.prompts}
        if PromptKind.MASK in kinds:
            tasks.add("vos")
        if PromptKind.POINT in kinds:
            tasks.add("pet")
        if self.expressions:
            tasks.add("refvos")
        return frozenset(tasks)

    def objects_in(self, frames: Iterable[int]) -> list[ObjectRecord]:
        """Objects present in at least one of ``frames``, in order; crowds are left out."""
        chosen = set(frames)
        return [o for o in self.objects if not o.is_crowd and not chosen.isdisjoint(o.frames)]

    def as_dataset_dict(self) -> dict:
        """The record as an entry of Detectron2's DatasetCatalog.

        Keys: ``record`` (this object), ``dataset_name``, ``domain``, ``video_id`` (official type),
        ``file_names``, ``height``, ``width``, ``length``.
        """
        return {
            "record": self,
            "dataset_name": self.dataset,
            "domain": self.domain,
            "video_id": self.official_id,
            "file_names": self.frames.names,
            "height": self.size[0],
            "width": self.size[1],
            "length": len(self),
        }


@dataclass(frozen=True, slots=True)
class DeferredRecord:
    """A video whose annotations are read when it is used, because each lies in a file of its own.

    Attributes:
        dataset: registered name.
        domain: name of the class list, or None.
        video_id: official id as text.
        official_id: the id with its original type.
        load: reads the record; can be sent to a worker process.
    """

    dataset: str
    domain: str | None
    video_id: str
    official_id: OfficialId
    load: Callable[[], VideoRecord]

    def as_dataset_dict(self) -> dict:
        """As :meth:`VideoRecord.as_dataset_dict`, without what is not known yet."""
        return {
            "record": self,
            "dataset_name": self.dataset,
            "domain": self.domain,
            "video_id": self.official_id,
        }


def record_of(dataset_dict: Mapping) -> VideoRecord:
    """The record of an entry of the DatasetCatalog, read now if it has not been read before."""
    record = dataset_dict["record"]
    return record.load() if isinstance(record, DeferredRecord) else record
