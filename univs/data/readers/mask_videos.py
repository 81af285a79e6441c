"""Videos that are a folder of frames and a folder of id maps each: DAVIS, VIPSeg, KITTI-STEP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from univs.data.frames import ImageFrames
from univs.data.mask_source import IdMaps, IdMasks, MapEncoding
from univs.data.readers.folders import frame_size, list_frames, mask_names, presence
from univs.data.readers.json_file import AnnotationError
from univs.data.record import ObjectRecord, PromptKind, PromptRecord, VideoRecord

#: Frames by id, in ascending order of ids.
Table = dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class MaskVideo:
    """A video and its id maps.

    Attributes:
        name: of the folders, which is the official id.
        frames: all frames.
        maps: one per frame; None where a frame has none.
    """

    name: str
    frames: ImageFrames
    maps: IdMaps

    def record(
        self,
        objects: Sequence[ObjectRecord],
        *,
        dataset: str,
        domain: str | None,
        gives_masks: bool = False,
    ) -> VideoRecord:
        """The record of the video.

        Args:
            objects: what the maps show.
            dataset: registered name.
            domain: name of the class list.
            gives_masks: every object is given by its first mask.
        """
        return VideoRecord(
            dataset=dataset,
            domain=domain,
            video_id=self.name,
            official_id=self.name,
            frames=self.frames,
            size=self.maps.size,
            objects=tuple(objects),
            annotated=annotated_frames(self.maps),
            prompts=first_masks(objects) if gives_masks else (),
        )


def mask_videos(
    names: Sequence[str],
    image_root: str | Path,
    mask_root: str | Path | None,
    *,
    encoding: MapEncoding = MapEncoding.VALUE,
    void: int | None = None,
) -> list[MaskVideo]:
    """List the files of videos.

    Args:
        names: of the videos.
        image_root: folder with one folder of frames per video.
        mask_root: folder with one folder of maps per video; frames may lack one. None: all do.
        encoding: how pixels give ids.
        void: the id of pixels to be ignored.

    Raises:
        FrameError: a video has no frames.
    """
    return [
        mask_video(name, list_frames(image_root, name), mask_root, encoding=encoding, void=void)
        for name in names
    ]


def mask_video(
    name: str,
    frames: ImageFrames,
    mask_root: str | Path | None,
    *,
    encoding: MapEncoding = MapEncoding.VALUE,
    void: int | None = None,
) -> MaskVideo:
    """A video whose frames are known, with the maps in ``mask_root/name``."""
    no_masks = (None,) * len(frames)
    maps = IdMaps(
        root=str(mask_root),
        file_names=no_masks if mask_root is None else mask_names(frames, mask_root, name),
        encoding=encoding,
        size=frame_size(frames),
        void=void,
    )
    return MaskVideo(name, frames, maps)


def shown_ids(
    videos: Sequence[MaskVideo], *, dataset: str, index_folder: str | Path | None
) -> list[Table]:
    """Which frames show which id; see :func:`~univs.data.readers.folders.presence`."""
    return presence([video.maps for video in videos], index_folder=index_folder, name=dataset)


def panoptic_records(
    videos: Sequence[MaskVideo],
    class_of: Callable[[int], tuple[int, bool]],
    *,
    dataset: str,
    domain: str,
    things: Sequence[int],
    num_classes: int,
    index_folder: str | Path | None,
) -> list[VideoRecord]:
    """Records of videos whose maps give every pixel a class and perhaps an instance.

    Args:
        videos: their files.
        class_of: the 0-based class that a value stands for, and whether it has no instance, as
            all stuff has none. Such things are crowds.
        dataset: registered name.
        domain: name of the class list.
        things: 0-based classes that are things.
        num_classes: number of classes.
        index_folder: where the table of ids is kept.

    Raises:
        AnnotationError: a value is of a class that there is not.
    """
    thing_set = set(things)
    records = []
    tables = shown_ids(videos, dataset=dataset, index_folder=index_folder)
    for video, table in zip(videos, tables, strict=True):
        objects = []
        for value, frames in table.items():
            category, is_region = class_of(value)
            if not 0 <= category < num_classes:
                raise AnnotationError(
                    f"The masks of {video.maps.root}/{video.name} hold the value {value}, which is "
                    f"of class {category} (from 0); {dataset} has {num_classes} classes."
                )
            objects.append(
                ObjectRecord(
                    id=len(objects),
                    official_id=value,
                    category=category,
                    masks=IdMasks(video.maps, value),
                    frames=frames,
                    is_thing=category in thing_set,
                    is_crowd=category in thing_set and is_region,
                )
            )
        records.append(video.record(objects, dataset=dataset, domain=domain))
    return records


def annotated_frames(maps: IdMaps) -> tuple[int, ...] | None:
    """Frames that have a map; None if all or none have one."""
    frames = tuple(frame for frame, name in enumerate(maps.file_names) if name is not None)
    return frames if 0 < len(frames) < len(maps.file_names) else None


def first_masks(objects: Sequence[ObjectRecord]) -> tuple[PromptRecord, ...]:
    """A mask prompt per object, in the first frame that shows it and has a map."""
    prompts = []
    for item in objects:
        files = item.masks.maps.file_names
        frame = next((frame for frame in item.frames if files[frame] is not None), None)
        if frame is not None:
            prompts.append(PromptRecord(item.id, frame, PromptKind.MASK))
    return tuple(prompts)
