"""What metric_speed.py measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Workload:
    """Files that are generated once, and what scores them.

    Attributes:
        description: size.
        make: writes the files into a folder.
        score: the project; takes what ``load`` returns and gives numbers by name.
        plain: the same by a plain transcription of the formulas; None where it would take hours.
        official_seconds: what the official toolkit took on a like workload, where it was measured.
        wanted: how many times faster than the official toolkit the project shall be.
        load: makes of the folder what is scored; its time does not count.
    """

    description: str
    make: Callable[[Path], None]
    score: Callable[[Any], dict]
    plain: Callable[[Any], dict] | None = None
    official_seconds: float | None = None
    wanted: float | None = None
    load: Callable[[Path], Any] = Path
