"""Label maps as PNG files: one folder per video, one indexed PNG per frame.

The value of a pixel is an object id; the palette is for people only. Folders are written under a
temporary name and renamed when they are complete, so that an interrupted run leaves no half video.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

_MAX_ID = 255  # of an 8-bit PNG


def voc_palette() -> np.ndarray:
    """Colours of PASCAL VOC, used by DAVIS, MOSE and VIPOSeg. uint8 [256, 3], RGB.

    The three lowest bits of an index go to the highest bits of red, green and blue, the next three
    bits to the next lower ones, and so on.
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.int64)
    for level in range(8):
        for channel in range(3):
            palette[:, channel] |= ((index >> (3 * level + channel)) & 1) << (7 - level)
    return palette.astype(np.uint8)


def youtube_vos_palette() -> np.ndarray:
    """Colours of YouTube-VOS: eleven of its own, grey from there on. uint8 [256, 3], RGB."""
    palette = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    palette[:11] = (
        (0, 0, 0),
        (236, 95, 103),
        (249, 145, 87),
        (250, 200, 99),
        (153, 199, 148),
        (98, 179, 178),
        (102, 153, 204),
        (197, 148, 197),
        (171, 121, 103),
        (255, 255, 255),
        (101, 115, 126),
    )
    return palette


def read_label_map(path: str | Path) -> np.ndarray:
    """Read the raw values of an indexed or grey PNG, uint8 or int32 [H, W].

    Raises:
        ValueError: the file is no image, or a colour image, whose values are not ids.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("P", "L", "I;16", "I", "1"):
                raise ValueError(
                    f"{path} is a {image.mode} image. Save object ids as an indexed or grey PNG."
                )
            label_map = np.asarray(image)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an image ({error}).") from error
    return label_map if label_map.dtype == np.uint8 else label_map.astype(np.int32)


class NamedFrames(Sequence):
    """Frames that are read when they are indexed.

    Args:
        names: names of the frames in temporal order.
        read: gives the label map of a frame by name, None if there is none.
    """

    def __init__(self, names: Sequence[str], read: Callable[[str], np.ndarray | None]) -> None:
        self.names = list(names)
        self._read = read

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray | None:
        return self._read(self.names[index])


def frame_names(folder: str | Path) -> list[str]:
    """Names of the PNG files of a folder without suffix, sorted.

    Raises:
        FileNotFoundError: there is no such folder, or no PNG in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    names = sorted(path.stem for path in folder.glob("*.png"))
    if not names:
        raise FileNotFoundError(f"The folder {folder} holds no PNG files.")
    return names


def folder_reader(folder: str | Path) -> Callable[[str], np.ndarray | None]:
    """A function that reads the label map of a frame by name; None if the file does not exist.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: the video has no results.")

    def read(name: str) -> np.ndarray | None:
        path = folder / f"{name}.png"
        return read_label_map(path) if path.exists() else None

    return read


def write_video(
    folder: str | Path,
    frames: Iterable[tuple[str, np.ndarray]],
    palette: np.ndarray | None = None,
) -> None:
    """Write the label maps of a video; an existing folder is replaced when all are written.

    Args:
        folder: its name is the name of the video.
        frames: (name, integer map [H, W]) of the frames to write.
        palette: uint8 [256, 3]; None writes grey PNGs.

    Raises:
        ValueError: an id does not fit into a byte. The folder is left as it was.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    partial.mkdir()
    try:
        for name, label_map in frames:
            if label_map.size and not 0 <= label_map.min() <= label_map.max() <= _MAX_ID:
                raise ValueError(
                    f"Video {folder.name!r}, frame {name}: the ids {label_map.min()}.."
                    f"{label_map.max()} do not fit into an 8-bit PNG (0..{_MAX_ID})."
                )
            image = Image.fromarray(label_map.astype(np.uint8))
            if palette is not None:
                image.putpalette(palette.tobytes())
            image.save(partial / f"{name}.png")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
