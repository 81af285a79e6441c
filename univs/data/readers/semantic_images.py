"""Still images with one PNG of class ids each: ADE20K, Cityscapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from univs.data.frames import FrameError, ImageFrames
from univs.data.mask_source import IdMaps, MapEncoding
from univs.data.readers.folders import frame_size
from univs.data.readers.json_file import AnnotationError
from univs.data.readers.still_image import image_record
from univs.data.record import VideoRecord

VOID = 255


def read_semantic_images(
    image_root: str | Path,
    mask_root: str | Path,
    *,
    dataset: str,
    domain: str,
    image_suffix: str = ".jpg",
    mask_suffix: str = ".png",
    offset: int = 0,
) -> list[VideoRecord]:
    """Read every image below a folder that has a mask of the same path, sorted by path.

    Args:
        image_root: folder of the images, which may lie in folders.
        mask_root: folder of the masks; 255 is void.
        dataset: registered name.
        domain: name of the class list.
        image_suffix: end of the images' names.
        mask_suffix: what takes its place in the masks' names.
        offset: added to the values to get 0-based classes; -1 makes 0 void.

    Raises:
        FrameError: there are no images.
        AnnotationError: an image has no mask.
    """
    paths = sorted(Path(image_root).rglob(f"*{image_suffix}"))
    if not paths:
        raise FrameError(f"Folder {image_root} holds no images ending in {image_suffix}.")
    records = []
    for path in paths:
        name = path.relative_to(image_root).as_posix()
        stem = name.removesuffix(image_suffix)
        if not Path(mask_root, stem + mask_suffix).is_file():
            raise AnnotationError(f"Image {path} has no mask {mask_root}/{stem}{mask_suffix}.")
        size = frame_size(ImageFrames(image_root, (name,)))
        record = image_record(
            image_root, name, dataset=dataset, domain=domain, official_id=stem, size=size
        )
        labels = IdMaps(
            root=str(mask_root),
            file_names=(stem + mask_suffix,),
            encoding=MapEncoding.VALUE,
            size=size,
            void=VOID,
            offset=offset,
        )
        records.append(replace(record, label_maps=labels))
    return records
