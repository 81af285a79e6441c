"""Scores result files that any program has written."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detectron2.data import MetadataCatalog
from univs.evaluation.benchmark_truth import benchmark_kind
from univs.evaluation.offline_scorers import SCORERS
from univs.evaluation.report import Report


def score_results(dataset_name: str, results: str | Path, *, processes: int = 1) -> Report:
    """Score result files on a registered data set.

    Args:
        dataset_name: registered name.
        results: what the benchmark asks for: a JSON file, a folder, or a zip archive of either.
        processes: how many videos to score at a time, for benchmarks of videos other than BURST;
            the numbers do not depend on it.

    Raises:
        FileNotFoundError: results or truth are missing.
        ValueError: they are damaged or do not fit, or the truth is not public. Messages name the
            file, video or frame.
    """
    metadata = MetadataCatalog.get(dataset_name)
    score = SCORERS[benchmark_kind(metadata)]
    with unpacked(Path(results)) as path:
        return score(metadata, path, processes)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The path itself, or a temporary folder with the content of a zip archive.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it is a damaged archive.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder of results.")
    if path.suffix != ".zip":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a zip archive ({error}).") from error
        yield Path(folder)
