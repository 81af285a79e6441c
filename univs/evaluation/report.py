"""The scores of a result, of all videos together and of each."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

Numbers = OrderedDict[str, float]
STABILITY = "track_stability"  # key of numbers that are no part of any benchmark


@dataclass(frozen=True)
class Report:
    """The scores of a result.

    Attributes:
        scores: task -> name -> number, as evaluators return them.
        per_video: video -> name -> number; the first number of a video ranks it, NaN where a number
            is not defined for it. Empty for still images.
    """

    scores: OrderedDict[str, Numbers]
    per_video: dict[Hashable, Numbers] = field(default_factory=dict)

    def worst_first(self) -> list[tuple[Hashable, Numbers]]:
        """Videos from the lowest first number to the highest; those without one at the end."""

        def rank(item: tuple[Hashable, Numbers]) -> tuple:
            value = next(iter(item[1].values()))
            return (math.isnan(value), 0.0 if math.isnan(value) else value, str(item[0]))

        return sorted(self.per_video.items(), key=rank)
