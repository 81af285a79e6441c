"""Where the mask of an object lies, and how it is decoded for one frame.

Masks stay as they are on disk (RLE or polygons in a json, values in a PNG) and are decoded only for
the frames that are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask


class MaskError(ValueError):
    """A mask is missing or malformed; the message says which."""


class MaskSource(ABC):
    """The masks of one object, by frame."""

    @abstractmethod
    def decode(self, frame: int) -> np.ndarray:
        """The mask in ``frame`` as ``[H, W]`` bool, all False where the object is absent."""


# --------------------------------------------------------------------------------------------------
# Run lengths and polygons, as in the json of COCO and YouTube-VIS


@dataclass(frozen=True, slots=True)
class RleMasks(MaskSource):
    """Masks given as compressed run lengths or polygons.

    Attributes:
        size: height and width.
        frames: ascending indices of the frames in which the object is present.
        segments: one per entry of ``frames``: the counts of a compressed RLE (bytes), or polygons
            as a tuple of bytes, each the float64 coordinates x0, y0, x1, y1, ... in pixels.
    """

    size: tuple[int, int]
    frames: tuple[int, ...]
    segments: tuple[bytes | tuple[bytes, ...], ...]

    def segment(self, frame: int) -> bytes | tuple[bytes, ...] | None:
        """What is stored for ``frame``; None where the object is absent."""
        position = bisect_left(self.frames, frame)
        if position == len(self.frames) or self.frames[position] != frame:
            return None
        return self.segments[position]

    def polygons(self, frame: int) -> list[np.ndarray] | None:
        """Polygons ``[2 * points]`` float64 of ``frame``; None if it has run lengths or nothing."""
        segment = self.segment(frame)
        if not isinstance(segment, tuple):
            return None
        return [np.frombuffer(polygon) for polygon in segment]

    def rle(self, frame: int) -> dict | None:
        """The mask of ``frame`` as pycocotools' compressed RLE; None where the object is absent."""
        segment = self.segment(frame)
        if segment is None:
            return None
        if isinstance(segment, tuple):
            return polygons_to_rle(self.polygons(frame), self.size)
        return {"size": list(self.size), "counts": segment}

    def decode(self, frame: int) -> np.ndarray:
        rle = self.rle(frame)
        if rle is None:
            return np.zeros(self.size, dtype=bool)
        return coco_mask.decode(rle).astype(bool)


