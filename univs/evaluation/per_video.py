"""What evaluators share: one small record per video or image, gathered on the main process."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm


class PerVideoEvaluator(DatasetEvaluator):
    """Keeps one picklable record per processed video.

    Records are gathered and sorted by video id before anything is added up, so numbers do not
    depend on the number of processes.

    Attributes:
        unit: what messages call an item, such as "image".
    """

    unit = "video"

    def __init__(self) -> None:
        self._records: dict[Hashable, Any] = {}  # indexed by video id

    def reset(self) -> None:
        """Forget all videos."""
        self._records = {}

    def keep(self, video_id: Hashable, record: Any) -> None:
        """Store the record of a video.

        Raises:
            ValueError: the video was processed before.
        """
        if video_id in self._records:
            raise ValueError(
                f"{self.unit.capitalize()} {video_id!r} was processed twice. Call reset() between "
                f"evaluations, and use a sampler that gives every {self.unit} once."
            )
        self._records[video_id] = record

    def gather_records(self) -> dict[Hashable, Any] | None:
        """Bring the records of all processes to the main one, in order of the video id.

        Returns:
            Video id -> record on the main process, None on the others.

        Raises:
            ValueError: two processes have processed the same video.
        """
        parts = comm.gather(self._records, dst=0)
        if not comm.is_main_process():
            return None
        merged: dict[Hashable, Any] = {}
        for part in parts:
            twice = merged.keys() & part.keys()
            if twice:
                raise ValueError(
                    f"These {self.unit}s were processed by two processes: {_listed(twice)}. Use a "
                    f"sampler that gives every {self.unit} once, such as Detectron2's "
                    "InferenceSampler."
                )
            merged.update(part)
        return {video_id: merged[video_id] for video_id in sorted(merged)}


def check_no_video_missing(
    expected: Iterable[Hashable],
    processed: Iterable[Hashable],
    allow_missing: bool,
    *,
    unit: str = "video",
) -> list[Hashable]:
    """Return the expected videos (or what ``unit`` says) that were not processed.

    Raises:
        ValueError: there are some, and ``allow_missing`` is off.
    """
    processed = set(processed)
    missing = [video_id for video_id in expected if video_id not in processed]
    if missing and not allow_missing:
        raise ValueError(
            f"{len(missing)} {unit}s of the data set have no prediction: {_listed(missing)}. "
            "Process them all, or pass allow_missing=True to score them as empty."
        )
    return missing


def _listed(names: Iterable[Hashable], limit: int = 10) -> str:
    names = sorted(names, key=str)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(repr, names[:limit])) + more
