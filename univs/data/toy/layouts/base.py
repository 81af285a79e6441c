"""What every on-disk layout has in common."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from univs.data.toy.video import ToyVideo


class Layout(ABC):
    """Writes toy videos the way one benchmark lays out its download.

    Videos are added one at a time; ``finish`` writes the files that describe all of them.

    Attributes:
        folder: the benchmark's folder, relative to the root of the data sets.
        requires: names of the layouts whose images this one refers to.
    """

    folder: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, root: Path) -> None:
        """``root`` takes the place of ``folder``; it exists and is empty."""
        self.root = root

    @abstractmethod
    def add(self, split: str, video: ToyVideo) -> None:
        """Write the files of one video of ``"train"`` or ``"val"``."""

    @abstractmethod
    def finish(self) -> None:
        """Write the files that describe whole splits."""


def frame_names(video: ToyVideo, extension: str = ".jpg") -> list[str]:
    """``00000.jpg``, ``00001.jpg``, …: file names of the frames."""
    return [f"{t:05d}{extension}" for t in range(video.num_frames)]


def write_files(folder: Path, names: Sequence[str], contents: Sequence[bytes]) -> None:
    """Write one file per name into ``folder``, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write compact JSON, creating the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")))


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a list file, one name per line, ending with a newline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