def polygons_to_rle(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> dict:
    """Union of ``polygons`` (``[2 * points]`` each, in pixels) on a canvas (height, width)."""
    return coco_mask.merge(coco_mask.frPyObjects([p.tolist() for p in polygons], *size))


def parse_segmentation(
    segmentation: dict | list | None, size: tuple[int, int] | None = None
) -> tuple[bytes | tuple[bytes, ...] | None, tuple[int, int] | None]:
    """Turn a ``segmentation`` of a COCO-style json into a segment of :class:`RleMasks`.

    Uncompressed run lengths are compressed. Polygons of fewer than three points or with an odd
    count of numbers are dropped. Null, an empty list and polygons of which none is left mean that
    the object is absent.

    Args:
        segmentation: RLE (compressed or not), list of polygons, or None.
        size: height and width that run lengths must have; None accepts any.

    Returns:
        the segment, None where the object is absent; and ``size``, or the size of the run lengths
        if it was None.

    Raises:
        MaskError: the sizes disagree, or the value is none of these forms.
    """
    if not segmentation:
        return None, size
    if isinstance(segmentation, list):
        polygons = [p for p in segmentation if len(p) >= 6 and len(p) % 2 == 0]
        return tuple(np.asarray(p, dtype=np.float64).tobytes() for p in polygons) or None, size
    try:
        height, width = segmentation["size"]
        counts = segmentation["counts"]
    except (TypeError, KeyError, ValueError):
        raise MaskError(
            "a segmentation must be null, a list of polygons, or an object with 'size' and 'counts'"
        ) from None
    if size is None:
        size = (height, width)
    elif (height, width) != size:
        raise MaskError(
            f"the mask has size {height}x{width} (height x width), where {size[0]}x{size[1]} is "
            "expected"
        )
    if isinstance(counts, str):
        return counts.encode("ascii"), size
    if not isinstance(counts, list):
        raise MaskError(f"'counts' must be text or a list of numbers, not {type(counts).__name__}")
    if sum(counts) != height * width:
        raise MaskError(
            f"the run lengths cover {sum(counts)} pixels, the mask has {height * width}"
        )
    return coco_mask.frPyObjects(segmentation, height, width)["counts"], size


def parse_segmentations(
    segmentations: Sequence[dict | list | None], size: tuple[int, int] | None = None
) -> tuple[tuple[int, ...], tuple[bytes | tuple[bytes, ...], ...], tuple[int, int] | None]:
    """Parse what a json says of every frame of a video, see :func:`parse_segmentation`.

    Args:
        segmentations: one per frame.
        size: height and width that run lengths must have; None takes those of the first.

    Returns:
        ``frames`` and ``segments`` of :class:`RleMasks`, and the size.

    Raises:
        MaskError: as :func:`parse_segmentation`; the message begins with the frame.
    """
    present = {}
    for frame, segmentation in enumerate(segmentations):
        try:
            segment, size = parse_segmentation(segmentation, size)
        except MaskError as error:
            raise MaskError(f"frame {frame}: {error}") from error
        if segment is not None:
            present[frame] = segment
    return tuple(present), tuple(present.values()), size


# --------------------------------------------------------------------------------------------------
# Images whose pixel values are ids


class MapEncoding(str, Enum):
    """How the pixels of an image give ids.

    ``VALUE``: the stored number of a palette, 8-bit or 16-bit image. ``RGB``: ``R + 256 G + 65536
    B``. ``RED``: the red channel, or the value of a grey image. ``GREEN_BLUE``: ``256 G + B``.
    ``STEP``: class and instance, ``65536 (R + 1) + 256 G + B``, or 0 where the class R is 255.
    """

    VALUE = "value"
    RGB = "rgb"
    RED = "red"
    GREEN_BLUE = "green_blue"
    STEP = "step"


#: Values of a class in id maps of the encoding STEP.
INSTANCES_PER_STEP_CLASS = 65536


def read_id_map(path: str | Path, encoding: MapEncoding = MapEncoding.VALUE) -> np.ndarray:
    """Read an image of ids as ``[H, W]`` int32.

    Raises:
        MaskError: the file is missing, damaged, or not stored in the way ``encoding`` says.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            values = np.asarray(image)
    except FileNotFoundError:
        raise MaskError(f"Mask {path} does not exist.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise MaskError(f"Mask {path} cannot be decoded ({error}); fetch it again.") from error
    if encoding is MapEncoding.RED and values.ndim == 2:
        return values.astype(np.int32)
    if encoding is MapEncoding.VALUE:
        if values.ndim != 2:
            raise MaskError(
                f"Mask {path} is a {mode} image; one with a single value per pixel (palette, 8-bit "
                "or 16-bit) is expected. A palette PNG that was saved again by an image editor "
                "loses "
                "its ids: use the original file."
            )
        return values.astype(np.int32)
    if values.ndim != 3 or values.shape[2] < 3:
        raise MaskError(f"Mask {path} is a {mode} image; an RGB image is expected.")
    red, green, blue = (values[..., channel].astype(np.int32) for channel in range(3))
    if encoding is MapEncoding.RED:
        return red
    if encoding is MapEncoding.GREEN_BLUE:
        return 256 * green + blue
    if encoding is MapEncoding.STEP:
        ids = INSTANCES_PER_STEP_CLASS * (red + 1) + 256 * green + blue
        return np.where(red == 255, 0, ids).astype(np.int32)
    return red + 256 * green + 65536 * blue


@dataclass(frozen=True, slots=True)
class IdMaps:
    """One image of ids per frame, shared by the objects (or classes) of a video.

    Attributes:
        root: folder that ``file_names`` are relative to.
        file_names: one per frame, None where a frame has no truth.
        encoding: how pixels give ids.
        size: height and width.
        void: the id of pixels that are to be ignored, or None.
        offset: added to every id except ``void``, such as -1 to make 1-based classes 0-based; what
            falls below 0 is void. Needs ``void``.
    """

    root: str
    file_names: tuple[str | None, ...]
    encoding: MapEncoding
    size: tuple[int, int]
    void: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        if self.offset and self.void is None:
            raise ValueError("Id maps with an offset need a void id.")

    def path(self, frame: int) -> str | None:
        """The image of ``frame``, or None."""
        name = self.file_names[frame]
        return None if name is None else f"{self.root}/{name}"

    def decode(self, frame: int) -> np.ndarray:
        """The ids of ``frame`` as ``[H, W]`` int32.

        Raises:
            MaskError: the frame has no truth, or its file is missing, damaged or of another size.
        """
        path = self.path(frame)
        if path is None:
            raise MaskError(f"Frame {frame} has no mask file under {self.root}.")
        ids = read_id_map(path, self.encoding)
        if ids.shape != self.size:
            raise MaskError(
                f"Mask {path} is {ids.shape[0]}x{ids.shape[1]} (height x width), its video "
                f"{self.size[0]}x{self.size[1]}."
            )
        if self.offset:
            moved = ids + self.offset
            ids = np.where((ids == self.void) | (moved < 0), self.void, moved)
        return ids


@dataclass(frozen=True, slots=True)
class IdMasks(MaskSource):
    """The pixels of one id in a sequence of id maps; ``value`` None stands for every id but 0."""

    maps: IdMaps
    value: int | None

    def decode(self, frame: int) -> np.ndarray:
        if self.maps.file_names[frame] is None:
            return np.zeros(self.maps.size, dtype=bool)
        return self.select(self.maps.decode(frame))

    def select(self, ids: np.ndarray) -> np.ndarray:
        """The pixels of a decoded map ``[H, W]`` that belong to the object, as bool."""
        return ids != 0 if self.value is None else ids == self.value


def decode_masks(sources: Sequence[MaskSource], frame: int, size: tuple[int, int]) -> np.ndarray:
    """Masks of several objects in one frame, every id map read once.

    Args:
        sources: masks of the N objects.
        frame: index of the frame.
        size: height and width.

    Returns:
        ``[N, H, W]`` bool.
    """
    masks = np.zeros((len(sources), *size), dtype=bool)
    rle_rows, rles = [], []
    id_rows: dict[int, list[int]] = {}  # rows of the objects that share a map, by id() of the map
    for row, source in enumerate(sources):
        if isinstance(source, RleMasks):
            rle = source.rle(frame)
            if rle is not None:
                rle_rows.append(row)
                rles.append(rle)
        elif isinstance(source, IdMasks):
            id_rows.setdefault(id(source.maps), []).append(row)
        else:
            masks[row] = source.decode(frame)
    if rles:
        masks[rle_rows] = coco_mask.decode(rles).transpose(2, 0, 1)
    for rows in id_rows.values():
        maps = sources[rows[0]].maps
        if maps.file_names[frame] is not None:
            ids = maps.decode(frame)
            for row in rows:
                masks[row] = sources[row].select(ids)
    return masks
