"""What a check of a dataset finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: short name, the same for all problems of the kind, such as ``missing frame``.
        message: what is wrong, and with what.
        file: the file it is wrong in.
        video: official id of the video or image, if it concerns one.
        frame: index of the frame, if it concerns one.
        is_error: False if the data can be used as they are, but probably should not be.
    """

    kind: str
    message: str
    file: str
    video: str | None = None
    frame: int | None = None
    is_error: bool = True

    def __str__(self) -> str:
        place = "" if self.video is None else f", video {self.video}"
        place += "" if self.frame is None else f", frame {self.frame}"
        return f"{self.kind}: {self.file}{place}: {self.message}"


@dataclass
class CheckReport:
    """The result of a check.

    Attributes:
        name: of the dataset, or the path that was checked.
        problems: in the order in which they were found.
        counts: how much was looked at, such as ``videos`` and ``frames``.
    """

    name: str
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def errors(self) -> list[Problem]:
        """Problems that make data unusable."""
        return [problem for problem in self.problems if problem.is_error]

    @property
    def kinds(self) -> Counter[str]:
        """How many problems there are of each kind."""
        return Counter(problem.kind for problem in self.problems)
