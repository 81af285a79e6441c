"""What is wrong with the files of frames and masks, as far as their headers tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from PIL import Image

from univs.data.frames import ImageFrames
from univs.data.mask_source import IdMaps, IdMasks, MapEncoding
from univs.data.record import DeferredRecord, VideoRecord

#: Kind and message.
Wrong = tuple[str, str]
_VALUE_MODES = frozenset(("P", "L", "1", "I", "I;16"))  # of images with one number per pixel
_MOST_FILES = 20_000  # looked at before training


def wrong_frame(path: str, size: tuple[int, int] | None, *, decode: bool = False) -> Wrong | None:
    """What is wrong with a frame.

    Args:
        path: its file.
        size: height and width that it must have; None accepts any.
        decode: read all of it, which finds truncated images; otherwise its header only.
    """
    try:
        with Image.open(path) as image:
            # EXIF orientations 5 to 8 turn the image on its side.
            turned = image.getexif().get(0x0112, 1) >= 5
            width, height = image.size[::-1] if turned else image.size
            if decode:
                # A JPEG is decoded at an eighth of its size, which is much faster.
                image.draft("RGB", (max(image.width // 8, 1), max(image.height // 8, 1)))
                image.load()
    except FileNotFoundError:
        return "missing frame", "the image does not exist"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return "unreadable frame", f"it cannot be decoded ({error}); fetch it again"
    if size is not None and (height, width) != size:
        return (
            "size mismatch",
            f"the image is {height}x{width} (height x width), the annotations say "
            f"{size[0]}x{size[1]}",
        )
    return None


def wrong_mask(path: str, maps: IdMaps) -> Wrong | None:
    """What is wrong with an image of ids, by its header."""
    try:
        with Image.open(path) as image:
            mode, (width, height) = image.mode, image.size
    except FileNotFoundError:
        return "missing mask", "the mask does not exist"
    except (OSError, SyntaxError, ValueError) as error:
        return "unreadable mask", f"it cannot be decoded ({error}); fetch it again"
    if (height, width) != maps.size:
        return (
            "size mismatch",
            f"the mask is {height}x{width} (height x width), its video {maps.size[0]}x"
            f"{maps.size[1]}",
        )
    if maps.encoding is MapEncoding.RED or (mode in _VALUE_MODES) == (
        maps.encoding is MapEncoding.VALUE
    ):
        return None
    expected = "an RGB image"
    if maps.encoding is MapEncoding.VALUE:
        expected = "one with a single value per pixel (palette, 8-bit or 16-bit)"
    return "wrong palette", f"it is a {mode} image; {expected} is expected. Use the original file"


def check_files(name: str, records: Sequence[VideoRecord | DeferredRecord]) -> None:
    """Look at the headers of the frames and masks of a dataset before it is trained on.

    Of a dataset with many files, about twenty thousand are looked at, evenly chosen.

    Args:
        name: of the dataset.
        records: those that are trained on.

    Raises:
        ValueError: some are missing, damaged or of the wrong size or kind.
    """
    read = [record for record in records if isinstance(record, VideoRecord)]
    total = sum(1 for _ in _files(read))
    # An odd step, because frames and masks may take turns.
    files = list(islice(_files(read), 0, None, total // _MOST_FILES // 2 * 2 + 1))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(pool.map(_wrong_file, files))
    wrong = [(file, problem) for file, problem in zip(files, found, strict=True) if problem]
    if wrong:
        (path, record, frame, _), (kind, message) = wrong[0]
        raise ValueError(
            f"{name} cannot be trained on: {len(wrong)} of {len(files)} files that were looked at "
            f"are wrong. The first: {kind}: {path}, video {record.video_id}, frame {frame}: "
            f"{message}. `univs data check {name}` names all of them."
        )


_File = tuple[str, VideoRecord, int, IdMaps | None]  # path, video, frame, what it is a mask of


def _files(records: Sequence[VideoRecord]) -> Iterator[_File]:
    """Frames that are image files, and the masks of those frames."""
    for record in records:
        maps = record.label_maps or next(
            (o.masks.maps for o in record.objects if isinstance(o.masks, IdMasks)), None
        )
        is_stored = isinstance(record.frames, ImageFrames)  # and not resized, or inside of a video
        for frame in range(len(record)):
            if is_stored:
                yield record.frames.name(frame), record, frame, None
            if maps is not None and maps.file_names[frame] is not None:
                yield maps.path(frame), record, frame, maps


def _wrong_file(file: _File) -> Wrong | None:
    path, record, _, maps = file
    return wrong_frame(path, record.size) if maps is None else wrong_mask(path, maps)
